"""An interrupt of a run is never lost."""

from __future__ import annotations

import gc
import signal
import time
import weakref
from queue import SimpleQueue
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from xdist.workermanage import NodeManager

from wanflow_contract.command.interrupts import interrupts
from wanflow_contract.command.session import SessionEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = 60


@pytest.fixture(autouse=True)
def _handler() -> Iterator[None]:
    """Leave the handler of this process as it is: a run that ends ignores SIGINT."""
    kept = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, kept)


def gc_callback(_phase: str, _info: object) -> None:
    """Stand for the callback of Hypothesis, with an interrupt inside."""
    gc.callbacks.remove(gc_callback)
    signal.raise_signal(signal.SIGINT)


class Finalized:
    """It is interrupted when it is finalized."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


class Cycle:
    """Only the garbage collector frees it."""

    def __init__(self) -> None:
        self.itself = self


def interrupt(*_: object) -> None:
    signal.raise_signal(signal.SIGINT)


def finalize() -> None:
    Finalized()


def collect() -> None:
    gc.callbacks.append(gc_callback)
    gc.collect()


def weak_reference() -> None:
    """Be interrupted where the object of a weak reference ends."""
    one = Cycle()
    kept = weakref.ref(one, interrupt)
    del one
    gc.collect()
    assert kept() is None


def twice() -> None:
    """Be interrupted in a callback, and when it comes back, in another one."""
    weak_reference()
    one = Cycle()
    kept = weakref.ref(one, lambda _: time.sleep(0.1))
    del one
    gc.collect()
    assert kept() is None


def run(cause: Callable[[], None]) -> None:
    """Run until the interrupt arrives, or for too long."""
    with interrupts():
        cause()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            pass


@pytest.mark.parametrize("cause", [interrupt, collect, finalize, weak_reference, twice])
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


class SlowQueue(SimpleQueue[bool]):
    """Only what is put first takes long, as on a loaded machine."""

    slow = 0.1

    def put(self, item: bool, block: bool = True, timeout: float | None = None) -> None:
        """Return a little later."""
        slow, self.slow = self.slow, 0.0
        super().put(item, block, timeout)
        time.sleep(slow)


@pytest.mark.parametrize("cause", [collect, finalize, weak_reference, twice])
def test_an_interrupt_that_comes_back_too_early_is_seen(cause) -> None:
    """Python ignores what its hook for ignored exceptions raises."""
    with patch("wanflow_contract.command.interrupts.SimpleQueue", SlowQueue):
        test_an_interrupt_is_seen_wherever_it_arrives(cause, signal.default_int_handler)


def zero_division() -> None:
    """Be interrupted, and let a callback raise something else before that is seen."""
    try:
        interrupt()
    finally:
        one = Cycle()
        kept = weakref.ref(one, lambda _: 1 / 0)
        del one
        gc.collect()
        assert kept() is None


def test_other_ignored_exceptions_are_still_reported(monkeypatch) -> None:
    """pytest, for one, makes warnings of them."""
    seen = []
    monkeypatch.setattr("sys.unraisablehook", seen.append)
    with pytest.raises(KeyboardInterrupt):
        run(zero_division)
    assert [one.exc_type for one in seen] == [ZeroDivisionError]


def test_the_end_of_an_interrupted_session_is_no_work_for_each_frame_and_object() -> None:
    """pytest parses the source of each frame, and collects garbage among all objects ten times."""

    def deep(frames: int) -> None:
        if frames:
            deep(frames - 1)
        raise KeyboardInterrupt

    try:
        try:
            _ = {}["of a test"]
        except KeyError:
            deep(50)
    except KeyboardInterrupt:
        interrupted = pytest.ExceptionInfo.from_current()
    end = SessionEnd()
    try:
        end.pytest_keyboard_interrupt(interrupted)
        frozen, left = gc.get_freeze_count(), len(gc.get_objects())
    finally:
        gc.unfreeze()
    assert end.interrupted
    shown: Any = interrupted.getrepr(funcargs=True)
    assert [len(traceback.reprentries) for traceback, _, _ in shown.chain] == [1]
    assert left < frozen / 100


def test_xdist_does_not_wait_for_the_tests_that_its_processes_still_have() -> None:
    """It would wait ten seconds, in which they go on and may be charged."""
    manager = SimpleNamespace(EXIT_TIMEOUT=NodeManager.EXIT_TIMEOUT)
    named = {"dsession": SimpleNamespace(nodemanager=manager)}
    plugin: Any = SimpleNamespace(get_plugin=named.get)
    config: Any = SimpleNamespace(pluginmanager=plugin)
    with pytest.raises(KeyboardInterrupt) as interrupted:
        raise KeyboardInterrupt
    try:
        SessionEnd(config).pytest_keyboard_interrupt(interrupted)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN, "the report is written now"
    finally:
        gc.unfreeze()
    assert manager.EXIT_TIMEOUT == 1 < NodeManager.EXIT_TIMEOUT
