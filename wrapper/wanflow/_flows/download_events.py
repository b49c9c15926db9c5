"""The events of the download of one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow._core.download_rules import NoResult, Rejected
from wanflow._core.effects import read_clock
from wanflow._core.event_kinds import emit, emit_timed, kinds

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow._core.effects import Flow, TransportError
    from wanflow._core.storage import Part


class DownloadEvents:
    """Emits the events of one file: `position` of `count` results of a task."""

    __slots__ = ("_attempts", "_begun", "_count", "_position", "_start", "_task_id")

    def __init__(self, task_id: str, position: int, count: int) -> None:
        self._task_id, self._position, self._count = task_id, position, count
        self._attempts = 0
        self._start = 0.0
        self._begun: float | None = None

    def started(self) -> Flow[None]:
        """Emit that it begins."""
        self._start = (yield from read_clock()).monotonic
        yield from emit(
            kinds.DownloadStarted,
            operation="download",
            task_id=self._task_id,
            position=self._position,
            count=self._count,
        )

    def attempt_started(self, now: float) -> None:
        """Take note that a request is about to be sent, at `now` in monotonic seconds."""
        self._attempts += 1
        self._begun = now

    def attempt_ended(self, part: Part, trouble: TransportError | None = None) -> Flow[None]:
        """Emit what came of the request, if that wasn't emitted before."""
        begun, self._begun = self._begun, None
        if begun is None or (part.response is None and trouble is None):
            return
        if trouble is not None:
            yield from emit_timed(
                kinds.TransportFailed,
                begun,
                operation="download",
                task_id=self._task_id,
                attempt=self._attempts,
                reason=trouble.summary,
                position=self._position,
            )
            return
        yield from emit_timed(
            kinds.DownloadAttempted,
            begun,
            operation="download",
            task_id=self._task_id,
            position=self._position,
            count=self._count,
            attempt=self._attempts,
            size=part.size,
            http_status=None if part.response is None else part.response.status,
        )

    def retry_scheduled(
        self, part: Part, trouble: TransportError | None, delay: float
    ) -> Flow[None]:
        """Emit that the file is requested again."""
        return emit(
            kinds.RetryScheduled,
            operation="download",
            task_id=self._task_id,
            attempt=self._attempts + 1,
            delay=delay,
            reason=_reason(part, trouble),
            position=self._position,
            count=self._count,
        )

    def saved(self, path: Path, size: int) -> Flow[None]:
        """Emit that the file is saved."""
        yield from emit_timed(
            kinds.Saved,
            self._start,
            operation="download",
            task_id=self._task_id,
            position=self._position,
            count=self._count,
            path=str(path),
            size=size,
            attempts=self._attempts,
        )

    def failed(self, error: BaseException, part: Part | None = None) -> Flow[None]:
        """Emit that the file is not saved."""
        if part is not None:
            yield from self.attempt_ended(part)
        yield from emit_timed(
            kinds.DownloadFailed,
            self._start,
            operation="download",
            task_id=self._task_id,
            position=self._position,
            count=self._count,
            error=type(error).__name__,
            attempts=self._attempts,
        )


def _reason(part: Part, trouble: TransportError | None) -> str:
    if trouble is not None:
        return trouble.summary
    match part.response_kind:
        case Rejected(status=status):
            return f"its server answered {status}"
        case NoResult():
            return "its server sent no result"
        case _:
            return f"its server sent {part.size} of {part.total} bytes"
