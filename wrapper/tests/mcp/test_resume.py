"""An uncertain submission is sent again by `resume` only, and only within the budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.mcp.conftest import charged, facts
from wanflow.ledger import Ledger
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.mcp.conftest import Setup

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def mock_server() -> Iterator[MockServer]:
    """A server that ignores idempotency keys: each submission is charged."""
    with MockServer(polls=1, idempotency=False) as server:
        yield server


async def test_repeated_resumes_stay_below_the_ceiling(
    setup: Setup, mock_server: MockServer, request_body: dict[str, Any]
) -> None:
    """Even if each response is lost, and each submission is charged."""
    async with setup.client() as client:
        first = facts(await client.call_tool("submit", {"request": request_body}))
    price = first["budget"]["committed"]
    mock_server.faults.add("lost-response", operation="createImageGeneration")
    limited = setup.with_options("--max-credits", str(4.5 * price), "--resubmit-uncertain")
    async with limited.client() as client:
        body = {"request": request_body, "variation": "2"}
        for _ in range(2):
            assert (await client.call_tool("submit", body)).is_error
        assert len(charged(mock_server)) <= 2
        for _ in range(6):
            facts(await client.call_tool("resume", {}))
    assert len(charged(mock_server)) <= 4


async def test_agents_resume_the_task_that_their_user_gave_to_an_uncertain_job(
    setup: Setup, mock_server: MockServer, request_body: dict[str, Any]
) -> None:
    """Its files are saved, and nothing is sent again; a discarded job is left."""
    bodies = [{"request": request_body, "variation": number} for number in ("1", "2")]
    async with setup.client() as client:
        facts(await client.call_tool("submit", {"request": request_body}))
        lost = mock_server.faults.add("lost-response", operation="createImageGeneration")
        for body in bodies:
            assert (await client.call_tool("submit", body)).is_error
    mock_server.faults.remove(lost.id)
    tasks = charged(mock_server)
    with Ledger(setup.folder / "jobs.db") as ledger:
        priced, given, unwanted = ledger.jobs()
        ledger.resolve(given, tasks[1])
        ledger.discard(unwanted)
    async with setup.client() as client:
        resumed = facts(await client.call_tool("resume", {}))
        assert (await client.call_tool("submit", bodies[1])).is_error
    assert {one["job"]: one["state"] for one in resumed["jobs"]} == {
        priced.id: "saved",
        given.id: "saved",
    }
    assert charged(mock_server) == tasks
