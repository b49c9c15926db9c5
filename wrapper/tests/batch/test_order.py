"""What comes first in a batch: files whose links die first, and submissions before looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow._core.effects import (
    Finished,
    RandomFloat,
    ReadClock,
    Request,
    Spawn,
    TimePoint,
    WaitNext,
    WithLock,
)
from wanflow._core.rate_limiter import PollRateLimiter
from wanflow._core.snapshot import Snapshot
from wanflow._flows.poll import PollResult, PollTarget
from wanflow._flows.poll_many import PollEntry
from wanflow.batch.engine import SAVE, SUBMIT, engine_of
from wanflow.batch.models import BatchOptions, PlannedJob
from wanflow.catalog.catalog import packaged_catalog

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow.batch.engine import Engine

CREATED = {1: 300, 2: 500, 3: 100, 4: 200}
"""When the task of each line was made."""


class Work:
    catalog = packaged_catalog()
    budget = PollRateLimiter(1000.0)

    def question(self, task_id: str, known: Snapshot | None) -> PollTarget:
        return PollTarget(task_id, Request("GET", task_id), self.budget)


class NothingKnown:
    def attempts(self, names: object) -> dict[str, Any]:
        return {}


@define
class Steps:
    """Steps that are names; whoever plays the engine ends them in an order of its own."""

    terms: BatchOptions
    work: Work = field(factory=Work)
    ledger: NothingKnown = field(factory=NothingKnown)

    def submit(self, item: Any) -> Any:
        return None

    save = submit

    def completed(self, item: Any, ended: Snapshot) -> bool:
        return True

    def seen(self, snapshot: Snapshot) -> None:
        """Take no note."""

    let_go = seen


LOOK = "look"


@define
class Player:
    """Plays an engine, and ends what it starts in an order of its own: first the steps named first.

    `at_once` has the most looks that were under way while something was being submitted, and
    while nothing was.
    """

    engine: Engine
    order: tuple[str, ...]
    begun: dict[str, list[Any]] = field(factory=dict)
    ticks: float = 0.0
    at_once: dict[bool, int] = field(factory=lambda: {True: 0, False: 0})

    def play(self, jobs: list[PlannedJob]) -> None:
        self.begun = {step: [] for step in self.order}
        flow, answer = self.engine.run(jobs), None
        while True:
            try:
                effect = flow.send(answer)
            except StopIteration:
                return
            answer = self.answer_to(effect)

    def answer_to(self, effect: Any) -> Any:
        match effect:
            case Spawn(PollEntry() as one):
                self.begun[LOOK].append(one)
            case Spawn((step, item)):
                self.begun[step].append(item)
            case ReadClock():
                self.ticks += 0.01
                return TimePoint(self.ticks, self.ticks)
            case RandomFloat():
                return 0.5
            case WaitNext():
                busy = bool(self.begun[SUBMIT])
                self.at_once[busy] = max(self.at_once[busy], len(self.begun[LOOK]))
                return self.next_end()
            case WithLock(function):
                return function()
            case _:
                return effect.function()
        return None

    def next_end(self) -> Finished | None:
        step = next((step for step in self.begun if self.begun[step]), None)
        if step is None:
            return None
        found = self.begun[step].pop(0)
        if step == LOOK:
            task_id = found.question.task_id
            line = int(task_id.partition("-")[2])
            ended = Snapshot(task_id, "completed", created=CREATED.get(line, line))
            return Finished(found, PollResult(ended))
        line = found.planned.line
        accepted = Snapshot(f"task-{line}", "pending", created=CREATED.get(line, line))
        return Finished((step, found), () if step == SAVE else accepted)


def player(folder: Path, *order: str, **terms: int) -> Player:
    steps = Steps(BatchOptions(folder, 1000.0, **terms))
    return Player(engine_of(steps), order)  # type: ignore[arg-type]


def test_what_expires_first_is_saved_first(tmp_path: Path) -> None:
    """With one place to save in, the others queue by when their links die, not by their line."""
    played = player(tmp_path, SUBMIT, LOOK, SAVE, saves=1)
    played.play([PlannedJob(line, f"job {line}", "m", {}, b"") for line in CREATED])
    assert [outcome.planned.line for outcome in played.engine.results.outcomes] == [1, 3, 4, 2]


def test_few_looks_are_under_way_while_something_is_submitted(tmp_path: Path) -> None:
    """The submissions decide when a batch ends; once they are done, looks take their place."""
    # Looks end last, so that as many gather as are begun.
    played = player(tmp_path, SUBMIT, SAVE, LOOK, in_flight=200)
    played.play([PlannedJob(line, f"job {line}", "m", {}, b"") for line in range(1, 101)])
    assert len(played.engine.results.outcomes) == 100
    assert played.at_once == {True: 4, False: 16}
