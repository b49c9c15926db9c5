"""Save what a task's links lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from attrs import field, frozen

from wanflow import errors
from wanflow._core.download_rules import (
    EXPIRED,
    GONE,
    Content,
    DownloadProgress,
    NoResult,
    Redirect,
    Rejected,
    StalePart,
    request_headers,
)
from wanflow._core.effects import (
    StreamDownload,
    TransportError,
    random_float,
    read_clock,
    run_blocking,
    sleep,
)
from wanflow._core.error_mapping import retry_after, sent_at
from wanflow._core.file_formats import KINDS, extension, result_problem
from wanflow._core.file_names import file_stem
from wanflow._core.retry_policy import backoff
from wanflow._core.url_rules import url_problem
from wanflow._flows.concurrency import gather
from wanflow._flows.download_events import DownloadEvents
from wanflow._flows.error_context import task_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from wanflow._core.effects import Finished, Flow
    from wanflow._core.file_names import NameTemplate
    from wanflow._core.snapshot import Snapshot
    from wanflow._core.storage import Part, Storage
    from wanflow.catalog.catalog import Model

    OnProgress: TypeAlias = Callable[[DownloadProgress], Any] | None

T = TypeVar("T")
OnSaved: TypeAlias = "Callable[[int, Path, Part], T]"

DEFAULT_TIMEOUT = 900.0
"""Seconds that one file may take."""
DEFAULT_MAX_BYTES = 2 * 1024**3
"""Bytes that one file may have."""

MAX_ATTEMPTS = 5
_REDIRECTS = 5
MAX_CONCURRENT = 4
# Seconds that a server must ask for to be taken by its word.
_SHORTEST = 0.5


@frozen
class DownloadJob:
    """What is to be saved: a task's links, where to, and within which bounds.

    `limit` is in bytes for each file, `timeout` in seconds for each file, `expires` in unix
    seconds. `kinds` are what the files may be (`image`, `video`, …), none where nothing is known.
    `name` is how they are named, None for the names by the task's id; `values` are those of its
    fields. `fresh` says that no earlier run left a part of them.
    """

    task_id: str
    urls: tuple[str, ...]
    output_dir: Path
    max_bytes: int
    timeout: float
    expires_at: float | None
    storage: Storage
    kinds: frozenset[str] = frozenset()
    on_progress: OnProgress = None
    name: NameTemplate | None = None
    values: Mapping[str, str] = field(factory=dict[str, str])
    fresh: bool = False

    def part_file(self, index: int) -> Part:
        """Make the sink of one of the files."""
        count = len(self.urls)
        stem = file_stem(self.task_id, index, count)
        names = () if self.name is None else self.name.stems(self.values, index, count)
        return self.storage.part_file(self.output_dir, stem, self.max_bytes, names)


def kinds_of(snapshot: Snapshot, model: Model | None) -> frozenset[str]:
    """Return what the files of a task may be, by its model and by what the API says of it."""
    reported = (snapshot.raw.get("type"), str(snapshot.raw.get("object")).partition(".")[0])
    return KINDS.intersection(
        [one for one in (*reported, model and model.kind) if isinstance(one, str)]
    )


def download(job: DownloadJob, on_saved: OnSaved[T]) -> Flow[list[T]]:
    """Save every link of a task, some concurrently → what `on_saved` returns for each, in order.

    All are tried, even if one fails: each was paid for. `on_saved` gets the index of a link, the
    path of its file once it is saved, and the part that was committed. It may block.

    Raises:
        LinkExpired: a link is past its time.
        DownloadFailed: there is no link, or a file can't be fetched or saved.
    """
    with task_context(job.task_id):
        if not job.urls:
            raise errors.DownloadFailed(f"task {job.task_id} has no links to download")
        if len(job.urls) == 1:
            return [(yield from _save(job, 0, on_saved))[1]]
        return (yield from _save_all(job, on_saved))


def keep_path(_: int, path: Path, __: Part) -> Path:
    """Make nothing more of a file than its path."""
    return path


def _save_all(job: DownloadJob, on_saved: OnSaved[T]) -> Flow[list[T]]:
    files: dict[int, tuple[Path, T]] = {}
    failures: list[BaseException] = []

    def on_finished(end: Finished) -> Flow[None]:
        if end.error is None:
            files[end.key] = end.value
        else:
            failures.append(end.error)
        yield from ()

    flows = [_save(job, index, on_saved) for index in range(len(job.urls))]
    yield from gather(flows, MAX_CONCURRENT, on_finished)
    saved = [files[index] for index in sorted(files)]
    if failures:
        raise _with_saved(failures[0], [path for path, _ in saved])
    return [made for _, made in saved]


def _with_saved(error: BaseException, saved: list[Path]) -> BaseException:
    if isinstance(error, errors.DownloadFailed):
        error.saved = tuple(saved)
    return error


def _save(job: DownloadJob, index: int, on_saved: OnSaved[T]) -> Flow[tuple[Path, T]]:
    url = job.urls[index]
    events = DownloadEvents(job.task_id, index + 1, len(job.urls))
    yield from events.started()
    reason = url_problem(url)
    if reason is not None:
        error = errors.DownloadFailed(f"{url} can't be fetched: {reason}", url=url)
        yield from events.failed(error)
        raise error
    part = job.part_file(index)

    def keep() -> tuple[Path, T]:
        path = part.commit(extension(part.beginning, part.content_type, part.url))
        return path, on_saved(index, path, part)

    try:
        if not job.fresh:
            yield from run_blocking(part.resume)
        yield from _download_with_retries(job, index, part, events)
        saved = yield from run_blocking(keep, abandonable=part.abandonable)
    except GeneratorExit:
        raise  # nothing more can be asked for
    except BaseException as error:
        yield from events.failed(error, part)
        lost = isinstance(error, errors.LinkExpired) or part.size > job.max_bytes
        yield from run_blocking(part.discard if lost else part.suspend)
        raise
    finally:
        part.close()
    yield from events.saved(saved[0], part.size)
    return saved


def _download_with_retries(
    job: DownloadJob, index: int, part: Part, events: DownloadEvents
) -> Flow[None]:
    """Fetch into the part file until it is whole, from where it stands after each fault."""
    url = part.url = job.urls[index]
    deadline = (yield from read_clock()).monotonic + job.timeout
    failures = redirects = 0
    while True:
        before = part.size
        trouble = yield from _fetch(job, index, part, deadline, events)
        match part.response_kind:
            case Redirect(target):
                part.url, redirects = target, _one_more(redirects, url)
                continue
            case Rejected(reason, status, retryable=False):
                raise _refused(job, url, reason, status, (yield from _server_time(part)))
            case Content() if trouble is None and part.complete:
                return
            case StalePart():
                part.start_over()
            case Content() if part.size > before:
                failures = 0
            case _:
                pass
        failures += 1
        pause = yield from _pause(part, failures)
        if pause is None or (yield from read_clock()).monotonic + pause >= deadline:
            raise _given_up(job, part, url, trouble, (yield from _server_time(part)))
        yield from events.retry_scheduled(part, trouble, pause)
        yield from sleep(pause)


def _server_time(part: Part) -> Flow[float]:
    """Return the Unix time by the clock of the last response, else by that of this machine."""
    now = (yield from read_clock()).wall
    return now if part.response is None else sent_at(part.response, now)


def _pause(part: Part, failures: int) -> Flow[float | None]:
    """Say how long to wait before the next try; None where there have been enough.

    A server that says when to come again is believed, for as long as the file may take.
    """
    pause = backoff(failures, (yield from random_float()))
    asked = None
    if isinstance(part.response_kind, Rejected) and part.response is not None:
        asked = retry_after(part.response, now=(yield from read_clock()).wall)
    if asked is None:
        return None if failures >= MAX_ATTEMPTS else pause
    # A server that asks for no time isn't asked again and again without a pause.
    return max(asked, pause) if asked < _SHORTEST else asked


def _fetch(
    job: DownloadJob, index: int, part: Part, deadline: float, events: DownloadEvents
) -> Flow[TransportError | None]:
    """Fetch once → what broke it off, None where nothing did."""
    part.response_kind = part.response = None
    now = (yield from read_clock()).monotonic
    events.attempt_started(now)
    try:
        headers = request_headers(part.size, part.validator)
        on_chunk = _progress_callback(job, index, part)
        yield StreamDownload(part.url, headers, part, deadline - now, on_chunk)
    except TransportError as error:
        yield from events.attempt_ended(part, error)
        return error
    yield from events.attempt_ended(part)
    _refuse_no_result(job, part)
    return None


def _refuse_no_result(job: DownloadJob, part: Part) -> None:
    """Forget what came whole and is no result."""
    if not (isinstance(part.response_kind, Content) and part.complete):
        return
    found = result_problem(part.beginning, part.content_type, job.kinds)
    if found is not None:
        part.start_over()
        part.response_kind = NoResult(f"its server sent {found}{_instead(job.kinds)}")


def _progress_callback(job: DownloadJob, index: int, part: Part) -> Callable[[], Any] | None:
    on_progress = job.on_progress
    if on_progress is None:
        return None
    count = len(job.urls)
    return lambda: on_progress(DownloadProgress(job.task_id, index, count, part.size, part.total))


def _one_more(redirects: int, url: str) -> int:
    if redirects >= _REDIRECTS:
        reason = f"it leads through more than {_REDIRECTS} redirects"
        raise errors.DownloadFailed(f"{url} can't be fetched: {reason}", url=url)
    return redirects + 1


def _given_up(
    job: DownloadJob, part: Part, url: str, trouble: TransportError | None, unix: float
) -> errors.DownloadFailed:
    status = None if part.response is None else part.response.status
    match part.response_kind:
        case NoResult(reason) if _past(job, unix):
            # Servers show pages where a link once led.
            return _expired(url, reason, status)
        case Rejected(reason) | NoResult(reason):
            pass
        case StalePart():
            reason = "its server sends no part of it that fits the others"
        case _:
            sent = f"the server sent {part.size} of {part.total} bytes"
            reason = sent if trouble is None else trouble.reason
    return errors.DownloadFailed(f"{url} can't be fetched: {reason}", url=url, status=status)


def _instead(kinds: frozenset[str]) -> str:
    return f" instead of {' or '.join(sorted(kinds))}" if kinds else ""


def _refused(
    job: DownloadJob, url: str, reason: str, status: int, unix: float
) -> errors.DownloadFailed:
    if status == GONE or (status in EXPIRED and _past(job, unix)):
        return _expired(url, f"its server answered {status}", status)
    return errors.DownloadFailed(f"{url} can't be fetched: {reason}", url=url, status=status)


def _expired(url: str, reason: str, status: int | None) -> errors.LinkExpired:
    return errors.LinkExpired(
        f"{url} has expired: links live for 24 hours, and {reason}", url=url, status=status
    )


def _past(job: DownloadJob, unix: float) -> bool:
    return job.expires_at is not None and unix >= job.expires_at
