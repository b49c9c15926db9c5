"""An interrupt of a run is never lost."""

from __future__ import annotations

import gc
import signal
from itertools import count
from typing import TYPE_CHECKING

import pytest

from wanflow_contract.command.interrupts import interrupts

if TYPE_CHECKING:
    from collections.abc import Callable


def gc_callback(_phase: str, _info: object) -> None:
    """Stand for the callback of Hypothesis, with an interrupt inside."""
    gc.callbacks.remove(gc_callback)
    signal.raise_signal(signal.SIGINT)


class Finalized:
    """It is interrupted when it is finalized."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def finalize() -> None:
    Finalized()


def collect() -> None:
    gc.callbacks.append(gc_callback)
    gc.collect()


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def run(cause: Callable[[], None]) -> None:
    """Run until the interrupt arrives."""
    with interrupts():
        cause()
        for _ in count():
            pass


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers of signals")
@pytest.mark.parametrize("cause", [interrupt, collect, finalize])
@pytest.mark.parametrize("before", [signal.SIG_IGN, signal.default_int_handler])
def test_an_interrupt_is_seen_wherever_it_arrives(cause, before) -> None:
    """Python ignores an exception in a finalizer or in a callback of the garbage collector."""
    kept = signal.signal(signal.SIGINT, before)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(cause)
        assert signal.getsignal(signal.SIGINT) is before
    finally:
        signal.signal(signal.SIGINT, kept)
