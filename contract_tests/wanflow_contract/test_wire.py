"""The wire: requests as HTTP allows them, in pieces, in sequence, and broken ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import CheckFailed
from wanflow_contract.checks.definitions.access import EQUIVALENT_ID, KEY_REQUIRED, UNKNOWN
from wanflow_contract.checks.definitions.responses import NO_SERVER_ERROR
from wanflow_contract.checks.definitions.wire import (
    BROKEN,
    CLOSES,
    IN_ORDER,
    NO_BODY,
    REST_IGNORED,
    VALID_HTTP,
)
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.plan.order import Stage
from wanflow_contract.support.raw_http import RawConnection, raw_connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow_contract.support.api_under_test import ApiUnderTest
    from wanflow_contract.support.exchange import Exchange

MODELS = sorted(packaged_contract().catalog.models)
CONTRACT = packaged_contract()
JSON = "Content-Type: application/json"


def bearer(target: ApiUnderTest) -> str:
    """Return the header line with the suite's key."""
    return f"Authorization: Bearer {target.keys[target.account]}"


def new_task(target: ApiUnderTest) -> str:
    """Return the id of a task, a new one if there is none yet that is still running."""
    running = (name for name, one in target.tasks.items() if one.account == target.account)
    return next(running, None) or target.some_task().id


def submission(raw: RawConnection, *lines: str, length: int | None = None) -> tuple[bytes, bytes]:
    """Return the head and the body of a valid submission."""
    model = raw.target.models[MODELS[0]]
    body = json.dumps(cheapest(model)).encode()
    size = len(body) if length is None else length
    counted = (f"Content-Length: {size}",) if size >= 0 else ()
    return raw.head("POST", model.path, bearer(raw.target), JSON, *counted, *lines), body


def query(raw: RawConnection, name: str, *lines: str, version: str = "1.1") -> bytes:
    """Return a valid query of a task."""
    shown = lines or (bearer(raw.target),)
    return raw.head("GET", raw.target.task_path(name), *shown, version=version)


def receive(raw: RawConnection, sent: bytes) -> Exchange:
    """Return the response to a request."""
    found = raw.receive(sent)
    assert found is not None
    return found


def check_task(target: ApiUnderTest, exchange: Exchange, name: str, way: str) -> None:
    """Check that a response is that of a task's query."""
    detail = f"{exchange.status} for a request {way}"
    VALID_HTTP.require(exchange.status == 200, detail, exchange)
    IN_ORDER.require(exchange.json().get("id") == name, "another task's response", exchange)
    target.run_state.check(CONTRACT.status_operation, None, exchange)


HEADER_LINES: dict[str, Callable[[str], tuple[str, ...]]] = {
    "with names in lower case": lambda key: (f"authorization: Bearer {key}",),
    "with names in mixed case": lambda key: (f"AuThOrIzAtIoN: Bearer {key}",),
    "without a space after the colon": lambda key: (f"Authorization:Bearer {key}",),
    "with a tab after the colon": lambda key: (f"Authorization:\tBearer {key}",),
    "with a header twice": lambda key: ("X-A: 1", f"Authorization: Bearer {key}", "X-A: 2"),
    "with an accepted type twice": lambda key: (
        "Accept: text/html",
        "Accept: application/json",
        f"Authorization: Bearer {key}",
    ),
    "with an empty header": lambda key: ("X-Empty:", f"Authorization: Bearer {key}"),
    "with sixty headers": lambda key: (
        *(f"X-Number-{number}: {number}" for number in range(60)),
        f"Authorization: Bearer {key}",
    ),
    "with bytes that aren't ASCII": lambda key: (
        "X-Name: caf\xc3\xa9",
        f"Authorization: Bearer {key}",
    ),
    "with an unknown expectation of the connection": lambda key: (
        f"Authorization: Bearer {key}",
        "Connection: keep-alive, X-Hop",
        "X-Hop: 1",
    ),
}


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
def test_header_lines_are_understood_in_every_form(target) -> None:
    """Case, spaces, repetition and number of header lines don't matter."""
    name = new_task(target)
    for way, lines in HEADER_LINES.items():
        with raw_connection(target) as raw:
            sent = query(raw, name, *lines(target.keys[target.account]))
            raw.send(sent)
            check_task(target, receive(raw, sent), name, way)


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
def test_a_request_may_arrive_in_pieces(target) -> None:
    """A request is read until it is complete, however TCP cuts it."""
    name = new_task(target)
    with raw_connection(target) as raw:
        sent = query(raw, name)
        for piece in (sent[:3], sent[3:40], sent[40:-3], sent[-3:-1], sent[-1:]):
            raw.send(piece)
        check_task(target, receive(raw, sent), name, "in pieces")
    for cut in (1, 20, -1):
        with raw_connection(target) as raw:
            head, body = submission(raw)
            charge(target, body, lambda h=head, b=body, at=cut: _in_pieces(raw, h, b, at))


