"""Ctrl-C that is not lost: Python ignores what is raised in a finalizer or a callback of its GC.

Hypothesis has such a callback, and a run that generates requests spends much of its time there.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_IGNORED_IN = frozenset({"gc_callback", "__del__"})
_AGAIN = 0.01
_INTERVAL = 0.5


@contextmanager
def interrupts() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt, also if it was ignored before, and never unseen."""
    numbers = [signal.SIGINT, *([signal.SIGALRM] if hasattr(signal, "SIGALRM") else [])]
    before = {number: signal.signal(number, _raise) for number in numbers}
    try:
        yield
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise(_number: int, frame: FrameType | None) -> None:
    """Raise where it is seen; elsewhere come back a little later.

    Raises:
        KeyboardInterrupt: it is seen here.
    """
    inside = frame
    while inside is not None:
        if inside.f_code.co_name in _IGNORED_IN and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)
            return
        inside = inside.f_back
    raise KeyboardInterrupt


@contextmanager
def ending_with(parent: int) -> Iterator[None]:
    """Interrupt this process once its parent, which a user may have killed, is another one.

    Nobody would see what it goes on to spend.
    """
    ended = Event()

    def watch() -> None:
        while not ended.wait(_INTERVAL):
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGINT)
                return

    Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
