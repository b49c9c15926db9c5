"""A client that has the protocol's tasks gets one for a wait, and its result later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import anyio
import pytest
from mcp import MCPError
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.types import CallToolResult, GetTaskRequestParams, Request, Result
from pydantic import ConfigDict

from tests.mcp.conftest import charged, facts
from wanflow.mcp_server.protocol_tasks import EXTENSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.mcp.conftest import Setup
    from wanflow.mock import MockServer

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Task(Result):
    """A task, as the extension describes it."""

    model_config = ConfigDict(extra="allow")
    result_type: Literal["task"] = "task"
    task_id: str
    status: str
    created_at: str
    last_updated_at: str
    ttl_ms: int | None
    poll_interval_ms: int


class State(Task):
    """The state of a task, which is the complete result of its own request."""

    result_type: Literal["complete"] = "complete"  # type: ignore[assignment]
    result: dict[str, Any] | None = None


class TaskRequest(Request[GetTaskRequestParams, str]):
    """A request about a task."""

    name_param = "taskId"
    method: str
    params: GetTaskRequestParams


async def ask(session: Any, method: str, task_id: str, kind: type[Result] = State) -> Any:
    params = GetTaskRequestParams(task_id=task_id)
    return await session.send_request(TaskRequest(method=method, params=params), kind)


class Tasks(ClientExtension):
    """Takes tasks up, and polls them without a pause."""

    identifier = EXTENSION

    def __init__(self, mock: MockServer) -> None:
        self.mock = mock
        self.begun: list[Task] = []

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=Task, resolve=self.finish)]

    async def finish(self, task: Task, context: ClaimContext) -> CallToolResult:
        self.begun.append(task)
        assert task.status == "working"
        found = await ask(context.session, "tasks/get", task.task_id)
        assert (found.status, found.created_at) == ("working", task.created_at)
        (one,) = self.mock.gateway.tasks
        one.progression = type(one.progression)(1)
        with anyio.fail_after(60):
            while found.result is None:
                found = await ask(context.session, "tasks/get", task.task_id)
        assert found.status == "completed"
        return CallToolResult.model_validate(found.result)


async def test_a_wait_becomes_a_task_whose_result_comes_later(
    setup: Setup, mock_server: MockServer, request_body: dict[str, Any]
) -> None:
    """With the id of the API's task, which any server with the account knows; no state is kept."""
    mock_server.gateway.progression = type(mock_server.gateway.progression)(10**6)
    tasks = Tasks(mock_server)
    async with setup.client(extensions=[tasks]) as client:
        task = facts(await client.call_tool("submit", {"request": request_body}))["task_id"]
        assert facts(await client.call_tool("wait", {"task_id": task}))["succeeded"]
        assert [one.task_id for one in tasks.begun] == [task]
        assert facts(await client.call_tool("wait", {"task_id": task}))["succeeded"]
        assert len(tasks.begun) == 1  # a task that is done needs no other
    async with setup.client(extensions=[tasks]) as client:
        assert (await ask(client.session, "tasks/get", task)).result["isError"] is False
        for method in ("tasks/cancel", "tasks/update"):
            await ask(client.session, method, task, Result)
        for unknown in ("task-unified-1-unknown0", "../x"):
            with pytest.raises(MCPError) as raised:
                await ask(client.session, "tasks/get", unknown)
            assert raised.value.code == -32602
            assert (await client.call_tool("wait", {"task_id": unknown})).is_error
    assert charged(mock_server) == [task]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_other_clients_get_no_task(
    setup: Setup, mock_server: MockServer, request_body: dict[str, Any], mode: str
) -> None:
    """In both generations of the protocol, their requests about tasks are refused."""
    mock_server.gateway.progression = type(mock_server.gateway.progression)(10**6)
    async with setup.client(mode=mode) as client:
        task = facts(await client.call_tool("submit", {"request": request_body}))["task_id"]
        waited = facts(await client.call_tool("wait", {"task_id": task, "seconds": 0.1}))
        assert waited["still_running"]
        with pytest.raises(MCPError) as raised:
            await ask(client.session, "tasks/get", task)
        assert raised.value.code in {-32021, -32601}
