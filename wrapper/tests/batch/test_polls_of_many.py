"""The polls of a task that is one of many: fewer, since they delay those of the others."""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING, Any

from benchmarks.poll_schedule.__main__ import MODELS, by_rule, drawn
from hypothesis import given
from hypothesis import strategies as st

from tests.batch.test_order import POLL, EngineDriver, engine_driver
from wanflow._core.effects import Spawn, TimePoint
from wanflow._core.poll_schedule import WORTH, WORTH_OF_MANY, PollSchedule
from wanflow._core.snapshot import Snapshot
from wanflow._flows.poll_many import PollEntry
from wanflow.batch.engine import DOWNLOAD, SUBMIT
from wanflow.batch.models import PlannedJob
from wanflow.batch.poller import MANY

if TYPE_CHECKING:
    from pathlib import Path


def answer(progress: int | None, estimate: float | None, created: int | None) -> Snapshot:
    """Return what a poll of a running task has shown."""
    return Snapshot("t", "processing", progress=progress, estimated_time=estimate, created=created)


ANSWERS = st.none() | st.builds(
    answer,
    st.none() | st.integers(0, 10**6),
    st.none() | st.floats(0, 2**53),
    st.none() | st.integers(0, 2**53),
)


@given(
    estimate=st.none() | st.floats(0, 2**53),
    submitted=st.none() | st.floats(0, 1e10),
    history=st.lists(st.tuples(st.floats(0, 300), ANSWERS), max_size=30),
)
def test_no_pause_is_shorter(
    estimate: float | None, submitted: float | None, history: list[tuple[float, Snapshot | None]]
) -> None:
    """Whatever is known of the task, its pauses are as long as those of a single one, or longer."""
    instant = TimePoint(0.0, 1_760_000_000.0)
    one, many = (
        PollSchedule(0.0, estimate=estimate, worth=worth).with_submission_time(instant, submitted)
        for worth in (WORTH, WORTH_OF_MANY)
    )
    assert many.first_delay(0.0, 0.5) >= one.first_delay(0.0, 0.5)
    for seconds, found in history:
        instant = TimePoint(instant.monotonic + seconds, instant.wall + seconds)
        one, many = one.updated(instant, found), many.updated(instant, found)
        assert many.worth == WORTH_OF_MANY
        assert many.next_delay(instant.monotonic, 0.5) >= one.next_delay(instant.monotonic, 0.5)


def test_the_simulated_tasks_take_a_third_less_polls() -> None:
    """Over all models; the figures are in benchmarks/RESULTS.md."""
    few, usual = (
        mean(by_rule(drawn(model), worth=worth).polls for model in MODELS)
        for worth in (WORTH_OF_MANY, WORTH)
    )
    assert few <= 0.67 * usual


def test_the_tasks_that_run_at_the_same_time_count(tmp_path: Path) -> None:
    """The first hundred are polled as single ones are; jobs that come later don't count."""
    worths: list[float] = []

    class Recorder(EngineDriver):
        def perform(self, effect: Any) -> Any:
            if isinstance(effect, Spawn) and isinstance(effect.key, PollEntry):
                worths.append(effect.key.poll_schedule.worth)
            return EngineDriver.perform(self, effect)

    driver = engine_driver(tmp_path, SUBMIT, POLL, DOWNLOAD, max_concurrency=MANY + 1)
    jobs = [PlannedJob(line, f"job {line}", "m", {}, b"") for line in range(1, MANY + 50)]
    Recorder(driver.engine, driver.order).run(jobs)
    assert len(worths) == len(jobs)
    assert worths.count(WORTH) >= MANY
    assert set(worths) == {WORTH, WORTH_OF_MANY}
