"""The order in a batch: files whose links expire first, and submissions before polls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from attrs import define, field

from wanflow._core.effects import (
    EmitEvent,
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
from wanflow.errors import WaitTimeout

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow.batch.engine import Engine

CREATED = {1: 300, 2: 500, 3: 100, 4: 200}
"""When the task of each line was created."""


@define
class FakeOperations:
    catalog: ClassVar = packaged_catalog()
    limiter: PollRateLimiter = field(factory=lambda: PollRateLimiter(1000.0))

    def poll_target(self, task_id: str, known: Snapshot | None) -> PollTarget:
        return PollTarget(task_id, Request("GET", task_id), self.limiter)


class EmptyLedger:
    def attempts(self, names: object) -> dict[str, Any]:
        return {}


@define
class FakeSteps:
    """Steps that do nothing; the driver ends them in its own order."""

    options: BatchOptions
    operations: FakeOperations = field(factory=FakeOperations)
    ledger: EmptyLedger = field(factory=EmptyLedger)

    def submit(self, item: Any) -> Any:
        return None

    download = submit

    def finish(self, item: Any, outcome: Any) -> Any:
        """Return the outcome of a wait, with which the driver ends the step."""
        return outcome

    def note_uncertain(self, error: BaseException, items: Any) -> Any:
        yield from ()

    def record_done(self, item: Any, done: Snapshot) -> bool:
        return True

    def record_poll(self, snapshot: Snapshot) -> None:
        """Record nothing."""

    release = record_poll


POLL = "poll"


@define
class EngineDriver:
    """Runs an engine, and ends the started steps in a given order.

    `most_polls` has the highest number of polls in flight, with and without submissions in flight.
    """

    engine: Engine
    order: tuple[str, ...]
    started: dict[str, list[Any]] = field(factory=dict)
    now: float = 0.0
    most_polls: dict[bool, int] = field(factory=lambda: {True: 0, False: 0})

    def run(self, jobs: list[PlannedJob]) -> None:
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
            case EmitEvent():
                pass
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


def engine_driver(folder: Path, *order: str, **options: int) -> EngineDriver:
    steps = FakeSteps(BatchOptions(folder, 1000.0, **options))
    return EngineDriver(make_engine(steps), order)  # type: ignore[arg-type]


def test_the_file_that_expires_first_is_saved_first(tmp_path: Path) -> None:
    """With one download at a time, files are queued by when their links expire."""
    driver = engine_driver(tmp_path, SUBMIT, POLL, DOWNLOAD, max_downloads=1)
    driver.run([PlannedJob(line, f"job {line}", "m", {}, b"") for line in CREATED])
    assert [outcome.job.line for outcome in driver.engine.results.job_results] == [1, 3, 4, 2]


def test_few_polls_are_in_flight_while_something_is_submitted(tmp_path: Path) -> None:
    """Submissions come first; once they are done, there are more polls."""
    # Polls end last, so that all started ones are in flight.
    driver = engine_driver(tmp_path, SUBMIT, DOWNLOAD, POLL, max_concurrency=200)
    driver.run([PlannedJob(line, f"job {line}", "m", {}, b"") for line in range(1, 101)])
    assert len(driver.engine.results.job_results) == 100
    assert driver.most_polls == {True: 4, False: 16}


@define
class JumpingClock(EngineDriver):
    """Its clock passes every deadline at the reading `jump`; no task ends."""

    jump: int = 1
    readings: int = 0
    timed_out: list[tuple[Any, Any]] = field(factory=list)

    def perform(self, effect: Any) -> Any:
        if isinstance(effect, ReadClock):
            self.readings += 1
            assert self.readings < 5_000, "the batch doesn't end"
            self.now += 2_000.0 if self.readings == self.jump else 0.0
        if isinstance(effect, Spawn) and isinstance(effect.flow, WaitTimeout):
            self.timed_out.append((effect.key, effect.flow))
            return None
        return EngineDriver.perform(self, effect)

    def next_finished(self) -> Finished | None:
        if self.started[POLL] and not self.started[SUBMIT]:
            one = self.started[POLL].pop(0)
            return Finished(one, PollResult(Snapshot(one.target.task_id, "processing")))
        if self.timed_out:
            key, error = self.timed_out.pop()
            return Finished(key, error=error)
        self.now += 0.5
        return EngineDriver.next_finished(self)


def run_with_jump(folder: Path, jump: int) -> int:
    """Run two jobs to their end; return how often the clock was read."""
    engine = make_engine(FakeSteps(BatchOptions(folder, 60.0)))  # type: ignore[arg-type]
    driver = JumpingClock(engine, (SUBMIT, POLL, DOWNLOAD), jump=jump)
    driver.run([PlannedJob(line, f"job {line}", "m", {}, b"") for line in (1, 2)])
    assert len(engine.results.job_results) == 2
    return driver.readings


def test_a_batch_ends_wherever_the_clock_passes_the_deadline_of_a_task(tmp_path: Path) -> None:
    """Between any two readings of the clock, also while the last poll is handled."""
    readings = run_with_jump(tmp_path, 0)
    assert readings > 100
    for jump in range(1, readings):
        run_with_jump(tmp_path, jump)
