"""The rules of a download: what to ask for, and what an answer means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urljoin, urlsplit

from attrs import frozen

from wanflow._core.content_coding import codings_of
from wanflow._core.url_rules import url_problem

if TYPE_CHECKING:
    from wanflow._core.effects import Response

REDIRECTS = frozenset({301, 302, 303, 307, 308})
GONE = 410
"""What a server answers that knows for sure that a link is past its time."""
EXPIRED = frozenset({403, 404, GONE})
"""What servers of signed links answer when a link is past its time, and at other times, too."""

# A server that answers so may well send the file a moment later.
RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_RANGE = re.compile(r"bytes\s+([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)", re.ASCII)


@frozen
class Content:
    """The body follows: write it from byte `start` on; `total` is the file's length, if known.

    `codings` are to be undone first; then `total` isn't known.
    """

    start: int
    total: int | None
    codings: tuple[str, ...] = ()


@frozen
class Redirect:
    """The file is elsewhere."""

    url: str


@frozen
class Rejected:
    """There is no body, and why; `retryable` is True where another try may get one."""

    reason: str
    status: int
    retryable: bool = False


@frozen
class StalePart:
    """What is on disk is no beginning of the file as it is now: start again from nothing."""


@frozen
class NoResult:
    """What came whole is no result of the task: a page, an error, or nothing."""

    reason: str


ResponseKind: TypeAlias = Content | Redirect | Rejected | StalePart | NoResult


@frozen
class DownloadProgress:
    """How far the download of one file is.

    `index` is its place among the task's `count` links, from 0; `have` and `total` are in bytes,
    `total` None where the server doesn't say.
    """

    task_id: str
    index: int
    count: int
    have: int
    total: int | None


def request_headers(size: int, validator: str | None) -> dict[str, str]:
    """Return the headers that ask for a file, from byte `size` on where a validator allows it."""
    headers = {"accept-encoding": "identity"}
    if size and validator:
        headers |= {"range": f"bytes={size}-", "if-range": validator}
    return headers


def validator(response: Response) -> str | None:
    """Return what proves that a later answer is of the same file: a strong ETag, else a date."""
    etag = response.headers.get("etag")
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers.get("last-modified")


def classify(url: str, response: Response, size: int, known: str | None = None) -> ResponseKind:
    """Decide what an answer's head means, when `have` bytes of the file `known` are on disk."""
    if response.status in REDIRECTS:
        return _redirect(url, response)
    match response.status:
        case 200 | 206:
            return _body(response, size, known)
        case 416 if size:
            return StalePart()
        case status:
            return Rejected(f"its server answered {status}", status, status in RETRYABLE_STATUSES)


def _body(response: Response, size: int, known: str | None) -> ResponseKind:
    try:
        codings = codings_of(response.headers.get("content-encoding", ""))
    except ValueError as error:
        return Rejected(str(error), response.status, retryable=True)
    if response.status == 200:  # noqa: PLR2004
        return Content(0, None if codings else _length(response), codings)
    # A part of what is encoded is no part of the file.
    return StalePart() if codings else _part(response, size, known)


def _redirect(url: str, response: Response) -> Redirect | Rejected:
    try:
        target = urljoin(url, response.headers.get("location", ""))
    except ValueError:
        return Rejected("its redirect can't be followed: it is no URL", response.status)
    reason = url_problem(target)
    if reason is None and urlsplit(target).username is not None:
        reason = "it names a user"
    if reason is None and urlsplit(url).scheme == "https" != urlsplit(target).scheme:
        reason = "it leads from https to http"
    if reason is not None:
        return Rejected(f"its redirect can't be followed: {reason}", response.status)
    return Redirect(target)


def _part(response: Response, size: int, known: str | None) -> ResponseKind:
    found = _RANGE.fullmatch(response.headers.get("content-range", ""))
    if found is None or int(found[1]) != size:
        return Rejected("the server sent another part than was asked for", response.status)
    if validator(response) not in {None, known}:
        return StalePart()
    return Content(size, None if found[2] == "*" else int(found[2]))


def _length(response: Response) -> int | None:
    text = response.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None  # noqa: PLR2004
