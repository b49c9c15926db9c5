"""The message of a batch that exits immediately.

A signal can interrupt the main thread while it holds the lock of the display, of stderr or of the
ledger. So each step here runs in a thread with a timeout, and the text is written directly to the
file descriptor.
"""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock, start_new_thread
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from wanflow.ledger import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wanflow.cli.batch_progress import Progress
    from wanflow.ledger import Ledger

T = TypeVar("T")

_STDERR = 2
_DISPLAY_TIMEOUT = 1.0
_LEDGER_TIMEOUT = 1.0
_REOPEN_TIMEOUT = 3.0
_WRITE_TIMEOUT = 2.0
"""Timeouts of the steps, in seconds."""


def print_exit_message(progress: Progress, ledger: Ledger, command: str) -> None:
    """Write which submissions are uncertain, and the command to resume."""
    closed = call_with_timeout(lambda: _close_display(progress), _DISPLAY_TIMEOUT)
    text = "".join(f"{line}\n" for line in _message_lines(ledger, command))
    call_with_timeout(lambda: _write(text if closed else progress.reset + text), _WRITE_TIMEOUT)


def call_with_timeout(function: Callable[[], T], timeout: float) -> T | None:
    """Call a function in a thread; return None if it fails or times out."""
    values: list[T] = []
    done = allocate_lock()
    done.acquire()

    def run() -> None:
        with suppress(Exception):
            values.append(function())
        done.release()

    # `threading` has internal locks, which the interrupted thread may hold.
    start_new_thread(run, ())
    done.acquire(timeout=timeout)
    return values[0] if values else None


def _close_display(progress: Progress) -> bool:
    progress.__exit__(None, None, None)
    return True


def _message_lines(ledger: Ledger, command: str) -> Iterator[str]:
    keys = call_with_timeout(lambda: _uncertain_keys(ledger), _LEDGER_TIMEOUT)
    if keys is None:
        # The ledger has its own locks when it is opened again.
        keys = call_with_timeout(lambda: _uncertain_keys(ledger.reopen()), _REOPEN_TIMEOUT)
    if keys is None:
        yield (
            "some submissions may have been accepted and charged. The ledger can't be read now; "
            "run `wanflow ledger list` later to see them"
        )
    for key in keys or ():
        yield (f"a submission in flight may have been accepted and charged (idempotency key {key})")
    yield f"stopped. To resume:\n  {command}"


def _uncertain_keys(ledger: Ledger) -> list[str | None]:
    return [
        job.key
        for job in ledger.jobs((JobState.INTENT, JobState.UNCERTAIN))
        if job.owner is not None and job.owner.process == os.getpid()
    ]


def _write(text: str) -> None:
    encoding = getattr(sys.__stderr__, "encoding", None) or "utf-8"
    content = text.encode(encoding, "backslashreplace")
    while content:
        content = content[os.write(_STDERR, content) :]
