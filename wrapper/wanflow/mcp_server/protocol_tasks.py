"""Tasks of the protocol, its extension `io.modelcontextprotocol/tasks`: a wait becomes one.

Such a task has the id of the API's task, and nothing is kept of it here: any server with the same
account answers for it. The SDK has no tasks of its own, only what is needed to add an extension.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from attrs import frozen
from mcp import MCPError
from mcp.types import (
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    ClientCapabilities,
    GetTaskRequestParams,
    MissingRequiredClientCapabilityErrorData,
)
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from wanflow.ledger.export import isoformat

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mcp.server.context import ServerRequestContext
    from mcp.server.lowlevel import Server
    from mcp.types import CallToolResult

    CallTool: TypeAlias = Callable[[str, dict[str, Any]], Awaitable[CallToolResult]]
    SubmittedAt: TypeAlias = Callable[[str], Awaitable[float | None]]

EXTENSION = "io.modelcontextprotocol/tasks"
_INTERVAL = 5000
"""Milliseconds between the polls of a client."""
_NO_SUCH_TASK = frozenset({"NotFound", "InvalidRequest"})
_TRANSIENT = frozenset({"ConnectionFailed", "RateLimited", "ServerError"})


@frozen
class ProtocolTasks:
    """The tasks of clients that declare the extension.

    `call_tool` calls one; `submitted_at` returns when a task was submitted, if the ledger knows it.
    """

    call_tool: CallTool
    submitted_at: SubmittedAt

    def add_to(self, server: Server[Any]) -> None:
        """Announce the extension, and answer its requests."""
        server.extensions[EXTENSION] = {}
        server.add_request_handler("tasks/get", GetTaskRequestParams, self._get)
        for method in ("tasks/update", "tasks/cancel"):
            server.add_request_handler(method, GetTaskRequestParams, _acknowledge)

    async def start(self, task_id: str) -> CallToolResult | dict[str, Any]:
        """Return the result of a wait if there is one, and else a task of the protocol."""
        result = await self._poll(task_id)
        if not _is_running(result):
            return result
        return {**await self._describe(task_id, result), "resultType": "task"}

    async def _get(
        self, context: ServerRequestContext[Any, Any], params: GetTaskRequestParams
    ) -> dict[str, Any]:
        _require_extension(context)
        result = await self._poll(params.task_id)
        facts = _facts(result)
        if result.is_error and facts.get("error") in _NO_SUCH_TASK:
            raise MCPError(INVALID_PARAMS, facts["message"])
        task = await self._describe(params.task_id, result)
        if not _is_running(result):
            task["result"] = result.model_dump(by_alias=True, mode="json", exclude_none=True)
        return task

    async def _poll(self, task_id: str) -> CallToolResult:
        """Poll once, however slow the API is; a task that is done has the result of a wait."""
        found = await self.call_tool("status", {"task_id": task_id})
        return found if _is_running(found) else await self.call_tool("wait", {"task_id": task_id})

    async def _describe(self, task_id: str, result: CallToolResult) -> dict[str, Any]:
        now = datetime.now(UTC).timestamp()
        created = await self.submitted_at(task_id)
        facts = _facts(result)
        return {
            "taskId": task_id,
            "status": "working" if _is_running(result) else "completed",
            "statusMessage": str(facts.get("message" if result.is_error else "status", "")),
            "createdAt": isoformat(now if created is None else created),
            "lastUpdatedAt": isoformat(now),
            "ttlMs": None,
            "pollIntervalMs": _INTERVAL,
        }


def accepts_tasks(context: ServerRequestContext[Any, Any]) -> bool:
    """Return whether a request may be answered with a task."""
    capabilities = context.session.client_capabilities
    declared = capabilities.extensions if capabilities else None
    return context.protocol_version in MODERN_PROTOCOL_VERSIONS and EXTENSION in (declared or {})


def _require_extension(context: ServerRequestContext[Any, Any]) -> None:
    if not accepts_tasks(context):
        wanted = ClientCapabilities(extensions={EXTENSION: {}})
        missing = MissingRequiredClientCapabilityErrorData(required_capabilities=wanted)
        raise MCPError(
            MISSING_REQUIRED_CLIENT_CAPABILITY,
            f"the client did not declare the extension {EXTENSION}",
            missing.model_dump(by_alias=True, mode="json", exclude_none=True),
        )


async def _acknowledge(
    context: ServerRequestContext[Any, Any], _params: GetTaskRequestParams
) -> dict[str, Any]:
    """Do nothing: tasks ask for no input, and the API can't cancel one."""
    _require_extension(context)
    return {}


def _is_running(result: CallToolResult) -> bool:
    facts = _facts(result)
    if result.is_error:
        return facts.get("error") in _TRANSIENT
    return bool(facts.get("still_running")) or not facts["done"]


def _facts(result: CallToolResult) -> dict[str, Any]:
    return cast("dict[str, Any]", result.structured_content or {})
