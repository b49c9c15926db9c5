"""Futures that a signal cancels while their result is being set."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from wanflow._core.effects import Outcome
from wanflow._event_loop import finish
from wanflow._runtime.batch_executor import BatchExecutor


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


def test_a_call_that_is_cancelled_meanwhile_does_not_stop_the_others(monkeypatch) -> None:
    """All other calls of its batch get their results, and the next batch is started."""

    def batch(functions):
        time.sleep(0.01)
        return [Outcome.capture(one) for one in functions]

    async def main() -> list[Any]:
        executor, loop = BatchExecutor(), asyncio.get_running_loop()
        first = asyncio.ensure_future(executor.submit(lambda: 0, batch))
        await asyncio.sleep(0)
        with monkeypatch.context() as patched:
            patched.setattr(loop, "create_future", lambda: CancelledOnceAsked(loop=loop))
            struck = asyncio.ensure_future(executor.submit(lambda: 1, batch))
            await asyncio.sleep(0)
        others = [asyncio.ensure_future(executor.submit(lambda: 2, batch)) for _ in range(2)]
        return await asyncio.gather(first, struck, *others, return_exceptions=True)

    first, struck, *others = asyncio.run(asyncio.wait_for(main(), 5))
    assert first == 0
    assert struck == 1 or isinstance(struck, asyncio.CancelledError)
    assert others == [2, 2]
