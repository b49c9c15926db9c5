"""What a resume leaves behind: files that nobody asked for, and jobs of other servers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wanflow.ledger.job import Job


@frozen
class Left:
    """Completed jobs whose files aren't saved and whose links live, the earliest expiry first.

    `elsewhere` counts unfinished jobs by the address of their server, this one's left out.
    """

    unsaved: tuple[Job, ...] = ()
    elsewhere: Mapping[str, int] = field(factory=dict[str, int])

    @property
    def files(self) -> int:
        """How many files aren't saved."""
        return sum(len(job.links) for job in self.unsaved)

    @property
    def expires(self) -> float | None:
        """The earliest moment, in unix seconds, at which a link can die."""
        return self.unsaved[0].expires if self.unsaved else None

    def addresses(self) -> Iterator[str]:
        """Say of each other server how many jobs are unfinished there."""
        for server, count in sorted(self.elsewhere.items()):
            jobs = "1 unfinished job is" if count == 1 else f"{count} unfinished jobs are"
            yield f"{jobs} of another server ({server}), and were left to it"


def left_of(completed: Iterable[Job], servers: Iterable[str], server: str, now: float) -> Left:
    """Tell what is left, of completed jobs and of the servers of all unfinished ones."""
    unsaved = [job for job in completed if job.expires is None or now < job.expires]
    unsaved.sort(key=lambda job: (job.expires is None, job.expires or 0.0))
    return Left(tuple(unsaved), Counter(other for other in servers if other != server))
