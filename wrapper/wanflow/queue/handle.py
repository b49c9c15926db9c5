"""A batch in a queue, as clients return it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from wanflow._core.effects import Yield
from wanflow.queue.results import follow, wait

if TYPE_CHECKING:
    from wanflow._core.effects import Flow
    from wanflow._runtime.driver import AsyncDriver, SyncDriver
    from wanflow._runtime.iterators import AsyncFlowIterator, FlowIterator
    from wanflow.batch.models import JobResult, OnBatchProgress, OnJobResult, StopSignal
    from wanflow.batch.report import Report
    from wanflow.queue.enqueue import EnqueuedBatch
    from wanflow.queue.results import Watch

D = TypeVar("D", "SyncDriver", "AsyncDriver")


class BaseQueuedBatch(Generic[D]):
    """The name of a batch, and its number of jobs."""

    def __init__(self, batch: EnqueuedBatch, driver: D) -> None:
        self._batch = batch
        self._driver: D = driver

    @property
    def name(self) -> str:
        """The name of the batch in its queue."""
        return self._batch.options.name

    @property
    def added(self) -> int:
        """How many of its jobs were not in the queue before."""
        return self._batch.added

    def __len__(self) -> int:
        """Return the number of its jobs."""
        return len(self._batch.jobs)

    def _results(self) -> Flow[None]:
        yield from follow(self._batch, _yielded, _ignored)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {len(self)} jobs>"


class QueuedBatch(BaseQueuedBatch["SyncDriver"]):
    """A batch that workers run; iterate over it for the result of each job as it ends."""

    def __iter__(self) -> FlowIterator[JobResult]:
        return self._driver.stream(self._results())

    def wait(
        self,
        *,
        on_progress: OnBatchProgress = None,
        on_result: OnJobResult = None,
        stop: StopSignal | None = None,
    ) -> Report:
        """Wait until all jobs have ended, and write a report and a contact sheet beside the files.

        Once `stop` is set, the wait ends, and the workers go on.
        """
        return self._driver.run(wait(self._batch, on_progress, on_result, stop))


class AsyncQueuedBatch(BaseQueuedBatch["AsyncDriver"]):
    """A batch that workers run; iterate over it for the result of each job as it ends."""

    def __aiter__(self) -> AsyncFlowIterator[JobResult]:
        return self._driver.stream(self._results())

    async def wait(
        self,
        *,
        on_progress: OnBatchProgress = None,
        on_result: OnJobResult = None,
        stop: StopSignal | None = None,
    ) -> Report:
        """Wait until all jobs have ended, and write a report and a contact sheet beside the files.

        Once `stop` is set, the wait ends, and the workers go on.
        """
        return await self._driver.run(wait(self._batch, on_progress, on_result, stop))


def _yielded(result: JobResult) -> Flow[None]:
    yield Yield(result)


def _ignored(watch: Watch) -> Flow[None]:
    del watch
    yield from ()