def _in_pieces(raw: RawConnection, head: bytes, body: bytes, cut: int) -> Exchange:
    for piece in (head, body[:cut], body[cut:]):
        raw.send(piece)
    exchange = receive(raw, head + body)
    VALID_HTTP.require(exchange.status == 200, f"{exchange.status} in pieces", exchange)
    return exchange


def charge(target: ApiUnderTest, body: bytes, work) -> Exchange | None:
    """Send a submission within the budget, and record its cost."""
    path = target.models[MODELS[0]].path
    headers = {"Content-Type": "application/json"}
    expectation = target.expectation("POST", path, headers, body)
    reservation = target.budget.reserve(expectation, body)
    try:
        exchange = work()
    except CheckFailed:
        target.budget.record_unknown(reservation)
        raise
    if exchange is None:
        target.budget.record_unknown(reservation)
    else:
        target.budget.record(exchange, expectation, reservation)
    return exchange


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
def test_requests_on_one_connection_are_answered_in_order(target) -> None:
    """Several requests that are sent without waiting are answered one by one, in order."""
    name = new_task(target)
    with raw_connection(target) as raw:
        unknown = query(raw, "task-unified-1756817821-4x3rx6ny")
        right, keyless = query(raw, name), query(raw, name, "X-Key: none")
        wanted = ((unknown, {400, 404}), (right, {200}), (keyless, {401}), (right, {200}))
        raw.send(b"".join(sent for sent, _ in wanted))
        seen: list[Exchange] = []
        for sent, statuses in wanted:
            seen.append(receive(raw, sent))
            IN_ORDER.require(seen[-1].status in statuses, f"{seen[-1].status}", *seen)
            if raw.closed:
                return


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
def test_the_body_of_a_refused_request_is_not_the_next_request(target) -> None:
    """After a refusal of a request with a body, the next request is read from its beginning."""
    name = new_task(target)
    with raw_connection(target) as raw:
        body = query(raw, name)
        path = target.models[MODELS[0]].path
        for lines in ((JSON,), ("Content-Type: text/xml", bearer(target)), (JSON, bearer(target))):
            refused = raw.head("POST", path, *lines, f"Content-Length: {len(body)}") + body
            raw.send(refused)
            first = receive(raw, refused)
            if raw.closed:
                return
            raw.send(query(raw, name))
            second = raw.receive(query(raw, name), may_close=True)
            if second is None:
                return
            detail = f"{second.status} after {first.status}"
            REST_IGNORED.require(second.status == 200, detail, first, second)
            REST_IGNORED.require(not raw.peek(0.01), "one response too many", first, second)


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
def test_a_response_to_head_has_no_body(target) -> None:
    """After HEAD, the next response begins where the first one's headers end."""
    name = new_task(target)
    with raw_connection(target) as raw:
        sent = raw.head("HEAD", target.task_path(name), bearer(target), "Connection: close")
        raw.send(sent)
        exchange = receive(raw, sent)
        rest = raw.rest(3.0)
        NO_BODY.require(not rest, f"{len(rest or b'')} bytes after the headers", exchange)


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
def test_a_connection_is_closed_as_requested(target) -> None:
    """With `Connection: close`, and with HTTP/1.0, the server closes after the response."""
    name = new_task(target)
    for version, lines in (
        ("1.1", ("Connection: close",)),
        ("1.0", ()),
        ("1.0", ("Connection: close",)),
    ):
        with raw_connection(target) as raw:
            sent = query(raw, name, bearer(target), *lines, version=version)
            raw.send(sent)
            check_task(target, receive(raw, sent), name, f"of HTTP/{version}")
            rest = raw.rest(3.0)
            CLOSES.require(rest is not None, f"open after HTTP/{version} {lines}")
            VALID_HTTP.require(not rest, f"{rest!r} after the response")


