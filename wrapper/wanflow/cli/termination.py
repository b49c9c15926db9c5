"""SIGTERM and SIGHUP, as interrupts: whoever stops a command can take its task up again."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    Act = Callable[[int], object]

_HANGUP = getattr(signal, "SIGHUP", None)
_OTHERS = tuple(number for number in (signal.SIGTERM, _HANGUP) if number is not None)
_ALL = (signal.SIGINT, *_OTHERS)
_ONE_STOP = 1.0
"""Seconds within which one stop may arrive twice: `timeout` and shells send it so."""
_OUTPUTS = (1, 2)


class Terminated(KeyboardInterrupt):
    """SIGTERM came: from `timeout`, a job's end, or a shutdown."""


class HungUp(KeyboardInterrupt):
    """SIGHUP came: the terminal was closed, or its connection dropped."""


@contextmanager
def terminable() -> Generator[None]:
    """Raise Terminated on SIGTERM and HungUp on SIGHUP, unless somebody has other plans."""
    ours = [number for number in _OTHERS if signal.getsignal(number) is signal.SIG_DFL]
    with _handled(ours, _Stops(_raise, _raise)):
        yield


@contextmanager
def stoppable(stop: Act, leave: Act) -> Generator[None]:
    """Call `stop` when the first interrupt comes, and `leave` when a person insists.

    Signals that are ignored, as those of a command under `nohup`, stay so.
    """
    ours = [number for number in _ALL if signal.getsignal(number) is not signal.SIG_IGN]
    with _handled(ours, _Stops(stop, leave)):
        yield


def _raise(number: int) -> None:
    raise HungUp if number == _HANGUP else Terminated


@define
class _Stops:
    """Tells a second request to stop from the first one that arrives twice."""

    stop: Act
    leave: Act
    first: float | None = None
    _terminals: tuple[int, ...] = field(factory=lambda: tuple(filter(os.isatty, _OUTPUTS)))

    def __call__(self, number: int, _: object) -> None:
        if number == _HANGUP:
            _turn_away([one for one in self._terminals if not os.isatty(one)])
        moment = time.monotonic()
        if self.first is None:
            self.first = moment
            self.stop(number)
        elif number == signal.SIGINT or (number != _HANGUP and moment - self.first > _ONE_STOP):
            self.leave(number)


def _turn_away(outputs: Iterable[int]) -> None:
    """Have what is written to a terminal that is gone go nowhere, instead of failing."""
    null = os.open(os.devnull, os.O_WRONLY)
    for one in outputs:
        os.dup2(null, one)
    os.close(null)


@contextmanager
def _handled(numbers: Iterable[signal.Signals], handler: _Stops) -> Generator[None]:
    before: dict[signal.Signals, object] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, was in before.items():
            signal.signal(number, was)  # type: ignore[arg-type]
