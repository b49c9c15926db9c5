"""A call ends in time whatever its work does, and the same call again waits for the same work."""

from __future__ import annotations

import anyio
import pytest

from wanflow.mcp_server.calls import Call, Calls

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Work:
    """Work that ends when it is allowed to."""

    def __init__(self) -> None:
        self.started = 0
        self.allowed = anyio.Event()

    async def __call__(self, call: Call) -> str:
        self.started += 1
        for percent in (10, 5, 20):
            call.report(percent, status="running")
            await anyio.sleep(0.001)
        await self.allowed.wait()
        return "done"


async def test_work_outlasts_its_call_and_a_cancelled_caller_and_runs_once() -> None:
    """Only an increase of the progress is reported."""
    work, shown = Work(), list[float]()

    async def on_progress(percent: float, _status: str) -> None:
        shown.append(percent)

    async with anyio.create_task_group() as group:
        calls = Calls(group)
        first = await calls.join("a", work, 0.1, on_progress)
        assert not first.done.is_set()
        assert first.facts == {"status": "running"}
        assert shown == [10, 20]
        with anyio.move_on_after(0.01):
            await calls.join("a", work, 30, on_progress)
        work.allowed.set()
        with anyio.fail_after(60):
            again = await calls.join("a", work, 30, on_progress)
    assert again.value == "done"
    assert work.started == 1
