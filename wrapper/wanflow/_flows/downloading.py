"""Save what a task's links lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from wanflow import errors
from wanflow._core.download import (
    GONE,
    Body,
    Redirect,
    Refused,
    file_name,
    request_headers,
    why_not_fetchable,
)
from wanflow._core.effects import Fault, Fetch, act, draw, now, sleep
from wanflow._core.retry import backoff
from wanflow._files import PartFile
from wanflow._flows.waiting import about

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow._core.effects import Flow

DEFAULT_TIMEOUT = 900.0
"""Seconds that one file may take."""
DEFAULT_LIMIT = 2 * 1024**3
"""Bytes that one file may have."""

_TRIES = 5
_REDIRECTS = 5
# A server that answers so may well send the file a moment later.
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


@frozen
class Parcel:
    """What is to be saved: a task's links, where to, and within which bounds.

    `limit` is in bytes for each file, `timeout` in seconds for each file, `expires` in unix
    seconds.
    """

    task_id: str
    links: tuple[str, ...]
    folder: Path
    limit: int
    timeout: float
    expires: float | None


def download(parcel: Parcel) -> Flow[list[Path]]:
    """Save every link of a task, in their order → the paths.

    Raises:
        LinkExpired: a link is past its time.
        DownloadFailed: there is no link, or a file can't be fetched or saved.
    """
    with about(parcel.task_id):
        if not parcel.links:
            raise errors.DownloadFailed(f"task {parcel.task_id} has no links to download")
        paths: list[Path] = []
        for index in range(len(parcel.links)):
            path = yield from _save(parcel, index)
            paths.append(path)
        return paths


def _save(parcel: Parcel, index: int) -> Flow[Path]:
    url = parcel.links[index]
    reason = why_not_fetchable(url)
    if reason is not None:
        raise errors.DownloadFailed(f"{url} can't be fetched: {reason}", url=url)
    part = yield from act(lambda: PartFile(parcel.folder, parcel.limit))
    try:
        yield from _fill(parcel, part, url)
        name = file_name(parcel.task_id, index, len(parcel.links), part.url, part.content_type)
        return (yield from act(lambda: part.keep(name)))
    except BaseException:
        part.discard()
        raise


def _fill(parcel: Parcel, part: PartFile, url: str) -> Flow[None]:
    """Fetch into the part file until it is whole, from where it stands after each fault."""
    deadline = (yield from now()).ticks + parcel.timeout
    part.url = url
    failures = redirects = 0
    while True:
        before = part.have
        trouble = yield from _fetch(part)
        match part.verdict:
            case Redirect(target) if redirects < _REDIRECTS:
                part.url, redirects = target, redirects + 1
                continue
            case Refused(reason, status) if status not in _PASSING:
                raise _refused(parcel, url, reason, status, (yield from now()).unix)
            case Body() if trouble is None and part.whole:
                return
            case _:
                pass
        failures = 1 if part.have > before else failures + 1
        pause = backoff(failures, (yield from draw()))
        if failures >= _TRIES or (yield from now()).ticks + pause > deadline:
            raise errors.DownloadFailed(
                f"{url} can't be fetched: {_trouble(part, trouble)}", url=url
            )
        yield from sleep(pause)


def _fetch(part: PartFile) -> Flow[str | None]:
    """Fetch once → what broke it off, None where nothing did."""
    part.verdict = None
    try:
        yield Fetch(part.url, request_headers(part.have, part.validator), part)
    except Fault as fault:
        return fault.reason
    return None


def _trouble(part: PartFile, trouble: str | None) -> str:
    match part.verdict:
        case Redirect():
            return f"more than {_REDIRECTS} redirects"
        case Refused(reason, _):
            return reason
        case _:
            return trouble or f"the server sent {part.have} of {part.total} bytes"


def _refused(
    parcel: Parcel, url: str, reason: str, status: int, unix: float
) -> errors.DownloadFailed:
    if status in GONE and parcel.expires is not None and unix >= parcel.expires:
        return errors.LinkExpired(
            f"{url} has expired: links live for 24 hours, and its server answered {status}",
            url=url,
            status=status,
        )
    return errors.DownloadFailed(f"{url} can't be fetched: {reason}", url=url, status=status)