@pytest.mark.fast
def test_a_client_that_waits_for_100_continue_is_answered(target) -> None:
    """A submission with `Expect: 100-continue` is accepted, or refused with 417."""
    with raw_connection(target) as raw:
        head, body = submission(raw, "Expect: 100-continue")
        charge(target, body, lambda: _expect(raw, head, body))


def _expect(raw: RawConnection, head: bytes, body: bytes) -> Exchange | None:
    raw.send(head)
    raw.peek(0.3)  # a client doesn't wait for ever: RFC 9110, section 10.1.1
    raw.send(body)
    exchange = receive(raw, head + body)
    right = exchange.status in {200, 417}
    VALID_HTTP.require(right, f"{exchange.status} with an expectation", exchange)
    return exchange


BROKEN_LENGTHS = {
    "a negative length": ("Content-Length: -1",),
    "a length with a sign": ("Content-Length: +5",),
    "a length in words": ("Content-Length: five",),
    "an empty length": ("Content-Length:",),
    "a length in hex": ("Content-Length: 0x20",),
    "a huge length": ("Content-Length: 99999999999999999999999",),
    "two lengths": ("Content-Length: 5", "Content-Length: 50"),
    "two lengths in one": ("Content-Length: 5, 50"),
    "a length and chunks": ("Transfer-Encoding: chunked", "Content-Length: 5"),
    "an unknown coding": ("Transfer-Encoding: x-unknown",),
    "chunked twice": ("Transfer-Encoding: chunked, chunked",),
    "a coding after chunked": ("Transfer-Encoding: chunked, gzip",),
}
BROKEN_HEADS = {
    "no version": b"GET /\r\n\r\n",
    "another protocol": b"GET / HTTPS/1.1\r\n\r\n",
    "a version of the future": b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    "no path": b"GET  HTTP/1.1\r\nHost: a\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
    "a header with a space in its name": b"GET / HTTP/1.1\r\nHost: a\r\nX A: 1\r\n\r\n",
    "a NUL in a header": b"GET / HTTP/1.1\r\nHost: a\r\nX-A: \x00\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "another path of the server": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "a long line": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n  2\r\n\r\n",
}


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("way", sorted(BROKEN_LENGTHS))
def test_a_body_of_unclear_length_is_refused_or_ended(target, way) -> None:
    """A request whose body has no clear end makes nothing fail, and doesn't hang."""
    with raw_connection(target) as raw:
        lines = BROKEN_LENGTHS[way]
        given = (lines,) if isinstance(lines, str) else lines
        head, _ = submission(raw, *given, length=-1)
        _send_broken(raw, head + b'5\r\n{"a":\r\n0\r\n\r\n', way)


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("way", sorted(BROKEN_HEADS))
def test_a_broken_head_is_refused(target, way) -> None:
    """What isn't a request of HTTP/1.1 makes nothing fail, and doesn't hang."""
    with raw_connection(target) as raw:
        _send_broken(raw, BROKEN_HEADS[way], way)


def _send_broken(raw: RawConnection, sent: bytes, way: str) -> None:
    raw.send(sent, last=True)
    if way == "no version":  # HTTP/0.9 has no status line
        BROKEN.require(raw.rest(3.0) is not None, f"no end for {way}")
        return
    exchange = raw.receive(sent, may_close=True)
    if exchange is not None:
        right = exchange.status < 500 or exchange.status in {501, 505}
        BROKEN.require(right, f"{exchange.status} for {way}", exchange)
        BROKEN.require(exchange.status != 200, f"200 for {way}", exchange)


