"""The rules of a download: what to ask for, what an answer means, and what to call the file."""

from __future__ import annotations

import re
from hashlib import sha256
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
_RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_RANGE = re.compile(r"bytes\s+([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)", re.ASCII)

# Ids that are names of files as they are, on every system.
_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,118}[a-z0-9_])?", re.ASCII)
_NUMBERED = re.compile(r".*-[1-9][0-9]{0,2}", re.ASCII)
_MAX_NUMBER = 999
_RESERVED_NAMES = frozenset(
    {"aux", "clock$", "con", "nul", "prn"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in range(10)}
)
# What batches write beside the files.
_BATCH_FILES = frozenset({"index", "report"})
_UNSAFE = re.compile(r"[^a-z0-9]+", re.ASCII)
_MAX_SHOWN = 80
_DIGITS = 24


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
            return Rejected(f"its server answered {status}", status, status in _RETRYABLE_STATUSES)


def file_stem(task_id: str, index: int, count: int) -> str:
    """Name a file after its task and its place among the results (from 1), without what it is.

    No two files have the same name, whatever the ids are, and whether or not the file system
    distinguishes upper and lower case: an id that isn't a plain name by itself, or that could be
    read as another id with a number after it, is followed by its digest. No name can lead out of
    the folder.
    """
    suffix = "" if count <= 1 else f"-{index + 1}"
    plain = _is_plain(task_id) and (
        index < _MAX_NUMBER if suffix else not _NUMBERED.fullmatch(task_id)
    )
    return (task_id if plain else _with_digest(task_id)) + suffix


def _is_plain(task_id: str) -> bool:
    if not _PLAIN.fullmatch(task_id):
        return False
    return task_id.partition(".")[0] not in _RESERVED_NAMES and task_id not in _BATCH_FILES


def _with_digest(task_id: str) -> str:
    shown = _UNSAFE.sub("_", task_id[:_MAX_SHOWN].lower()).strip("_") or "task"
    digest = sha256(task_id.encode("utf-8", "surrogatepass")).hexdigest()
    # No plain id has a tilde in it.
    return f"{shown}~{digest[:_DIGITS]}"


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
