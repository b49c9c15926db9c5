"""SIGTERM, as an interrupt: whoever stops a command is told how its task is taken up again."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Generator


class Terminated(KeyboardInterrupt):
    """SIGTERM came: from `timeout`, a job's end, or a shutdown."""


@contextmanager
def terminable() -> Generator[None]:
    """Raise Terminated on SIGTERM, unless somebody has other plans with it."""
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if ours:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(*_: object) -> NoReturn:
    raise Terminated
