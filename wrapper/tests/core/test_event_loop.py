"""Futures that a signal cancels while their result is being set."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from wanflow._core.effects import Outcome
from wanflow._event_loop import finish, run_in_thread, wait_for_outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow._core.effects import Deliver


class CancelledOnceAsked(asyncio.Future[Any]):
    """A future that is cancelled right after it was asked again whether it is done.

    A signal handler does so. The first to ask is the call that waits for it.
    """

    asked = 0

    def done(self) -> bool:
        """Say whether it is done, and be cancelled."""
        done = super().done()
        self.asked += 1
        if self.asked > 1:
            self.cancel()
        return done


@pytest.mark.parametrize("error", [None, ValueError()])
def test_a_future_that_is_cancelled_meanwhile_stays_cancelled(error) -> None:
    """Setting its result neither raises nor changes it."""

    async def main() -> asyncio.Future[Any]:
        future = CancelledOnceAsked()
        future.cancel()
        finish(future, 1, error)
        return future

    assert asyncio.run(main()).cancelled()


def _half(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number // 2


def _in_thread(function: Callable[[], Any], deliver: Deliver) -> None:
    threading.Thread(target=lambda: _pass_on(Outcome.capture(function), deliver)).start()


def _pass_on(outcome: Outcome, deliver: Deliver) -> None:
    wake = deliver(outcome)
    assert wake is not None
    wake()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_each_waiting_task_gets_its_own_outcome(backend: str) -> None:
    """Values are returned, and errors raised, whichever thread they come from."""
    found: dict[int, object] = {}

    async def wait(number: int) -> None:
        try:
            found[number] = await wait_for_outcome(partial(_in_thread, partial(_half, number)))
        except ValueError as error:
            found[number] = str(error)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(wait, number)

    anyio.run(main, backend=backend)
    expected = {n: f"{n} is odd" if n % 2 else n // 2 for n in range(10)}
    assert found == expected


def test_many_outcomes_wake_an_event_loop_once() -> None:
    """Each wake-up is a system call, and a switch between threads."""
    delivers: list[Deliver] = []

    def deliver_all() -> None:
        wakes = {deliver(Outcome(number)) for number, deliver in enumerate(delivers)}
        (wake,) = wakes
        assert wake is not None
        wake()

    async def main() -> list[int]:
        waiting = [asyncio.ensure_future(wait_for_outcome(delivers.append)) for _ in range(10)]
        await asyncio.sleep(0)
        await run_in_thread(deliver_all)
        return await asyncio.gather(*waiting)

    assert asyncio.run(main()) == list(range(10))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancellation_is_raised_after_the_outcome(backend: str) -> None:
    """The function runs to its end before the cancelled task goes on."""
    ended: list[str] = []
    proceed = threading.Event()

    def function() -> None:
        assert proceed.wait(20)
        ended.append("function")

    async def wait() -> None:
        try:
            await wait_for_outcome(partial(_in_thread, function))
            await anyio.lowlevel.checkpoint()
        except anyio.get_cancelled_exc_class():
            ended.append("task")
            raise

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.sleep(0.05)
            tasks.cancel_scope.cancel()
            proceed.set()

    anyio.run(main, backend=backend)
    assert ended == ["function", "task"]


def test_an_outcome_after_the_end_of_the_loop_is_dropped() -> None:
    """The thread that delivers it goes on."""
    delivered: list[Deliver] = []

    async def main() -> None:
        waiting = asyncio.ensure_future(wait_for_outcome(delivered.append))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(_pass_on, Outcome(1), delivered[0])
        assert await waiting == 1

    asyncio.run(main())
    _pass_on(Outcome(2), delivered[0])
