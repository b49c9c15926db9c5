"""Ctrl-C that is not lost: Python ignores what a finalizer or a callback of its GC raises.

Hypothesis has such a callback, and a run that generates requests spends much of its time there;
callbacks of weak references run there, too.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from _thread import interrupt_main
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_AGAIN = 0.01
_INTERVAL = 0.5
_SYNCHRONIZE = 0x00100000
"""The right to wait for a process of Windows."""


@contextmanager
def interrupts() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt, also if it was ignored before, and never unseen."""
    ignored = SimpleQueue[bool]()
    handler = signal.signal(signal.SIGINT, partial(_raise, ignored))
    hook = sys.unraisablehook
    Thread(target=_come_back, args=(ignored,), daemon=True).start()
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        sys.unraisablehook = hook
        ignored.put(False)


def _come_back(ignored: SimpleQueue[bool]) -> None:
    """Interrupt again a little after each time that an interrupt was ignored."""
    while ignored.get():
        time.sleep(_AGAIN)
        interrupt_main()


def _raise(ignored: SimpleQueue[bool], _signal: int, frame: FrameType | None) -> None:
    """Raise, and come back a little later for as long as Python ignores it.

    The hook is replaced only now: pytest replaces it, too, when it begins. Within the hook nothing
    is raised: Python would ignore that, too, and call no hook.

    Raises:
        KeyboardInterrupt: unless this is the hook.
    """
    if _is_in_hook(frame):
        ignored.put(True)
        return
    hook = sys.unraisablehook

    def of_ignored(unraisable: sys.UnraisableHookArgs) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            ignored.put(True)
        else:
            hook(unraisable)

    sys.unraisablehook = of_ignored
    raise KeyboardInterrupt


def _is_in_hook(frame: FrameType | None) -> bool:
    """Return whether a frame is the hook, or was called by it."""
    while frame is not None:
        if (frame.f_code.co_name, frame.f_code.co_filename) == ("of_ignored", __file__):
            return True
        frame = frame.f_back
    return False


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
