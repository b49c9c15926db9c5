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
from importlib import import_module
from threading import Event, Thread, Timer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_AGAIN = 0.01
_INTERVAL = 0.5
_SYNCHRONIZE = 0x00100000
"""The right to wait for a process of Windows."""


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
def ending_with(parent: int, system: str = os.name) -> Iterator[None]:
    """Interrupt this process once the one that has started it, which a user may kill, has ended.

    Nobody would see what it goes on to spend.
    """
    watched = _ended_on_windows(parent) if system == "nt" else lambda: os.getppid() != parent
    ended = Event()

    def watch() -> None:
        while not ended.wait(_INTERVAL):
            if watched():
                _interrupt_itself(system)
                return

    Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _interrupt_itself(system: str) -> None:
    if system == "nt":  # there, sending a signal ends the process without a word
        interrupt_main()
    else:
        os.kill(os.getpid(), signal.SIGINT)


def _ended_on_windows(process: int) -> Callable[[], bool]:
    """Return what says whether a process of Windows has ended, False where it can't be known.

    It needn't be the parent: the `python` of an environment starts another one, and a process keeps
    the number of a parent that has ended.
    """
    ctypes: Any = import_module("ctypes")
    kernel = ctypes.WinDLL("kernel32")
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(_SYNCHRONIZE, False, process)
    waited = ctypes.c_void_p(handle)
    return lambda: bool(handle) and kernel.WaitForSingleObject(waited, 0) == 0
