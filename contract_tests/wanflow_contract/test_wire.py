"""The wire: requests as HTTP allows them, in pieces, in sequence, and in unusual forms."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from wanflow_contract.checks.definitions.access import KEY_REQUIRED, METHOD
from wanflow_contract.checks.definitions.responses import NO_SERVER_ERROR
from wanflow_contract.checks.definitions.wire import (
    CLOSES,
    IN_ORDER,
    NO_BODY,
    REST_IGNORED,
    VALID_HTTP,
)
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import Expectation, Expected
from wanflow_contract.plan.order import Stage
from wanflow_contract.support.raw_http import RawConnection, raw_connection
from wanflow_contract.support.raw_requests import (
    JSON,
    bearer,
    charge,
    first_model,
    new_task,
    query,
    receive,
    submission,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow_contract.support.api_under_test import ApiUnderTest
    from wanflow_contract.support.exchange import Exchange

CONTRACT = packaged_contract()


def check_task(target: ApiUnderTest, exchange: Exchange, name: str, way: str) -> None:
    """Check that a response is that of a task's query."""
    detail = f"{exchange.status} for a request {way}"
    VALID_HTTP.require(exchange.status == 200, detail, exchange)
    IN_ORDER.require(exchange.task_id == name, "another task's response", exchange)
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
            raw.peek(0.01)  # so that the pieces arrive one by one
        check_task(target, receive(raw, sent), name, "in pieces")


@pytest.mark.fast
@pytest.mark.costs(3)
def test_a_submission_may_arrive_in_pieces(target) -> None:
    """A body is read to its end, however TCP cuts it."""
    for cut in (1, 20, -1):
        with raw_connection(target) as raw:
            head, body = submission(raw)
            charge(target, body, partial(_in_pieces, raw, head, body, cut))


def _in_pieces(raw: RawConnection, head: bytes, body: bytes, cut: int) -> Exchange:
    for piece in (head, body[:cut], body[cut:]):
        raw.send(piece)
        raw.peek(0.01)
    exchange = receive(raw, head + body)
    raw.target.run_state.stop_without_access(Expectation(Expected.ACCEPT), exchange)
    VALID_HTTP.require(exchange.status == 200, f"{exchange.status} in pieces", exchange)
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
        path = first_model(target).path
        for lines in ((JSON,), ("Content-Type: text/xml", bearer(target)), (JSON, bearer(target))):
            refused = raw.head("POST", path, *lines, f"Content-Length: {len(body)}") + body
            _refused_then_read(raw, refused, name)
            if raw.closed:
                return


def _refused_then_read(raw: RawConnection, refused: bytes, name: str) -> None:
    raw.send(refused)
    first = receive(raw, refused)
    if raw.closed:
        return
    raw.send(query(raw, name))
    second = raw.receive(query(raw, name), may_close=True)
    if second is not None:
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
        charge(target, body, lambda: _expect(target, raw, head, body))


def _expect(target: ApiUnderTest, raw: RawConnection, head: bytes, body: bytes) -> Exchange:
    raw.send(head)
    raw.peek(0.3)  # a client doesn't wait for ever: RFC 9110, section 10.1.1
    raw.send(body)
    exchange = receive(raw, head + body)
    target.run_state.stop_without_access(Expectation(Expected.ACCEPT), exchange)
    right = exchange.status in {200, 417}
    VALID_HTTP.require(right, f"{exchange.status} with an expectation", exchange)
    return exchange


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
    raw.send(sent)
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
            METHOD.require(right, f"{exchange.status} for {method!r}", exchange)


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
