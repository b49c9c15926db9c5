"""When to poll next: the schedules of this field's SDKs, and this library's rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import TYPE_CHECKING

from attrs import frozen

from wanflow._core.effects import TimePoint
from wanflow._core.poll_schedule import WORTH, PollSchedule
from wanflow._core.snapshot import Snapshot

if TYPE_CHECKING:
    from benchmarks.poll_schedule.tasks import SimulatedTask

Intervals = Callable[[Random], Iterator[float]]


def fixed(seconds: float, spread: float = 0.0) -> Intervals:
    """Wait the same each time, give or take the spread."""

    def intervals(random: Random) -> Iterator[float]:
        while True:
            yield random.uniform(seconds - spread, seconds + spread)

    return intervals


def growing(first: float, factor: float, step: float, ceiling: float) -> Intervals:
    """Wait longer each time, up to a ceiling."""

    def intervals(_: Random) -> Iterator[float]:
        seconds = first
        while True:
            yield min(seconds, ceiling)
            seconds = seconds * factor + step

    return intervals


PEERS: dict[str, Intervals] = {
    "0.1 s": fixed(0.1),
    "0.5 s": fixed(0.5),
    "1 s": fixed(1),
    "6±1.5 s": fixed(6, 1.5),
    "1→5 s": growing(1, 1, 1, 5),
    "1→8 s, doubling": growing(1, 2, 0, 8),
    "0.5→5 s, by half": growing(0.5, 1.5, 0, 5),
}
REFERENCE = "1→5 s"


@frozen
class Score:
    """Polls per task and the seconds from its end to the poll that detects it, both on average."""

    polls: float
    lag: float


def by_schedule(intervals: Intervals, drawn: list[SimulatedTask], seed: int = 0) -> Score:
    """Simulate tasks with a schedule that uses no information about them."""
    random = Random(seed)
    polls, lag = 0, 0.0
    for task in drawn:
        at = 0.0
        for seconds in intervals(random):
            at += seconds
            polls += 1
            if at >= task.seconds:
                break
        lag += at - task.seconds
    return Score(polls / len(drawn), lag / len(drawn))


def by_rule(drawn: list[SimulatedTask], seed: int = 0, worth: float = WORTH) -> Score:
    """Simulate tasks with this library's rule, from their submission on."""
    random = Random(seed)
    polls, lag = 0, 0.0
    for task in drawn:
        track = PollSchedule(0.0, estimate=task.estimate, worth=worth)
        at = track.first_delay(0.0, random.random())
        polls += 1
        while at < task.seconds:
            track = track.updated(
                TimePoint(at, at), Snapshot("t", "processing", progress=task.progress(at))
            )
            at += track.next_delay(at, random.random())
            polls += 1
        lag += at - task.seconds
    return Score(polls / len(drawn), lag / len(drawn))
