"""The poll schedule of a job, kept with its row between two polls, in the database's clock."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from attrs import evolve

from wanflow._core.poll_schedule import WORTH_OF_MANY, PollSchedule, ProgressStep

if TYPE_CHECKING:
    from wanflow._core.effects import TimePoint
    from wanflow._core.snapshot import Snapshot

MAX_PAUSE = 600.0
"""Seconds that a server may ask for at most between two polls."""


def begun(now: TimePoint, accepted: Snapshot) -> PollSchedule:
    """Return the schedule of a task that was accepted now."""
    return PollSchedule(now.monotonic, estimate=accepted.estimated_time, worth=WORTH_OF_MANY)


def to_text(schedule: PollSchedule) -> str:
    """Return a schedule as the text that is stored."""
    steps = [[one.early, one.late, one.percent] for one in schedule.progress_steps]
    values = [schedule.submitted_at, schedule.estimate, schedule.polled, steps]
    return json.dumps([*values, schedule.granularity, schedule.failed_polls])


def from_text(text: str | None, accepted: float | None, now: float) -> PollSchedule:
    """Return a stored schedule; without one, that of a task of which nothing is known."""
    if text is None:
        return PollSchedule(now if accepted is None else accepted, worth=WORTH_OF_MANY)
    submitted_at, estimate, polled, steps, granularity, failed = json.loads(text)
    rises = tuple(ProgressStep(*one) for one in steps)
    return PollSchedule(
        submitted_at, estimate, polled, rises, granularity, failed, worth=WORTH_OF_MANY
    )


def after_poll(
    schedule: PollSchedule, now: TimePoint, snapshot: Snapshot | None, jitter: float
) -> tuple[PollSchedule, float]:
    """Return the schedule after a poll, and the seconds to the next; None for a failed poll."""
    updated = schedule.updated(now, snapshot)
    if snapshot is not None:
        updated = evolve(updated, failed_polls=0)
    return updated, updated.next_delay(now.monotonic, jitter)
