"""Simulated tasks: their durations, estimates and progress.

64 models: every distribution of durations, kind of estimate and kind of progress.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import product

from attrs import frozen

Progress = Callable[[float], int]


@frozen
class SimulatedTask:
    """A task that takes `seconds`; `progress` maps the seconds since its submission to percent."""

    seconds: float
    estimate: float | None
    progress: Progress


def constant(chance: random.Random) -> tuple[float, float]:
    """Return the seconds in the queue and in all: 68 to 112 s without a queue."""
    return 0.0, chance.uniform(68, 112)


def log_normal(chance: random.Random) -> tuple[float, float]:
    """Take a median of 80 s, with a long tail."""
    return 0.0, min(900.0, math.exp(chance.gauss(math.log(80), 0.6)))


def bimodal(chance: random.Random) -> tuple[float, float]:
    """Take about 25 s or about four minutes."""
    return 0.0, chance.gauss(25, 4) if chance.random() < 0.6 else chance.gauss(240, 20)


def queue_then_run(chance: random.Random) -> tuple[float, float]:
    """Wait a minute on average for a turn, then run for one."""
    queued = min(600.0, chance.expovariate(1 / 60))
    return queued, queued + chance.uniform(50, 70)


DURATIONS = {f.__name__: f for f in (constant, log_normal, bimodal, queue_then_run)}

ESTIMATES: dict[str, Callable[[float], float | None]] = {
    "right": round,
    "three times too long": lambda seconds: round(seconds * 3),
    "three times too short": lambda seconds: round(seconds / 3),
    "absent": lambda _: None,
}


def smooth(queued: float, seconds: float) -> Progress:
    """Rise with time, from the end of the queue on."""
    return lambda at: max(0, min(99, int(100 * (at - queued) / (seconds - queued))))


def stepwise(queued: float, seconds: float) -> Progress:
    """Rise by a quarter at a time."""
    rise = smooth(queued, seconds)
    return lambda at: rise(at) // 25 * 25


def stuck_at_0(_: float, __: float) -> Progress:
    """Stay at 0 until the end."""
    return lambda _at: 0


def stuck_at_99(queued: float, seconds: float) -> Progress:
    """Rise to 99 in the first third, and stay there."""
    return smooth(queued, queued + (seconds - queued) / 3)


PROGRESS = {f.__name__: f for f in (smooth, stepwise, stuck_at_0, stuck_at_99)}

MODELS = list(product(DURATIONS, ESTIMATES, PROGRESS))


def tasks(model: tuple[str, str, str], count: int, seed: int = 0) -> list[SimulatedTask]:
    """Draw tasks of a model; the same seed draws the same."""
    duration, estimate, progress = model
    chance = random.Random(f"{seed} {duration}")
    drawn = [DURATIONS[duration](chance) for _ in range(count)]
    return [
        SimulatedTask(
            max(3.0, seconds),
            ESTIMATES[estimate](max(3.0, seconds)),
            PROGRESS[progress](min(queued, seconds - 1), max(3.0, seconds)),
        )
        for queued, seconds in drawn
    ]
