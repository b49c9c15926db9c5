"""Delays of responses: constant, or random by a distribution."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_Z95 = 1.6448536269514722
"""How many standard deviations the 95th percentile of a normal distribution is above its median."""


def delay(name: str, value: str, random: Random) -> float:
    """Return the seconds of a delay by its name and value, such as `lognormal` and `0.2,1.5`."""
    first, *rest = map(float, value.split(","))
    match name:
        case "jitter":
            return random.uniform(0, first)
        case "uniform":
            return random.uniform(first, rest[0])
        case "normal":
            return max(0.0, random.gauss(first, (rest[0] - first) / _Z95))
        case "lognormal":
            return random.lognormvariate(log(first), log(rest[0] / first) / _Z95)
        case _:
            return first


def check_delay(name: str, value: str) -> None:
    """Check that the numbers of a delay are in order.

    Raises:
        ValueError: the second is less than the first, or a log-normal median is 0.
    """
    low, *rest = map(float, value.split(","))
    if rest and rest[0] < low:
        raise ValueError(f"{name}={value}: the second number must be at least the first")
    if name == "lognormal" and not low:
        raise ValueError(f"{name}={value}: the median must be more than 0")
