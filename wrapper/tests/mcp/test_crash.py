"""The server or the client is killed at any time: nothing is charged twice, no task is lost."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
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
    kills = str(setup.folder / "kills")
    env = {
        "WANFLOW_TEST_POINT": point,
        "WANFLOW_TEST_DELAY": str(delay),
        "WANFLOW_TEST_KILLS": kills,
    }
    doomed = Setup(setup.base_url, setup.folder, _OPTIONS, env, "tests.mcp.doomed")
    with suppress(Exception), anyio.move_on_after(30):
        async with doomed.client() as client:
            await client.call_tool("submit", {"request": body})
            await anyio.sleep(2 if delay else 0)


async def _servers_of_killed_clients_end(setup: Setup) -> None:
    """Wait until no job is locked by a server that still records a response."""
    with Ledger(setup.folder / "jobs.db") as ledger, anyio.fail_after(40):
        while any(job.uncertain and ledger.is_owned(job) for job in ledger.jobs()):  # noqa: ASYNC110 - it is another process
            await anyio.sleep(0.1)


def _kill_client(setup: Setup, body: dict[str, Any], delay: float) -> None:
    """Kill an agent some time after it began to submit."""
    task = json.dumps([setup.base_url, str(setup.folder), _OPTIONS, body])
    words = [sys.executable, "-m", "tests.mcp.agent", task]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begins\n"
        time.sleep(delay)
        process.kill()


@pytest.mark.anyio
@pytest.mark.parametrize("rounds", [10, pytest.param(100, marks=pytest.mark.slow)])
async def test_a_kill_loses_nothing(
    setup: Setup, mock_server: MockServer, request_body: dict[str, Any], rounds: int
) -> None:
    """At each named point and at random; the agent then resumes, and repeats its calls."""
    chance = random.Random(rounds)
    setup = setup.with_options(*_OPTIONS)
    bodies = [{**request_body, "prompt": f"cat {number}"} for number in range(rounds + 1)]
    async with setup.client() as client:  # then the price is known
        facts(await client.call_tool("submit", {"request": bodies[-1]}))
    points = [f"{side} {name}" for name in NAMES for side in POINTS]
    for number, body in enumerate(bodies[:-1]):
        point = points[number] if number < len(points) else ""
        if number % 2 and not point:
            delay = chance.uniform(0.001, 0.15)
            await anyio.to_thread.run_sync(_kill_client, setup, body, delay)
        else:
            await _kill_at(setup, body, point, 0.0 if point else chance.uniform(0.001, 0.15))
    servers = len(points) + sum(number % 2 == 0 for number in range(len(points), rounds))
    assert (setup.folder / "kills").stat().st_size == servers
    before = len(charged(mock_server))
    await _servers_of_killed_clients_end(setup)
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
