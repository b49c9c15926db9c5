"""What is fuzzed: functions of bytes, which let no exception out but those they document.

Each reads what another program, person or server wrote. A finding is kept as a file under `seeds/`.
"""

from __future__ import annotations

import asyncio
import json
import math
from functools import cache
from typing import TYPE_CHECKING, Any

from tests.fuzz.connections import connections
from tests.fuzz.files import File
from tests.fuzz.urls import index, judged_har, redirects
from wanflow._core.content_coding import decode_body
from wanflow._core.download_rules import classify as classify_download
from wanflow._core.effects import Request, Response
from wanflow._core.error_mapping import api_error
from wanflow._core.image_header import NotAnImage, read_image_header
from wanflow._core.link_expiry import expiry_of
from wanflow._core.mp3 import NotAnMp3, mp3_seconds
from wanflow._core.snapshot import parse_snapshot
from wanflow._core.submission_response import classify
from wanflow._text import decode_text, printable
from wanflow.batch.input import RowParser, read_csv, read_jsonl
from wanflow.catalog.catalog import packaged_catalog
from wanflow.catalog.public_url import public_url_problem
from wanflow.mock import MockTransport
from wanflow.mock.gateway.fault import NO_FAULTS
from wanflow.mock.http.parser import InvalidHttp, RequestParser
from wanflow.spec.errors import SpecError
from wanflow.spec.intake.loader import load_bytes
from wanflow.webhooks.asgi import RequestHead, check_head
from wanflow.webhooks.errors import CallbackRejected
from wanflow.webhooks.events import parse_payload
from wanflow.webhooks.url_tokens import TokenData, UrlSigner
from wanflow_contract.findings.baseline import BaselineUnusable
from wanflow_contract.findings.baseline_file import read_baseline
from wanflow_contract.report.result import read_result
from wanflow_contract.watch.har import HarUnusable, read_har

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIMIT = 64 * 1024
"""Bytes of an input; the largest messages that are tested are larger, but no different."""
SECRET = "a secret of the fuzzed receiver"


@cache
def parsers() -> tuple[RowParser, ...]:
    models = list(packaged_catalog().models)
    return RowParser(packaged_catalog()), RowParser(
        packaged_catalog(), models[0], {"prompt": "a {animal}"}
    )


def pages(data: bytes) -> None:
    """A page of documentation, as it was saved or fetched."""
    _document("page.md", data)


def yaml(data: bytes) -> None:
    """A document in YAML."""
    _document("document.yaml", data)


def json_document(data: bytes) -> None:
    """A document in JSON."""
    _document("document.json", data)


def _document(name: str, data: bytes) -> None:
    try:
        load_bytes(name, data)
    except SpecError as error:
        assert str(error), "a refusal says why"


def snapshots(data: bytes) -> None:
    """The body of a response to a status request."""
    try:
        snapshot = parse_snapshot(data)
    except ValueError:
        return
    json.dumps(snapshot.to_dict())
    repr(snapshot)
    assert snapshot.links_expire_at is None or math.isfinite(snapshot.links_expire_at)


def responses(data: bytes) -> None:
    """A response to a submission, or any other: status, headers, and body."""
    head, _, body = data.partition(b"\n\n")
    lines = head.decode("latin-1").split("\n")
    pairs = (line.partition(":") for line in lines[1:])
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    status = int(lines[0][:3]) if lines[0][:3].isdecimal() and lines[0].isascii() else 200
    response = Response(max(100, min(status, 999)), headers, body)
    classify(response, b"{}")
    classify_download("https://files.example.com/a", response, 10, '"known"')
    request = Request("POST", "/v1/images/generations", base_url="https://api.example.com/apiv1")
    error = api_error(response, request, now=0.0)
    assert str(error) == printable(str(error)), "it would steer a terminal"
    assert error.retry_after is None or math.isfinite(error.retry_after)


def contents(data: bytes) -> None:
    """A body that says that it is compressed."""
    codings = ("gzip", "deflate", "gzip, gzip", "deflate, gzip")
    try:
        decoded = decode_body(data[1:], codings[data[0] % 4] if data else "gzip", 1 << 20)
    except ValueError:
        return
    assert len(decoded) <= 1 << 20


@cache
def mock() -> tuple[asyncio.AbstractEventLoop, Any]:
    """The application of a mock, and the event loop that it runs in."""
    loop = asyncio.new_event_loop()
    transport = MockTransport(seed=1, journal_entries=10)

    async def attach() -> None:
        transport.app.attach()

    loop.run_until_complete(attach())
    return loop, transport.app


