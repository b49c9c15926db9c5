"""The jobs of a batch that wait for their next step to begin, and which of them comes next."""

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
    """Those to be submitted by kind, and at which tick again; those to be taken up, and saved."""

    by_price_class: dict[str, deque[JobRun]] = field(factory=dict[str, "deque[JobRun]"])
    to_resume: deque[JobRun] = field(factory=deque[JobRun])
    _resubmissions: Schedule = field(factory=list["tuple[float, int, JobRun]"])
    _downloads: Schedule = field(factory=list["tuple[float, int, JobRun]"])

    @property
    def download_count(self) -> int:
        """How many have ended and aren't being saved."""
        return len(self._downloads)

    @property
    def next_due(self) -> float | None:
        """The tick at which the next one is to be submitted again."""
        return self._resubmissions[0][0] if self._resubmissions else None

    def add_submission(self, item: JobRun) -> None:
        """Queue a job to be submitted."""
        self.by_price_class.setdefault(item.price_class, deque()).append(item)

    def add_resubmission(self, item: JobRun, due: float) -> None:
        """Queue a job to be submitted at a tick."""
        heapq.heappush(self._resubmissions, (due, item.job.line, item))

    def add_download(self, item: JobRun, created: float) -> None:
        """Queue a job to be saved; `created` says when its links die."""
        heapq.heappush(self._downloads, (created, item.job.line, item))

    def pop_downloads(self, limit: int) -> Iterator[JobRun]:
        """Take those whose links die first, as many as there is room for."""
        for _ in range(min(limit, len(self._downloads))):
            yield heapq.heappop(self._downloads)[2]

    def pop_submission(self, costs: CostLimit, now: float) -> JobRun | None:
        """Take the first job that may be sent and that the ceiling lets through."""
        while self._resubmissions and self._resubmissions[0][0] <= now:
            self.add_submission(heapq.heappop(self._resubmissions)[2])
        for kind, queue in self.by_price_class.items():
            if costs.decide(kind, queue[0].key) is Decision.GO:
                chosen = queue.popleft()
                if not queue:
                    del self.by_price_class[kind]
                return chosen
        return None

    def decisions(self, costs: CostLimit) -> set[Decision]:
        """Return what the ceiling says to the kinds of which jobs are left."""
        return {costs.decide(kind, queue[0].key) for kind, queue in self.by_price_class.items()}

    @property
    def pending_downloads(self) -> list[JobRun]:
        """Those that have ended and aren't being saved."""
        return [item for *_, item in self._downloads]

    def remaining(self) -> list[JobRun]:
        """List those that are not under way, and have not ended."""
        queued = [item for queue in self.by_price_class.values() for item in queue]
        return [*self.to_resume, *queued, *(item for _, _, item in self._resubmissions)]
