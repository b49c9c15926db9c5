"""The jobs of a batch that wait for their next step, and their order."""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING

from attrs import define, field

from wanflow.batch.cost_limit import Decision
from wanflow.batch.models import JobRun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.batch.cost_limit import CostLimit

    Schedule = list[tuple[float, int, JobRun]]


@define(eq=False)
class JobQueue:
    """Jobs to submit (by price class), to resubmit later, to resume, and to download."""

    by_price_class: dict[str, deque[JobRun]] = field(factory=dict[str, "deque[JobRun]"])
    to_resume: deque[JobRun] = field(factory=deque[JobRun])
    _resubmissions: Schedule = field(factory=list["tuple[float, int, JobRun]"])
    _downloads: Schedule = field(factory=list["tuple[float, int, JobRun]"])

    @property
    def download_count(self) -> int:
        """The number of done jobs whose download has not started."""
        return len(self._downloads)

    @property
    def next_due(self) -> float | None:
        """The monotonic time of the next resubmission."""
        return self._resubmissions[0][0] if self._resubmissions else None

    def add_submission(self, item: JobRun) -> None:
        """Queue a job to submit."""
        self.by_price_class.setdefault(item.price_class, deque()).append(item)

    def add_resubmission(self, item: JobRun, due: float) -> None:
        """Queue a job to submit at a monotonic time."""
        heapq.heappush(self._resubmissions, (due, item.job.line, item))

    def add_download(self, item: JobRun, created: float) -> None:
        """Queue a job to download; jobs with the oldest `created` come first."""
        heapq.heappush(self._downloads, (created, item.job.line, item))

    def pop_downloads(self, limit: int) -> Iterator[JobRun]:
        """Yield up to `limit` jobs to download, those whose links expire first."""
        for _ in range(min(limit, len(self._downloads))):
            yield heapq.heappop(self._downloads)[2]

    def pop_submission(self, costs: CostLimit, now: float) -> JobRun | None:
        """Return the first job that the credit limit allows, None if there is none."""
        while self._resubmissions and self._resubmissions[0][0] <= now:
            self.add_submission(heapq.heappop(self._resubmissions)[2])
        for price_class, queue in self.by_price_class.items():
            if costs.decide(price_class, queue[0].key) is Decision.GO:
                item = queue.popleft()
                if not queue:
                    del self.by_price_class[price_class]
                return item
        return None

    def decisions(self, costs: CostLimit) -> set[Decision]:
        """Return the decisions of the credit limit for all queued price classes."""
        return {costs.decide(name, queue[0].key) for name, queue in self.by_price_class.items()}

    @property
    def pending_downloads(self) -> list[JobRun]:
        """The done jobs whose download has not started."""
        return [item for *_, item in self._downloads]

    def remaining(self) -> list[JobRun]:
        """Return the jobs that are neither in flight nor done."""
        queued = [item for queue in self.by_price_class.values() for item in queue]
        return [*self.to_resume, *queued, *(item for _, _, item in self._resubmissions)]
