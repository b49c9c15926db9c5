"""The rules of a download: what to ask for, what an answer means, and what to call the file."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urljoin, urlsplit

from attrs import frozen

if TYPE_CHECKING:
    from wanflow._core.effects import Reply

REDIRECTS = frozenset({301, 302, 303, 307, 308})
GONE = 410
"""What a server answers that knows for sure that a link is past its time."""
EXPIRED = frozenset({403, 404, GONE})
"""What servers of signed links answer when a link is past its time, and at other times, too."""

_EXTENSIONS = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/bmp": ".bmp",
    "image/gif": ".gif",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    "video/quicktime": ".mov",
    "audio/mpeg": ".mp3",
    "audio/wav": ".wav",
    "text/plain": ".txt",
}
_SAFE_SUFFIX = re.compile(r"\.[a-z0-9]{1,5}", re.ASCII)
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+", re.ASCII)
_RANGE = re.compile(r"bytes\s+([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)", re.ASCII)


@frozen
class Body:
    """The body follows: write it from byte `start` on; `total` is the file's length, if told."""

    start: int
    total: int | None


@frozen
class Redirect:
    """The file is elsewhere."""

    url: str


@frozen
class Refused:
    """There is no body to be had, and why."""

    reason: str
    status: int


@frozen
class Stale:
    """What is on disk is no beginning of the file as it is now: start again from nothing."""


Verdict: TypeAlias = Body | Redirect | Refused | Stale


@frozen
class Progress:
    """How far the download of one file is.

    `index` is its place among the task's `count` links, from 0; `have` and `total` are in bytes,
    `total` None where the server doesn't say.
    """

    task_id: str
    index: int
    count: int
    have: int
    total: int | None


def why_not_fetchable(url: str) -> str | None:
    """Say why a link can't be fetched at all; None when it can."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return "it is no URL"
    if parts.scheme not in {"http", "https"}:
        return f"its scheme is {parts.scheme!r}, and only http and https can be fetched"
    return None if host else "it names no host"


def request_headers(have: int, validator: str | None) -> dict[str, str]:
    """Return the headers that ask for a file, from byte `have` on where a validator allows it."""
    headers = {"accept-encoding": "identity"}
    if have and validator:
        headers |= {"range": f"bytes={have}-", "if-range": validator}
    return headers


def validator(reply: Reply) -> str | None:
    """Return what proves that a later answer is of the same file: a strong ETag, else a date."""
    etag = reply.headers.get("etag")
    if etag and not etag.startswith("W/"):
        return etag
    return reply.headers.get("last-modified")


def judge(url: str, reply: Reply, have: int, known: str | None = None) -> Verdict:
    """Decide what an answer's head means, when `have` bytes of the file `known` are on disk."""
    if reply.status in REDIRECTS:
        return _redirect(url, reply)
    if reply.headers.get("content-encoding", "identity") != "identity":
        return Refused("the server encoded it although asked not to", reply.status)
    match reply.status:
        case 200:
            return Body(0, _length(reply))
        case 206:
            return _part(reply, have, known)
        case 416 if have:
            return Stale()
        case status:
            return Refused(f"its server answered {status}", status)


def stem(task_id: str, index: int, count: int) -> str:
    """Name a file after its task and its place among the results (from 1), without what it is.

    Nothing of it can leave the folder that it is saved in, whatever the id says.
    """
    name = _UNSAFE.sub("_", task_id).strip("._")[:120] or "task"
    return f"{name}-{index + 1}" if count > 1 else name


def extension(url: str, content_type: str) -> str:
    """Return the end of a file's name: by its type, else by its link, else `.bin`."""
    kind = content_type.partition(";")[0].strip().lower()
    known = _EXTENSIONS.get(kind)
    if known:
        return known
    suffix = PurePosixPath(urlsplit(url).path).suffix.lower()
    return suffix if _SAFE_SUFFIX.fullmatch(suffix) else ".bin"


def _redirect(url: str, reply: Reply) -> Redirect | Refused:
    target = urljoin(url, reply.headers.get("location", ""))
    reason = why_not_fetchable(target)
    if reason is None and urlsplit(url).scheme == "https" != urlsplit(target).scheme:
        reason = "it leads from https to http"
    if reason is not None:
        return Refused(f"its redirect can't be followed: {reason}", reply.status)
    return Redirect(target)


def _part(reply: Reply, have: int, known: str | None) -> Verdict:
    found = _RANGE.fullmatch(reply.headers.get("content-range", ""))
    if found is None or int(found[1]) != have:
        return Refused("the server sent another part than was asked for", reply.status)
    if validator(reply) not in {None, known}:
        return Stale()
    return Body(have, None if found[2] == "*" else int(found[2]))


def _length(reply: Reply) -> int | None:
    text = reply.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None  # noqa: PLR2004
