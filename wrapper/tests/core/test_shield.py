"""A submission that was sent is waited for, whatever interrupts the wait."""

from __future__ import annotations

import _thread
import threading

import pytest

from wanflow._runtime.shield import run_shielded


@pytest.mark.parametrize("kind", [ValueError, SystemExit, GeneratorExit], ids=repr)
def test_what_on_wait_raises_does_not_end_the_wait(kind: type[BaseException]) -> None:
    """It calls `on_event`, which is the user's; the flow ends first."""
    called, ended = threading.Event(), list[bool]()

    def flow() -> None:
        _thread.interrupt_main()
        called.wait(10)
        threading.Event().wait(0.3)
        ended.append(True)

    def on_wait() -> None:
        called.set()
        raise kind

    with pytest.raises(kind):
        run_shielded(flow, lambda _: False, on_wait)
    assert ended == [True]


def test_a_second_interrupt_ends_the_wait_even_while_the_first_is_reported() -> None:
    """Ctrl-C pressed twice quickly: the second one may come while `on_wait` runs."""
    release, ended = threading.Event(), threading.Event()

    def flow() -> None:
        _thread.interrupt_main()
        release.wait(60)
        ended.set()

    def on_wait() -> None:
        _thread.interrupt_main()
        threading.Event().wait(5)

    with pytest.raises(KeyboardInterrupt):
        run_shielded(flow, lambda _: False, on_wait)
    assert not ended.is_set()
    release.set()
    assert ended.wait(60)
