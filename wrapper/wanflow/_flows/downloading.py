"""Save what a task's links lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from attrs import frozen

from wanflow import errors
from wanflow._core.download import (
    EXPIRED,
    GONE,
    Body,
    Progress,
    Redirect,
    Refused,
    Stale,
    extension,
    request_headers,
    stem,
    why_not_fetchable,
)
from wanflow._core.effects import Done, Fault, Fetch, Start, act, draw, join, now, sleep
from wanflow._core.retry import backoff
from wanflow._files import PartFile
from wanflow._flows.naming import about

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wanflow._core.effects import Flow

    OnProgress: TypeAlias = Callable[[Progress], Any] | None

T = TypeVar("T")
Kept: TypeAlias = "Callable[[int, Path, bytes | None], T]"

DEFAULT_TIMEOUT = 900.0
"""Seconds that one file may take."""
DEFAULT_LIMIT = 2 * 1024**3
"""Bytes that one file may have."""

_TRIES = 5
_REDIRECTS = 5
_AT_ONCE = 4
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
    on_progress: OnProgress = None


def download(parcel: Parcel, kept: Kept[T]) -> Flow[list[T]]:
    """Save every link of a task, some at once → what `kept` makes of each, in their order.

    All are tried, whatever becomes of one: each was paid for. `kept` is given the place of a link,
    the path of its file once it is on the disk, and its content where that is in memory. It may
    block.

    Raises:
        LinkExpired: a link is past its time.
        DownloadFailed: there is no link, or a file can't be fetched or saved.
    """
    with about(parcel.task_id):
        if not parcel.links:
            raise errors.DownloadFailed(f"task {parcel.task_id} has no links to download")
        if len(parcel.links) == 1:
            return [(yield from _save(parcel, 0, kept))[1]]
        return (yield from _save_all(parcel, kept))


def path_alone(_: int, path: Path, __: bytes | None) -> Path:
    """Make nothing more of a file than its path."""
    return path


def _save_all(parcel: Parcel, kept: Kept[T]) -> Flow[list[T]]:
    left = list(range(len(parcel.links)))[::-1]
    flying = 0
    files: dict[int, tuple[Path, T]] = {}
    failures: list[BaseException] = []
    while left or flying:
        while left and flying < _AT_ONCE:
            index = left.pop()
            yield Start(index, _save(parcel, index, kept))
            flying += 1
        event = yield from join(None)
        if isinstance(event, Done):
            flying -= 1
            if event.error is None:
                files[event.key] = event.value
            else:
                failures.append(event.error)
    saved = [files[index] for index in sorted(files)]
    if failures:
        raise _with_saved(failures[0], [path for path, _ in saved])
    return [made for _, made in saved]


def _with_saved(error: BaseException, saved: list[Path]) -> BaseException:
    if isinstance(error, errors.DownloadFailed):
        error.saved = tuple(saved)
    return error


def _save(parcel: Parcel, index: int, kept: Kept[T]) -> Flow[tuple[Path, T]]:
    url = parcel.links[index]
    reason = why_not_fetchable(url)
    if reason is not None:
        raise errors.DownloadFailed(f"{url} can't be fetched: {reason}", url=url)
    name = stem(parcel.task_id, index, len(parcel.links))
    part = PartFile(parcel.folder, name, parcel.limit)
    if part.begun:
        yield from act(part.take_up)

    def keep() -> tuple[Path, T]:
        path = part.keep(extension(part.url, part.content_type))
        return path, kept(index, path, part.content)

    try:
        yield from _fill(parcel, index, part)
        return (yield from act(keep))
    except errors.DownloadFailed as error:
        lost = isinstance(error, errors.LinkExpired) or part.have > parcel.limit
        (part.discard if lost else part.leave)()
        raise
    except BaseException:
        part.leave()
        raise


def _fill(parcel: Parcel, index: int, part: PartFile) -> Flow[None]:
    """Fetch into the part file until it is whole, from where it stands after each fault."""
    url = part.url = parcel.links[index]
    deadline = (yield from now()).ticks + parcel.timeout
    failures = redirects = 0
    while True:
        before = part.have
        left = deadline - (yield from now()).ticks
        trouble = yield from _fetch(parcel, index, part, left)
        match part.verdict:
            case Redirect(target):
                part.url, redirects = target, _one_more(redirects, url)
                continue
            case Refused(reason, status) if status not in _PASSING:
                raise _refused(parcel, url, reason, status, (yield from now()).unix)
            case Body() if trouble is None and part.whole:
                return
            case Stale():
                part.start_at(0)
            case Body() if part.have > before:
                failures = 0
            case _:
                pass
        failures += 1
        pause = backoff(failures, (yield from draw()))
        if failures >= _TRIES or (yield from now()).ticks + pause >= deadline:
            raise errors.DownloadFailed(
                f"{url} can't be fetched: {_trouble(part, trouble)}", url=url
            )
        yield from sleep(pause)


def _fetch(parcel: Parcel, index: int, part: PartFile, left: float) -> Flow[str | None]:
    """Fetch once → what broke it off, None where nothing did."""
    part.verdict = None
    try:
        headers = request_headers(part.have, part.validator)
        yield Fetch(part.url, headers, part, left, _telling(parcel, index, part))
    except Fault as fault:
        return fault.reason
    return None


def _telling(parcel: Parcel, index: int, part: PartFile) -> Callable[[], Any] | None:
    on_progress = parcel.on_progress
    if on_progress is None:
        return None
    count = len(parcel.links)
    return lambda: on_progress(Progress(parcel.task_id, index, count, part.have, part.total))


def _one_more(redirects: int, url: str) -> int:
    if redirects >= _REDIRECTS:
        reason = f"it leads through more than {_REDIRECTS} redirects"
        raise errors.DownloadFailed(f"{url} can't be fetched: {reason}", url=url)
    return redirects + 1


def _trouble(part: PartFile, trouble: str | None) -> str:
    match part.verdict:
        case Refused(reason, _):
            return reason
        case Stale():
            return "its server sends no part of it that fits the others"
        case _:
            return trouble or f"the server sent {part.have} of {part.total} bytes"


def _refused(
    parcel: Parcel, url: str, reason: str, status: int, unix: float
) -> errors.DownloadFailed:
    past = parcel.expires is not None and unix >= parcel.expires
    if status == GONE or (status in EXPIRED and past):
        return errors.LinkExpired(
            f"{url} has expired: links live for 24 hours, and its server answered {status}",
            url=url,
            status=status,
        )
    return errors.DownloadFailed(f"{url} can't be fetched: {reason}", url=url, status=status)
