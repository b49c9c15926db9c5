"""Mutants written by hand: a server that misreads the bytes of HTTP, or writes wrong ones."""

from __future__ import annotations

import json
import re
import time
from email.utils import formatdate, parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx

from self_tests.mutation.kill_proof import ScriptRunner, image_model
from self_tests.mutation.wire_layer import BAD, cut, fails, raw, silent, wire
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.support.unavailable import tls_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from self_tests.mutation.wire_layer import Change

_QUERY = b"GET BASE/v1/tasks/ID HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer KEY\r\n\r\n"
_CLOSED = _QUERY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
_UNKNOWN = _QUERY.replace(b"ID", b"task-unified-1-none")
_BODY = json.dumps(cheapest(image_model())).encode()
_JSON = b"Content-Type: application/json\r\n"
_START = b"POST BASE/v1/images/generations HTTP/1.1\r\nHost: a\r\n" + _JSON
_POST = _START + b"Authorization: Bearer KEY\r\n"
_LENGTH = b"Content-Length: %d\r\n" % len(_BODY)
_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(_BODY), _BODY)
_BROKEN = rb"Content-Length: (?:-1|\+5|five|0x20|9{20,}|5, 50|\r)"


def _line(lines: bytes) -> Callable[[ScriptRunner], None]:
    return raw(lines=lines)


wire(
    "names-in-lower-case-lost",
    "Header names in lower case aren't read.",
    _line(b"authorization: Bearer KEY\r\n"),
    received=cut(rb"\r\nauthorization:[^\r]*"),
)
wire(
    "names-in-mixed-case-lost",
    "Header names in mixed case aren't read.",
    _line(b"AuThOrIzAtIoN: Bearer KEY\r\n"),
    received=cut(rb"\r\nAuThOr[^\r]*"),
)
wire(
    "space-after-colon-needed",
    "A header without a space after the colon isn't read.",
    _line(b"Authorization:Bearer KEY\r\n"),
    received=cut(rb"\r\nAuthorization:Bearer[^\r]*"),
)
wire(
    "tab-after-colon-lost",
    "A header with a tab after the colon isn't read.",
    _line(b"Authorization:\tBearer KEY\r\n"),
    received=cut(rb"\r\nAuthorization:\t[^\r]*"),
)
wire(
    "repeated-header-fails",
    "A header that occurs twice makes the server fail.",
    _line(b"X-A: 1\r\nAuthorization: Bearer KEY\r\nX-A: 2\r\n"),
    received=fails(rb"X-A: 1\r\n.*X-A: 2"),
)
wire(
    "empty-header-refused",
    "A header without a value is refused.",
    _line(b"X-Empty:\r\nAuthorization: Bearer KEY\r\n"),
    received=fails(rb"X-Empty:\r\n", BAD),
)
wire(
    "many-headers-refused",
    "A request with more than fifty headers is refused.",
    _line(
        b"".join(b"X-Number-%d: 1\r\n" % one for one in range(60))
        + b"Authorization: Bearer KEY\r\n"
    ),
    received=fails(rb"X-Number-50:", BAD),
)
wire(
    "bytes-in-headers-fail",
    "A header with bytes that aren't ASCII makes the server fail.",
    _line(b"X-Name: caf\xc3\xa9\r\nAuthorization: Bearer KEY\r\n"),
    received=fails(rb"X-[^\r]*[\x80-\xff]"),
)
wire(
    "accept-twice-refused",
    "Two Accept headers are refused.",
    _line(b"Accept: text/html\r\nAccept: application/json\r\nAuthorization: Bearer KEY\r\n"),
    received=fails(rb"Accept: [^\r]*\r\nAccept: ", BAD),
)
wire(
    "pieces-refused",
    "A head that arrives in pieces is refused.",
    raw(_QUERY[:18], _QUERY[18:]),
    received=fails(rb"^[A-Z]{1,5}(?: [^\r]*)?$", BAD),
)
wire(
    "second-request-lost",
    "Of two requests that arrive together, the second is lost.",
    raw(_QUERY + _CLOSED),
    received=lambda data, _notes: (
        data.partition(b"\r\n\r\nGET")[0] + b"\r\n\r\n" if b"\r\n\r\nGET" in data else data
    ),
)


def _in_other_order(data: bytes, _notes: dict[str, Any]) -> bytes:
    requests = re.findall(rb"GET .*?\r\n\r\n", data, re.DOTALL)
    return b"".join(reversed(requests)) if len(requests) > 1 else data


