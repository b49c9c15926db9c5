"""Whatever a server sends, the call ends with a result or a WanflowError, and in time."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.client.clients import RUNNERS
from tests.examples import examples
from tests.transport.misbehaving_server import ID, MisbehavingServer, responds
from tests.transport.test_guarantees import KEY, body
from wanflow import DownloadFailed, WanflowError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIMEOUT = 0.8

WORDS = (
    "id status results error code message progress created usage task_info estimated_time "
    "completed failed result_data url type"
)
words = st.sampled_from(WORDS.split())
json_text = st.recursive(
    st.sampled_from(
        ["null", "true", "1e999", "-0", "9" * 400, '"\\ud800"', '"\\u0000"', "NaN", "{}"]
    )
    | words.map(lambda word: f'"{word}"')
    | st.integers().map(str),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(words, inner), max_size=6).map(
            lambda pairs: "{" + ",".join(f'"{name}":{value}' for name, value in pairs) + "}"
        )
    ),
    max_leaves=10,
).map(str.encode)
bodies = json_text | st.binary(max_size=60)
headers = st.lists(
    st.sampled_from(
        [
            b"Content-Type: application/json",
            b"Content-Encoding: gzip",
            b"Content-Encoding: br, zstd",
            b"Retry-After: soon",
            b"Retry-After: -5",
            b"Retry-After: 99999999999999999999",
            b"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT",
            b"Retry-After: Wed, 21 Oct 2015 07:28:00 -9999",
            b"Location: ::::",
            b"Set-Cookie: a=b; Domain=.com",
            b"X-Request-Id: \xff\xfe",
            b"Transfer-Encoding: chunked",
            b"Connection: close",
            b"Content-Type: text/html; charset=utf-99",
        ]
    ),
    max_size=4,
    unique=True,
)
statuses = st.integers(100, 999) | st.sampled_from([200, 200, 200, 429, 503, 204, 304])


@st.composite
def raw_responses(draw: st.DrawFn) -> bytes:
    """Generate responses of any status, headers and bytes, cut off anywhere."""
    content = draw(bodies)
    said = len(content) + draw(st.sampled_from([0, 0, 0, 7, -1]))
    lines = [b"HTTP/1.1 %d X" % draw(statuses), *draw(headers)]
    if draw(st.booleans()):
        lines.append(b"Content-Length: %d" % said)
    whole = b"\r\n".join(lines) + b"\r\n\r\n" + content
    return whole[: draw(st.integers(0, len(whole)))] if draw(st.booleans()) else whole


@pytest.fixture(scope="module", params=["sync", "aiohttp"])
def runner(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Use one event loop for all examples; one runner for each HTTP library is enough here."""
    with RUNNERS[request.param]() as runner:
        yield runner


@settings(max_examples=examples(50))
@given(raw=raw_responses() | st.binary(max_size=200))
@example(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b'{"id": 5, "status": "completed", "results": null}')
@example(raw=b"HTTP/1.1 429 X\r\nRetry-After: \xb2\r\nContent-Length: 0\r\n\r\n")
def test_any_response_gives_a_result_or_a_wanflow_error(raw: bytes, runner: Any) -> None:
    """A poll and a submission end in time, and raise nothing but WanflowError."""
    with MisbehavingServer(
        post=[responds(raw, keep=False)], get=[responds(raw, keep=False)]
    ) as server:
        client = runner.client(api_key=KEY, base_url=server.url, timeout=TIMEOUT, retry_timeout=0)
        for method, *given_ in ([client.task(ID).refresh], [client.submit, body()]):
            begun = time.monotonic()
            with contextlib.suppress(WanflowError):
                runner.do(method, *given_)
            assert time.monotonic() - begun < TIMEOUT + 3
        assert server.count("POST") <= 1
        runner.do(client.close)


@settings(max_examples=examples(25))
@given(raw=raw_responses())
def test_any_response_to_a_download_gives_a_file_or_an_error(
    raw: bytes, runner: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """There are complete files, or a DownloadFailed and no file."""
    folder = tmp_path_factory.mktemp("out")
    with MisbehavingServer(get=[responds(raw, keep=False)]) as files:
        done = b'{"id":"%s","status":"completed","results":["%s/a.mp4"]}' % (
            ID.encode(),
            files.url.encode(),
        )
        response = responds(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n%s" % (len(done), done))
        with MisbehavingServer(get=[response]) as server:
            client = runner.client(api_key=KEY, base_url=server.url, timeout=TIMEOUT)
            result = runner.do(client.task(ID).wait, 5)
            paths: list[Path] = []
            with contextlib.suppress(DownloadFailed):
                paths = runner.do(result.download, folder, timeout=0.3)
            runner.do(client.close)
    assert [path for path in folder.iterdir() if not path.name.startswith(".")] == paths
