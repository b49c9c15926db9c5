"""A submission that was sent is waited for, whatever interrupts the wait."""

from __future__ import annotations

import _thread
import threading

import pytest

from wanflow._runtime.shield import run_shielded


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt], ids=repr)
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