wire(
    "answered-in-other-order",
    "Requests that arrive together are answered in another order.",
    raw(_UNKNOWN + _CLOSED.replace(b"Connection: close\r\n", b"")),
    received=_in_other_order,
)
wire(
    "first-answer-again",
    "Requests that arrive together all get the first one's response.",
    raw(_UNKNOWN + _CLOSED),
    received=lambda data, _notes: (
        re.match(rb"GET .*?\r\n\r\n", data, re.DOTALL)[0] * data.count(b"GET ")  # type: ignore[index]
        if data.count(b"\r\n\r\nGET ")
        else data
    ),
)


def _unread(data: bytes, notes: dict[str, Any]) -> bytes:
    """Read the body of a request without a key as the next request."""
    head, found, body = data.partition(b"\r\n\r\n")
    if (
        found
        and data.startswith(b"POST")
        and b"uthorization" not in head
        and body.startswith(b"GET")
    ):
        notes["unread"] = True
        return re.sub(rb"Content-Length: [0-9]+", b"Content-Length: 0", head) + found + body
    return data


_KEYLESS = _START + b"Content-Length: 26\r\n\r\nGET BASE/none HTTP/1.1\r\n\r\n"
wire(
    "refused-body-is-a-request",
    "The body of a request without a key is read as the next request.",
    raw(_KEYLESS, _QUERY),
    received=_unread,
)
wire(
    "close-ignored",
    "A connection stays open although the client asked to close it.",
    raw(_CLOSED),
    received=cut(rb"\r\nConnection: close"),
)
wire(
    "http-1.0-stays-open",
    "A connection of HTTP/1.0 stays open.",
    raw(_QUERY.replace(b"HTTP/1.1", b"HTTP/1.0")),
    received=cut(rb"HTTP/1\.0\r\n", b"HTTP/1.1\r\n"),
)
wire(
    "http-1.0-refused",
    "HTTP/1.0 is refused.",
    raw(_QUERY.replace(b"HTTP/1.1", b"HTTP/1.0")),
    received=fails(rb" HTTP/1\.0\r\n", BAD.replace(b"400", b"426")),
)


def _with_body(data: bytes, notes: dict[str, Any]) -> bytes:
    notes["head"] = data.startswith(b"HEAD ")
    return data


wire(
    "head-with-body",
    "The response to HEAD has a body.",
    raw(_CLOSED.replace(b"GET", b"HEAD")),
    received=_with_body,
    sent=lambda data, notes: data + b'{"error": {}}' if notes.get("head") else data,
)
wire(
    "methods-in-any-case",
    "The method may be in any case.",
    raw(_QUERY.replace(b"GET", b"get")),
    received=lambda data, _notes: re.sub(rb"^[Gg][Ee][Tt] ", b"GET ", data),
)
_EXPECT = _POST + _LENGTH + b"Expect: 100-continue\r\n\r\n"
wire(
    "expectation-never-met",
    "A request that expects 100 Continue is never answered.",
    raw(_EXPECT, _BODY),
    received=lambda data, notes: (
        b"" if notes.setdefault("silent", b"100-continue" in data) else data
    ),
)
wire(
    "expectation-fails",
    "A request that expects 100 Continue makes the server fail.",
    raw(_EXPECT, _BODY),
    received=fails(rb"100-continue"),
)
wire(
    "expectation-loses-body",
    "After 100 Continue the body is passed over.",
    raw(_EXPECT, _BODY),
    received=lambda data, notes: (
        b" " * len(data) if notes.get("expected") else _note(notes, data, b"100-continue")
    ),
)


def _note(notes: dict[str, Any], data: bytes, word: bytes) -> bytes:
    notes["expected"] = word in data
    return data


