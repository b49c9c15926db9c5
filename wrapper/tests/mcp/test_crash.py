"""The server or the client is killed at any time: nothing is charged twice, no task is lost."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.mcp.conftest import Setup, charged, facts
from wanflow.ledger import Ledger

if TYPE_CHECKING:
    from wanflow.mock import MockServer

POINTS = ("before", "after")
NAMES = ("record_intent", "record_accepted", "submit")
_OPTIONS = ("--max-credits", "100000", "--unknown-price", "100", "--resubmit-uncertain")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def _kill_at(setup: Setup, body: dict[str, Any], point: str, delay: float) -> None:
    """Submit with a server that is killed at a named point, or after a delay."""
    env = {"WANFLOW_TEST_POINT": point, "WANFLOW_TEST_DELAY": str(delay)}
    doomed = Setup(setup.base_url, setup.folder, _OPTIONS, env, "tests.mcp.doomed")
    with suppress(Exception), anyio.move_on_after(30):
        async with doomed.client() as client:
            await client.call_tool("submit", {"request": body})
            await anyio.sleep(2 if delay else 0)


@pytest.mark.anyio
@pytest.mark.parametrize("rounds", [10, pytest.param(100, marks=pytest.mark.slow)])
async def test_a_kill_loses_nothing(
    setup: Setup, mock_server: MockServer, request_body: dict[str, Any], rounds: int
) -> None:
    """At each named point and at random; the agent then resumes, and repeats its calls."""
    chance = random.Random(rounds)
    setup = setup.with_options(*_OPTIONS)
    bodies = [{**request_body, "prompt": f"cat {number}"} for number in range(rounds)]
    points = [f"{side} {name}" for name in NAMES for side in POINTS]
    for number, body in enumerate(bodies):
        point = points[number] if number < len(points) else ""
        await _kill_at(setup, body, point, 0.0 if point else chance.uniform(0.001, 0.15))
    before = len(charged(mock_server))
    async with setup.client() as client:
        facts(await client.call_tool("resume", {}))
        ids = [
            facts(await client.call_tool("submit", {"request": body}))["task_id"] for body in bodies
        ]
    assert before
    prompts = Counter(task.prompt for task in mock_server.gateway.tasks)
    assert prompts == {body["prompt"]: 1 for body in bodies}
    assert sorted(ids) == sorted(charged(mock_server))
    with Ledger(setup.folder / "jobs.db") as ledger:
        assert sorted(str(job.task_id) for job in ledger.jobs()) == sorted(ids)
