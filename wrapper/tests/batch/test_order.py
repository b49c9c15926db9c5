"""What comes first in a batch: files whose links expire first, and submissions before polls."""

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
from wanflow.batch.engine import DOWNLOAD, SUBMIT, make_engine
from wanflow.batch.models import BatchOptions, PlannedJob
from wanflow.catalog.catalog import packaged_catalog

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow.batch.engine import Engine

CREATED = {1: 300, 2: 500, 3: 100, 4: 200}
"""When the task of each line was made."""


class FakeOperations:
    catalog = packaged_catalog()
    limiter = PollRateLimiter(1000.0)

    def poll_target(self, task_id: str, known: Snapshot | None) -> PollTarget:
        return PollTarget(task_id, Request("GET", task_id), self.limiter)


class EmptyLedger:
    def attempts(self, names: object) -> dict[str, Any]:
        return {}


@define
class FakeSteps:
    """Steps that are names; whoever plays the engine ends them in an order of its own."""

    options: BatchOptions
    operations: FakeOperations = field(factory=FakeOperations)
    ledger: EmptyLedger = field(factory=EmptyLedger)

    def submit(self, item: Any) -> Any:
        return None

    download = submit

    def record_done(self, item: Any, done: Snapshot) -> bool:
        return True

    def record_poll(self, snapshot: Snapshot) -> None:
        """Take no note."""

    release = record_poll


POLL = "poll"


@define
class EngineDriver:
    """Plays an engine, and ends what it starts in an order of its own: first the steps named first.

    `most_polls` has the most looks that were under way while something was being submitted, and
    while nothing was.
    """

    engine: Engine
    order: tuple[str, ...]
    started: dict[str, list[Any]] = field(factory=dict)
    now: float = 0.0
    most_polls: dict[bool, int] = field(factory=lambda: {True: 0, False: 0})

    def play(self, jobs: list[PlannedJob]) -> None:
        self.started = {step: [] for step in self.order}
        flow, result = self.engine.run(jobs), None
        while True:
            try:
                effect = flow.send(result)
            except StopIteration:
                return
            result = self.perform(effect)

    def perform(self, effect: Any) -> Any:
        match effect:
            case Spawn(PollEntry() as one):
                self.started[POLL].append(one)
            case Spawn((step, item)):
                self.started[step].append(item)
            case ReadClock():
                self.now += 0.01
                return TimePoint(self.now, self.now)
            case RandomFloat():
                return 0.5
            case WaitNext():
                busy = bool(self.started[SUBMIT])
                self.most_polls[busy] = max(self.most_polls[busy], len(self.started[POLL]))
                return self.next_finished()
            case WithLock(function):
                return function()
            case _:
                return effect.function()
        return None

    def next_finished(self) -> Finished | None:
        step = next((step for step in self.started if self.started[step]), None)
        if step is None:
            return None
        found = self.started[step].pop(0)
        if step == POLL:
            task_id = found.target.task_id
            line = int(task_id.partition("-")[2])
            ended = Snapshot(task_id, "completed", created=CREATED.get(line, line))
            return Finished(found, PollResult(ended))
        line = found.job.line
        accepted = Snapshot(f"task-{line}", "pending", created=CREATED.get(line, line))
        return Finished((step, found), () if step == DOWNLOAD else accepted)


def player(folder: Path, *order: str, **terms: int) -> EngineDriver:
    steps = FakeSteps(BatchOptions(folder, 1000.0, **terms))
    return EngineDriver(make_engine(steps), order)  # type: ignore[arg-type]


def test_what_expires_first_is_saved_first(tmp_path: Path) -> None:
    """With one place to save in, the others queue by when their links expire, not by their line."""
    played = player(tmp_path, SUBMIT, POLL, DOWNLOAD, max_downloads=1)
    played.play([PlannedJob(line, f"job {line}", "m", {}, b"") for line in CREATED])
    assert [outcome.job.line for outcome in played.engine.results.job_results] == [1, 3, 4, 2]


def test_few_polls_are_in_flight_while_something_is_submitted(tmp_path: Path) -> None:
    """The submissions decide when a batch ends; once they are done, polls take their place."""
    # Looks end last, so that as many gather as are started.
    played = player(tmp_path, SUBMIT, DOWNLOAD, POLL, max_concurrency=200)
    played.play([PlannedJob(line, f"job {line}", "m", {}, b"") for line in range(1, 101)])
    assert len(played.engine.results.job_results) == 100
    assert played.most_polls == {True: 4, False: 16}
