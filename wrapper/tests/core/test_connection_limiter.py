"""The connection limiter: never too many slots in use, and none lost by an interrupt."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from wanflow._transport import connection_limiter as limiter
from wanflow._transport.connection_limiter import Borrower, ThreadCapacityLimiter

HERE = Path(limiter.__file__)


def test_the_limit_holds_and_every_thread_gets_a_slot() -> None:
    """Many threads share three slots."""
    slots, lock, most, now, done = ThreadCapacityLimiter(3), threading.Lock(), 0, 0, 0

    def work(_: int) -> None:
        nonlocal most, now, done
        borrower = Borrower()
        assert slots.acquire(borrower, 20)
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0)
        with lock:
            now -= 1
            done += 1
        slots.release(borrower)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(400)))
    assert (most <= 3, done, slots.available) == (True, 400, 3)


def test_a_timed_out_thread_leaves_the_queue() -> None:
    """The next thread in the queue gets the slot."""
    slots, first, late, next_one = ThreadCapacityLimiter(1), Borrower(), Borrower(), Borrower()
    assert slots.acquire(first, 1)
    assert not slots.acquire(late, 0.01)
    slots.release(late)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(slots.acquire, next_one, 20)
        slots.release(first)
        assert waiting.result(5)
    slots.release(next_one)
    slots.release(next_one)
    assert slots.available == 1


class InterruptingTracer:
    """Raises KeyboardInterrupt once, at the nth executed line of the limiter's module."""

    def __init__(self, nth: int) -> None:
        self.left = nth

    def __call__(self, frame: Any, event: str, _: object) -> Any:
        if Path(frame.f_code.co_filename) != HERE:
            return None
        if event == "line":
            self.left -= 1
            if self.left == -1:
                raise KeyboardInterrupt
        return self


def acquire_interrupted(slots: ThreadCapacityLimiter, nth: int) -> bool:
    """Acquire a slot, interrupted at a line, and release it; return whether the interrupt came."""
    tracer, borrower = InterruptingTracer(nth), Borrower()

    def run() -> None:
        sys.settrace(tracer)
        try:
            slots.acquire(borrower, 0.01)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
            slots.release(borrower)

    # In a thread, because an exception of a tracer changes the state of its thread.
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return tracer.left < 0


@pytest.mark.parametrize("others", [0, 1, 2])
def test_an_interrupt_at_any_line_loses_no_slot(others: int) -> None:
    """An acquired slot is released once, and no slot of another thread is released."""
    for nth in range(200):
        slots = ThreadCapacityLimiter(2)
        assert all(slots.acquire(Borrower(), 1) for _ in range(others))
        came = acquire_interrupted(slots, nth)
        assert slots.available == 2 - others
        if not came:
            assert nth > 5
            return
    raise AssertionError("the interrupt came at every line")
