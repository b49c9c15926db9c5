"""Waiting is deferral: it holds no worker, no lease and no memory, and no worker's clock counts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import wanflow.queue
from wanflow._core.effects import TimePoint
from wanflow._core.poll_schedule import WORTH_OF_MANY, PollSchedule, ProgressStep
from wanflow._core.snapshot import Snapshot
from wanflow.queue import schedule
from wanflow.queue.engine import StepKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.queue.manual_worker import ManualWorker
    from wanflow.queue.handle import QueuedBatch


def test_a_running_task_is_a_row_that_nobody_holds_and_that_is_due_later(
    add_jobs: Callable[..., QueuedBatch], worker: ManualWorker
) -> None:
    add_jobs(5, "[mock:progression=seconds=60]")
    worker.turn([StepKind.SUBMIT])
    rows = worker.execute("SELECT status::text, execute_after > now() FROM wanflow.queue")
    assert rows == [("queued", True)] * 5
    assert worker.take() == []


def test_a_poll_that_finds_nothing_new_makes_the_next_row_by_what_all_polls_have_shown(
    add_jobs: Callable[..., QueuedBatch], new_worker: Callable[..., ManualWorker]
) -> None:
    add_jobs(1, "[mock:progression=polls=4]")
    one, other = new_worker(), new_worker()
    one.turn([StepKind.SUBMIT])
    for polling in (one, other, one):
        before = polling.column("step")[0]
        polling.turn([StepKind.POLL])
        assert polling.column("step") == [before + 1]
        assert polling.rows() == 1
    found = schedule.from_text(one.column("schedule")[0], None, 0.0)
    assert found.polled is not None
    assert found.progress_steps
    one.drain()
    assert one.states() == {"saved": 1}


def test_a_schedule_is_read_as_it_was_written() -> None:
    rises = (ProgressStep(1.5, 2.5, 10), ProgressStep(3.5, 4.5, 20))
    written = PollSchedule(1.8e9, 60.0, 1.8e9 + 5, rises, 10, 2, worth=WORTH_OF_MANY)
    assert schedule.from_text(schedule.to_text(written), None, 0.0) == written


@pytest.mark.parametrize("polls", [1, 5])
def test_failed_polls_are_counted_and_a_successful_one_starts_over(polls: int) -> None:
    now, found = TimePoint(1.8e9, 1.8e9), PollSchedule(1.8e9)
    for _ in range(polls):
        found, delay = schedule.after_poll(found, now, None, 0.5)
        assert 0.3 < delay <= 30
    assert found.failed_polls == polls
    found, _ = schedule.after_poll(found, now, Snapshot("task-unified-1-a", "processing"), 0.5)
    assert found.failed_polls == 0


def test_no_module_of_the_queue_reads_the_clock_of_its_machine() -> None:
    folder = Path(wanflow.queue.__file__).parent
    modules = sorted(folder.glob("*.py"))
    assert len(modules) > 10
    for path in modules:
        assert not re.search(r"time\.time\(|datetime\.now|utcnow", path.read_text()), path.name