def heads(data: bytes) -> None:
    """What a client sends to the mock: requests in pieces, each of which is answered."""
    requests: list[Any] = []
    parser = RequestParser(requests.append, lambda: None)
    parser.local_host = "127.0.0.1:8700"
    middle = data[0] * len(data) // 256 if data else 0
    try:
        parser.feed(data[1:middle])
        parser.feed(data[max(1, middle) :])
    except InvalidHttp as error:
        assert 400 <= error.status < 500
    loop, app = mock()
    for request in requests:
        loop.run_until_complete(_answer(app, request))
        app.faults.clear()
        app.faults.latency = NO_FAULTS


async def _answer(app: Any, request: Any) -> None:
    """Have a request answered, unless it asks for the delay of its own answer."""
    try:
        async with asyncio.timeout(0.5):
            response = await app.respond(request)
    except TimeoutError:
        return
    assert response.status == 0 or 200 <= response.status < 600
    assert not any(b"\n" in part or b"\r" in part for one in response.header_list() for part in one)


@cache
def signer() -> UrlSigner:
    return UrlSigner(SECRET)


def tokens(data: bytes) -> None:
    """The token of a callback's URL: as it came, and signed whatever it says."""
    text = data.decode("utf-8", "surrogateescape")
    for token in (text, _signed(data)):
        try:
            found = signer().verify(token, now=1.0)
        except CallbackRejected:
            continue
        assert isinstance(found.job, str)


def _signed(data: bytes) -> str:
    from wanflow.webhooks.url_tokens import _encode, _sign

    payload = _encode(data)
    return f"{payload}.{_sign(SECRET.encode(), payload)}"


def callbacks(data: bytes) -> None:
    """What is sent to a listener: a head, and a body."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    method, _, path = first.decode("latin-1").partition(" ")
    headers = [(name, value) for name, _, value in (line.partition(b":") for line in lines)]
    try:
        check_head(RequestHead.of(method, path, headers))
    except CallbackRejected as error:
        assert 400 <= error.status < 500
    try:
        payload = parse_payload(TokenData("job", "kind"), body)
    except CallbackRejected as error:
        assert 400 <= error.status < 500
    else:
        assert payload.task_id.isascii()


def csv(data: bytes) -> None:
    """The jobs of a batch as a table."""
    _rows(data, read_csv)


def jsonl(data: bytes) -> None:
    """The jobs of a batch as JSON Lines."""
    _rows(data, read_jsonl)


def _rows(data: bytes, read: Callable[[str, RowParser], Iterator[Any]]) -> None:
    try:
        text = decode_text(data)
    except ValueError:
        return
    for parser in parsers():
        for _ in read(text, parser):
            pass


def har(data: bytes) -> None:
    """A recording of a browser."""
    try:
        found = read_har(File("recorded.har", data))
    except HarUnusable:
        return
    assert all(one.status for one in found.entries)


def baselines(data: bytes) -> None:
    """A file of known deviations, in TOML and in JSON."""
    for name in ("known.toml", "known.json"):
        try:
            read_baseline(File(name, data))
        except BaselineUnusable as error:
            assert name in str(error)


def results(data: bytes) -> None:
    """The result of a contract run, which `explain` and `replay` read."""
    try:
        read_result(File("report.json", data))
    except ValueError:
        return


def images(data: bytes) -> None:
    """The first bytes of a picture."""
    try:
        header = read_image_header(data)
    except NotAnImage:
        return
    assert header.width >= 0
    assert header.height >= 0


def sounds(data: bytes) -> None:
    """A recording in MP3."""
    try:
        assert mp3_seconds(data) >= 0
    except NotAnMp3:
        return


def links(data: bytes) -> None:
    """A presigned link, whose text says until when it is valid."""
    found = expiry_of("https://files.example.com/a?" + data.decode("utf-8", "replace"))
    assert found is None or math.isfinite(found)


def addresses(data: bytes) -> None:
    """A URL that somebody else chose, and that must not lead into this network."""
    problem = public_url_problem(data.decode("utf-8", "replace"))
    assert problem is None or problem


TARGETS: dict[str, Callable[[bytes], None]] = {
    one.__name__: one
    for one in (
        *(pages, yaml, json_document, snapshots, responses, contents, heads, tokens, callbacks),
        *(csv, jsonl, har, judged_har, baselines, results, images, sounds, links, addresses),
        *(index, redirects, connections),
    )
}