wire(
    "no-100-continue",
    "A client that waits for 100 Continue gets nothing before it sends the body.",
    raw(_EXPECT, _BODY),
    sent=lambda data, _notes: b"" if data.startswith(b"HTTP/1.1 100") else data,
)
wire(
    "capitals-in-chunk-sizes-refused",
    "A chunk whose size has a letter in capitals is refused.",
    raw(_POST + b"Transfer-Encoding: chunked\r\n\r\nA\r\n" + b" " * 10 + b"\r\n0\r\n\r\n"),
    received=fails(rb"chunked\r\n\r\n(?:.*\r\n)?[0-9]*[A-F][0-9A-F]*\r\n", BAD),
)
wire(
    "chunks-fail",
    "A body in chunks makes the server fail.",
    raw(_POST + _CHUNKED),
    received=fails(rb"Transfer-Encoding: chunked\r\n\r\n"),
)
wire(
    "chunks-lost",
    "A request with a body in chunks is never answered.",
    raw(_POST + _CHUNKED),
    received=silent(rb"Transfer-Encoding: chunked\r\n\r\n"),
)
wire(
    "broken-length-fails",
    "A Content-Length that is no number makes the server fail.",
    raw(_POST + b"Content-Length: five\r\n\r\n{}"),
    received=fails(_BROKEN),
)
wire(
    "two-lengths-fail",
    "A request with two lengths makes the server fail.",
    raw(_POST + b"Content-Length: 5\r\nContent-Length: 50\r\n\r\n12345"),
    received=fails(rb"Content-Length: 5\r\nContent-Length: 50"),
)
wire(
    "length-and-chunks-fail",
    "A request with a length and chunks makes the server fail.",
    raw(_POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    received=fails(rb"chunked\r\nContent-Length"),
)
wire(
    "unknown-coding-fails",
    "An unknown transfer coding makes the server fail.",
    raw(_POST + b"Transfer-Encoding: x-unknown\r\n\r\n{}"),
    received=fails(rb"Transfer-Encoding: (?:x-unknown|chunked, )"),
)
wire(
    "broken-head-fails",
    "A head that isn't HTTP makes the server fail.",
    raw(b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n"),
    received=fails(rb"\r\nno colon|X A:"),
)
wire(
    "another-version-fails",
    "Another version of HTTP makes the server fail.",
    raw(b"GET / HTTP/9.9\r\nHost: a\r\n\r\n"),
    received=fails(rb" HTTP/9|HTTPS/"),
)
wire(
    "long-line-fails",
    "A request line of a hundred kilobytes makes the server fail.",
    raw(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    received=fails(rb"GET /a{10000}"),
)
wire(
    "folded-header-fails",
    "A header on two lines makes the server fail.",
    raw(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n  2\r\n\r\n"),
    received=fails(rb"\r\n  2"),
)
wire(
    "two-keys-fail",
    "Two Authorization headers make the server fail.",
    _line(b"Authorization: Basic YTpi\r\nAuthorization: Bearer KEY\r\n"),
    received=fails(rb"Authorization: [^\r]*\r\nAuthorization: "),
)


def _of_a_task(pattern: bytes, by: bytes) -> Change:
    """Return a change of the responses that describe a task."""

    def change(data: bytes, _notes: dict[str, Any]) -> bytes:
        return re.sub(pattern, by, data, count=1) if b'"object"' in data else data

    return change


wire(
    "length-too-large",
    "A response about a task announces more bytes than it has.",
    ScriptRunner.post,
    sent=_of_a_task(rb"content-length: ", b"content-length: 1"),
)
wire(
    "two-lengths-sent",
    "A response about a task has two lengths.",
    ScriptRunner.post,
    sent=_of_a_task(rb"\r\n\r\n", b"\r\ncontent-length: 1\r\n\r\n"),
)
wire(
    "rest-of-another",
    "A response about a task begins with the rest of another.",
    ScriptRunner.post,
    sent=_of_a_task(rb"^", b"0\r\n\r\n"),
)
wire(
    "length-and-chunks-sent",
    "A response about a task has a length, and says that it is in chunks.",
    ScriptRunner.post,
    sent=_of_a_task(rb"\r\n\r\n", b"\r\ntransfer-encoding: chunked\r\n\r\n"),
)


def _log_hours(runner: ScriptRunner) -> None:
    """Log how many hours the Date of a response is away from now."""
    response = httpx.get(f"{runner.base_url}/none", trust_env=False, verify=tls_context())
    away = parsedate_to_datetime(response.headers["date"]).timestamp() - time.time()
    runner.log.append(f"{away / 3600:.0f} hours")


wire(
    "date-two-hours-behind",
    "The date of each response is two hours behind.",
    _log_hours,
    sent=lambda data, _notes: re.sub(
        rb"\r\ndate: [^\r]*",
        b"\r\ndate: " + formatdate(time.time() - 7200, usegmt=True).encode(),
        data,
        count=1,
    ),
)
