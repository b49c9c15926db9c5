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

    Turns = list[tuple[float, int, JobRun]]


@define(eq=False)
class JobQueue:
    """Those to be submitted by kind, and at which tick again; those to be taken up, and saved."""

    kinds: dict[str, deque[JobRun]] = field(factory=dict[str, "deque[JobRun]"])
    resumed: deque[JobRun] = field(factory=deque[JobRun])
    _later: Turns = field(factory=list["tuple[float, int, JobRun]"])
    _ended: Turns = field(factory=list["tuple[float, int, JobRun]"])

    @property
    def to_download(self) -> int:
        """How many have ended and aren't being saved."""
        return len(self._ended)

    @property
    def next_due(self) -> float | None:
        """The tick at which the next one is to be submitted again."""
        return self._later[0][0] if self._later else None

    def submit(self, item: JobRun) -> None:
        """Queue a job to be submitted."""
        self.kinds.setdefault(item.kind, deque()).append(item)

    def submit_later(self, item: JobRun, due: float) -> None:
        """Queue a job to be submitted at a tick."""
        heapq.heappush(self._later, (due, item.planned.line, item))

    def add_download(self, item: JobRun, created: float) -> None:
        """Queue a job to be saved; `created` says when its links die."""
        heapq.heappush(self._ended, (created, item.planned.line, item))

    def pop_downloads(self, room: int) -> Iterator[JobRun]:
        """Take those whose links die first, as many as there is room for."""
        for _ in range(min(room, len(self._ended))):
            yield heapq.heappop(self._ended)[2]

    def pop_next(self, prices: CostLimit, ticks: float) -> JobRun | None:
        """Take the first job that may be sent and that the ceiling lets through."""
        while self._later and self._later[0][0] <= ticks:
            self.submit(heapq.heappop(self._later)[2])
        for kind, queue in self.kinds.items():
            if prices.decide(kind, queue[0].key) is Decision.GO:
                chosen = queue.popleft()
                if not queue:
                    del self.kinds[kind]
                return chosen
        return None

    def decisions(self, prices: CostLimit) -> set[Decision]:
        """Return what the ceiling says to the kinds of which jobs are left."""
        return {prices.decide(kind, queue[0].key) for kind, queue in self.kinds.items()}

    @property
    def unsaved(self) -> list[JobRun]:
        """Those that have ended and aren't being saved."""
        return [item for *_, item in self._ended]

    def remaining(self) -> list[JobRun]:
        """List those that are not under way, and have not ended."""
        queued = [item for queue in self.kinds.values() for item in queue]
        return [*self.resumed, *queued, *(item for _, _, item in self._later)]
