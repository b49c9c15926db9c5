"""Read the values of options; each error says in one sentence what is allowed."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import date
from math import inf


def credit_limit(text: str) -> float:
    """Return a number of credits.

    Raises:
        ArgumentTypeError: it is no number, or not from 0 up.
    """
    return _number(text, 0, "a number of credits from 0 up, such as 50")


def timeout(text: str) -> float:
    """Return a number of seconds.

    Raises:
        ArgumentTypeError: it is no number, or not above 0.
    """
    return _number(text, 1e-9, "a number of seconds above 0, such as 30")


def request_rate(text: str) -> float:
    """Return a number of requests per second; 0 stands for the usual one.

    Raises:
        ArgumentTypeError: it is no number, or not from 0 up.
    """
    return _number(text, 0, "a number of requests per second, such as 5")


def seed(text: str) -> int:
    """Return a seed.

    Raises:
        ArgumentTypeError: it is no whole number.
    """
    try:
        return int(text)
    except ValueError:
        raise _wrong(text, "a whole number, such as 1") from None


def last_day(text: str) -> date:
    """Return the last day on which something holds.

    Raises:
        ArgumentTypeError: it is no date, or in the past.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise _wrong(text, "a day such as 2027-01-31") from None
    if day < date.today():  # noqa: DTZ011
        raise _wrong(text, "a day from today on")
    return day


def _number(text: str, least: float, allowed: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise _wrong(text, allowed) from None
    if not least <= number < inf:
        raise _wrong(text, allowed)
    return number


def _wrong(text: str, allowed: str) -> ArgumentTypeError:
    return ArgumentTypeError(f"it is {text!r}; it must be {allowed}")
