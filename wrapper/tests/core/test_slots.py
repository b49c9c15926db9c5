"""Slots: never more than there are, none lost, whoever is interrupted wherever."""

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


def test_never_more_than_there_are_and_all_come_to_one() -> None:
    """However many threads there are."""
    slots, lock, most, now, done = ThreadCapacityLimiter(3), threading.Lock(), 0, 0, 0

    def work(_: int) -> None:
        nonlocal most, now, done
        taker = Borrower()
        assert slots.acquire(taker, 20)
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0)
        with lock:
            now -= 1
            done += 1
        slots.release(taker)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(400)))
    assert (most <= 3, done, slots.available) == (True, 400, 3)


def test_who_waits_too_long_is_told_so_and_keeps_nobody_waiting() -> None:
    """Its place in the row is the next one's."""
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


class Interrupting:
    """Raises KeyboardInterrupt at the nth line of the slots, once."""

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


def take(slots: ThreadCapacityLimiter, nth: int) -> bool:
    """Take a slot, interrupted at a line, and give it back → whether the interrupt came."""
    tracer, taker = Interrupting(nth), Borrower()

    def run() -> None:
        sys.settrace(tracer)
        try:
            slots.acquire(taker, 0.01)
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
            slots.release(taker)

    # In a thread: an exception of a tracer leaves marks in the one that it was raised in.
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return tracer.left < 0


@pytest.mark.parametrize("others", [0, 1, 2])
def test_an_interrupt_at_any_line_loses_no_slot(others: int) -> None:
    """Where it was taken, it is given back; where it wasn't, nobody else's is."""
    for nth in range(200):
        slots = ThreadCapacityLimiter(2)
        assert all(slots.acquire(Borrower(), 1) for _ in range(others))
        came = take(slots, nth)
        assert slots.available == 2 - others
        if not came:
            assert nth > 5
            return
    raise AssertionError("there was no end of it")
