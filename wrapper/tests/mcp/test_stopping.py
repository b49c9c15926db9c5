"""A server that is stopped records the responses of its submissions, and ends."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.mcp.conftest import charged
from tests.mcp.raw import RawAgent, raw_agent
from wanflow.ledger import Ledger

if TYPE_CHECKING:
    from tests.mcp.conftest import Setup
    from wanflow.mock import MockServer

pytestmark = pytest.mark.processes

# The first is how clients stop a server that doesn't end soon. The others are slow: each starts
# a process.
WAYS = [
    ("stdin", "SIGTERM"),
    *(pytest.param(one, marks=pytest.mark.slow) for one in [("stdin",), ("SIGTERM",)]),
    *(pytest.param(one, marks=pytest.mark.slow) for one in [("SIGINT",), ("SIGHUP",)]),
]


def stop(agent: RawAgent, way: str) -> None:
    if way == "stdin":
        assert agent.process.stdin is not None
        agent.process.stdin.close()
    else:
        agent.process.send_signal(getattr(signal, way))


@pytest.mark.parametrize("ways", WAYS)
def test_a_stopped_server_records_the_response_in_flight(
    setup: Setup, mock_server: MockServer, request_body: dict[str, Any], ways: tuple[str, ...]
) -> None:
    """Whatever stops it: nothing that was charged is uncertain, and no traceback is printed."""
    mock_server.faults.add("latency=1", operation="createImageGeneration")
    with raw_agent(setup) as agent:
        agent.call("submit", request=request_body)
        with Ledger(setup.folder / "jobs.db") as ledger:
            end = time.monotonic() + 30
            while not ledger.jobs():
                assert time.monotonic() < end
                time.sleep(0.02)
        for way in ways:
            stop(agent, way)
        assert agent.process.wait(timeout=60) == 0
    assert b"Traceback" not in agent.written
    with Ledger(setup.folder / "jobs.db") as ledger:
        assert [job.task_id for job in ledger.jobs()] == charged(mock_server)
    assert len(charged(mock_server)) == 1