@pytest.mark.fast
def test_a_chunked_body_is_read_or_refused(target) -> None:
    """A body in chunks makes the task that it describes, or is refused."""
    with raw_connection(target) as raw:
        head, body = submission(raw, "Transfer-Encoding: chunked", length=-1)
        pieces = (body[:1], body[1:7], body[7:])
        chunks = b"".join(b"%X;a=b\r\n%b\r\n" % (len(one), one) for one in pieces)
        sent = head + chunks + b"0\r\nX-Sum: 1\r\n\r\n"
        charge(target, body, lambda: _chunked(raw, sent))


def _chunked(raw: RawConnection, sent: bytes) -> Exchange | None:
    raw.send(sent, last=True)
    exchange = raw.receive(sent, may_close=True)
    if exchange is not None:
        NO_SERVER_ERROR.require(exchange.status < 500 or exchange.status == 501, "", exchange)
    return exchange


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
@pytest.mark.parametrize("method", ["get", "Get", "GET%20"])
def test_methods_are_compared_with_case(target, method) -> None:
    """`get` is another method than `GET`, and isn't documented."""
    name = new_task(target)
    with raw_connection(target) as raw:
        sent = raw.head(method, target.task_path(name), bearer(target))
        raw.send(sent, last=True)
        exchange = raw.receive(sent, may_close=True)
        if exchange is not None:
            right = 400 <= exchange.status < 500 or exchange.status in {501, 505}
            VALID_HTTP.require(right, f"{exchange.status} for {method!r}", exchange)


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
def test_two_keys_are_not_taken_for_one(target) -> None:
    """Two Authorization headers of which none is right are refused; both orders make no error."""
    name = new_task(target)
    wrong, right = "Authorization: Basic YTpi", bearer(target)
    for lines in ((wrong, wrong), (wrong, right), (right, wrong)):
        with raw_connection(target) as raw:
            sent = query(raw, name, *lines)
            raw.send(sent)
            exchange = receive(raw, sent)
            allowed = {400, 401} if right not in lines else {200, 400, 401}
            KEY_REQUIRED.require(exchange.status in allowed, f"{exchange.status}", exchange)


def other_ids(name: str) -> dict[str, str]:
    """Return strings that a careless server takes for a task's id."""
    head, last = name[:-1], name[-1]
    return {
        "with a slash encoded": f"..%2Ftasks%2F{name}",
        "encoded twice": name.replace("-", "%252D"),
        "with a parameter": f"{name};a=1",
        "with an extension": f"{name}.json",
        "with a pattern": f"{head}.",
        "with a wildcard of one sign": f"{head}_",
        "with a wildcard": f"{head}*",
        "with a full-width sign": f"{head}%EF%BD%81" if last.isalpha() else f"{head}%EF%BC%91",
        "and a tab": f"{name}%09",
        "and a line break": f"{name}%0A",
        "and a zero-width space": f"{name}%E2%80%8B",
        "after a space": f"%20{name}",
        "in quotes": f"%22{name}%22",
        "in braces": f"%7B{name}%7D",
        "with another id": f"{name},{name}",
        "as an expression": f"{name}%27%20OR%20%271%27=%271",
        "with a field": f"{name}%3Fa=1",
        "with a fragment": f"{name}%23a",
    }


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
@pytest.mark.parametrize("way", sorted(other_ids("task-unified-1-a")))
def test_an_id_is_compared_exactly(target, way) -> None:
    """Whatever only resembles a task's id names no task."""
    name = new_task(target)
    exchange = target.get_task(other_ids(name)[way])
    UNKNOWN.require(exchange.status in {400, 404}, f"{exchange.status} {way}", exchange)


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
def test_a_slash_is_not_encoded(target) -> None:
    """An encoded slash is a part of a name, and separates no parts of a path."""
    name = new_task(target)
    path = "%2F".join(target.task_path(name).rsplit("/", 1))
    exchange = target.client.send("GET", path, target.authorization())
    UNKNOWN.require(400 <= exchange.status < 500, f"{exchange.status}", exchange)


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
def test_an_id_may_be_percent_encoded(target) -> None:
    """Encoding characters that need no encoding doesn't change which task is meant."""
    name = new_task(target)
    for encoded in (name.replace("-", "%2D"), name.replace("-", "%2d"), f"%74{name[1:]}"):
        exchange = target.get_task(encoded)
        EQUIVALENT_ID.require(exchange.status == 200, f"{exchange.status}", exchange)
