"""What became of the jobs of a batch so far."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from attrs import define, field

from wanflow import errors
from wanflow._core.effects import Notify
from wanflow.batch.models import End, Outcome

if TYPE_CHECKING:
    from wanflow._core.effects import Flow
    from wanflow.batch.models import Item, OnOutcome
    from wanflow.ledger import File

_SHOWN = 5


@define(eq=False)
class Results:
    """The outcomes in the order in which they came, how many of each end, and the latest troubles.

    `on_outcome` is told of each.
    """

    on_outcome: OnOutcome = None
    outcomes: list[Outcome] = field(factory=list[Outcome])
    ends: Counter[End] = field(factory=Counter[End])
    troubles: deque[str] = field(factory=lambda: deque[str](maxlen=_SHOWN))

    def file(self, outcome: Outcome) -> Flow[None]:
        """Take in an outcome."""
        self.outcomes.append(outcome)
        self.ends[outcome.end] += 1
        if outcome.end in {End.FAILED, End.UNCERTAIN} and not outcome.earlier:
            self.trouble(f"line {outcome.planned.line}: {outcome.reason}")
        if self.on_outcome is not None:
            yield Notify(self.on_outcome, outcome)

    def trouble(self, text: str) -> None:
        """Take note of something that went wrong."""
        self.troubles.append(text)

    def saved(self, item: Item, files: tuple[File, ...]) -> Flow[None]:
        """Take in a job whose files are on the disk."""
        made = _outcome(item, End.SAVED, files=files)
        return self.file(made)

    def end(self, item: Item, end: End, reason: str, code: str | None = None) -> Flow[None]:
        """Take in a job that ended otherwise, or is left."""
        return self.file(_outcome(item, end, reason, code))


def _outcome(
    item: Item, end: End, reason: str = "", code: str | None = None, files: tuple[File, ...] = ()
) -> Outcome:
    return Outcome(
        item.planned,
        end,
        reason,
        item.task_id,
        item.credits,
        item.attempt if end is not End.UNSENT else item.attempt - 1,
        files,
        key=item.key,
        code=code,
    )


def end_of(error: BaseException | None) -> End:
    """Return what an error makes of a job."""
    match error:
        case errors.JobTaken():
            return End.TAKEN
        case errors.LinkExpired():
            return End.FAILED
        case errors.WaitTimeout() | errors.DownloadFailed():
            return End.OPEN
        case errors.LedgerError():
            return End.UNSENT
        case _:
            return End.FAILED
