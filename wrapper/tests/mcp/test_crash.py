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

from tests.mcp.agent import run
from tests.mcp.conftest import Setup, charged, facts
from wanflow.ledger import Ledger

if TYPE_CHECKING:
    from wanflow.mock import MockServer

pytestmark = pytest.mark.processes

STEPS = ("record_intent", "submit", "record_accepted", "record_done", "record_files")
POINTS = [f"{side} {step}" for step in STEPS for side in ("before", "after")]
_OPTIONS = ("--max-credits", "100000", "--unknown-price", "100", "--resubmit-uncertain")
# The longest time from the start of an agent to its kill, in seconds; its files are saved by then.
_LONGEST = 0.6


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def _kill_server(
    setup: Setup, body: dict[str, Any] | None, point: str = "", delay: float = 0.0
) -> None:
    """Run an agent, or a resume, with a server that is killed at a named point or after a delay."""
    env = {
        "WANFLOW_TEST_POINT": point,
        "WANFLOW_TEST_DELAY": str(delay),
        "WANFLOW_TEST_KILLS": str(setup.folder / "kills"),
        "WANFLOW_TEST_NAMES": " ".join([*STEPS, "record_target_dir", "claim"]).replace(
            "submit", ""
        ),
    }
    doomed = Setup(setup.base_url, setup.folder, _OPTIONS, env, "tests.mcp.doomed")
    with suppress(Exception), anyio.move_on_after(30):
        async with doomed.stdio_client() as client:
            if body is None:
                await client.call_tool("resume", {})
            else:
                await run(client, body)
            await anyio.sleep(2 if delay else 0)


async def _servers_of_killed_clients_end(setup: Setup) -> None:
    """Wait until no job is locked by a server that still works on it."""
    with Ledger(setup.folder / "jobs.db") as ledger, anyio.fail_after(60):
        while any(ledger.is_owned(job) for job in ledger.jobs()):  # noqa: ASYNC110 - it is another process
            await anyio.sleep(0.1)


def _kill_client(setup: Setup, body: dict[str, Any], delay: float) -> None:
    """Kill an agent some time after it began."""
    task = json.dumps([setup.base_url, str(setup.folder), _OPTIONS, body])
    words = [sys.executable, "-m", "tests.mcp.agent", task]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begins\n"
        time.sleep(delay)
        process.kill()


@pytest.mark.anyio
@pytest.mark.parametrize("rounds", [3, pytest.param(100, marks=pytest.mark.slow)])
async def test_a_kill_loses_nothing(
    setup: Setup, mock_server: MockServer, request_body: dict[str, Any], rounds: int
) -> None:
    """At each named point, and at random from the submission to the saved files, and in a resume.

    The agent then resumes, and repeats its calls.
    """
    chance = random.Random(rounds)
    setup = setup.with_options(*_OPTIONS)
    bodies = [{**request_body, "prompt": f"cat {number}"} for number in range(rounds + 1)]
    async with setup.client() as client:  # then the price is known
        facts(await client.call_tool("submit", {"request": bodies[-1]}))
    points = POINTS if rounds > len(POINTS) else ["after submit"]
    for number, body in enumerate(bodies[:-1]):
        delay = chance.uniform(0.001, _LONGEST)
        if number < len(points):
            await _kill_server(setup, body, points[number])
        elif number % 3 == 1:
            await anyio.to_thread.run_sync(_kill_client, setup, body, delay)
        else:
            await _kill_server(setup, body if number % 3 else None, delay=delay)
    kills = (setup.folder / "kills").stat().st_size
    assert kills == rounds - sum(number % 3 == 1 for number in range(len(points), rounds))
    before = len(charged(mock_server))
    await _servers_of_killed_clients_end(setup)
    async with setup.client() as client:
        facts(await client.call_tool("resume", {}))
        ids = [
            facts(await client.call_tool("submit", {"request": body}))["task_id"] for body in bodies
        ]
        for task_id in ids:
            facts(await client.call_tool("wait", {"task_id": task_id}))
            facts(await client.call_tool("download", {"task_id": task_id}))
    assert before
    prompts = Counter(task.prompt for task in mock_server.gateway.tasks)
    assert prompts == {body["prompt"]: 1 for body in bodies}
    assert sorted(ids) == sorted(charged(mock_server))
    with Ledger(setup.folder / "jobs.db") as ledger:
        jobs = ledger.jobs()
    assert sorted(str(job.task_id) for job in jobs) == sorted(ids)
    files = [file.path for job in jobs for file in job.files]
    assert len(set(files)) == len(files) >= len(bodies)
    assert {path.name for path in (setup.folder / "out").iterdir()} >= {one.name for one in files}
