"""Ctrl-C that is not lost: Python ignores what a finalizer or a callback of its GC raises.

Hypothesis has such a callback, and a run that generates requests spends much of its time there;
callbacks of weak references run there, too.
"""

from __future__ import annotations

import os
import signal
import sys
from _thread import interrupt_main
from contextlib import contextmanager
from threading import Event, Thread, Timer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_AGAIN = 0.01
_INTERVAL = 0.5


@contextmanager
def interrupts() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt, also if it was ignored before, and never unseen."""
    handler, hook = signal.signal(signal.SIGINT, _raise), sys.unraisablehook
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        sys.unraisablehook = hook


def _raise(*_signal: object) -> None:
    """Raise, and come back a little later for as long as Python ignores it.

    The hook is replaced only now: pytest replaces it, too, when it begins.

    Raises:
        KeyboardInterrupt: always.
    """
    hook = sys.unraisablehook

    def ignored(unraisable: sys.UnraisableHookArgs) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            later = Timer(_AGAIN, interrupt_main)
            later.daemon = True
            later.start()
        else:
            hook(unraisable)

    sys.unraisablehook = ignored
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
