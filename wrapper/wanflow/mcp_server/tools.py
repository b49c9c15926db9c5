"""The tools of the server for agents: what each does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anyio import to_thread
from attrs import asdict, frozen

from wanflow._core.model_lookup import find_model
from wanflow.errors import JobLocked, WaitTimeout
from wanflow.ledger import JobState
from wanflow.mcp_server.results import (
    fit,
    job_facts,
    read_images,
    shown_path,
    success,
    task_facts,
)
from wanflow.mcp_server.schemas import model_schema
from wanflow.mcp_server.settings import NAME_PREFIX

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from mcp.types import CallToolResult

    from wanflow._core.snapshot import Snapshot
    from wanflow.catalog.catalog import Catalog
    from wanflow.ledger import Ledger
    from wanflow.mcp_server.agent_client import AgentClient
    from wanflow.mcp_server.calls import Call
    from wanflow.mcp_server.settings import Settings

_DEFAULT_LIMIT, _MAX_LIMIT = 20, 100


@frozen
class Tools:
    """The tools, by their names; each takes its arguments and the call that it reports to."""

    client: AgentClient
    ledger: Ledger
    catalog: Catalog
    settings: Settings

    @property
    def by_name(self) -> dict[str, Callable[..., Awaitable[CallToolResult]]]:
        """The tools by their names."""
        work = (self.models, self.estimate, self.submit, self.status, self.wait, self.download)
        return {
            **{one.__name__: one for one in work},
            "list": self.list_jobs,
            "resume": self.resume,
        }

    async def models(self, _call: Call, model: str | None = None) -> CallToolResult:
        """List the models, or describe one."""
        if model is not None:
            found = find_model(self.catalog, model)
            schema = model_schema(self.catalog, found)
            return success({"model": found.name, "schema": schema, "example": found.example})
        return success(
            {
                "models": [
                    {
                        "model": one.name,
                        "kind": one.kind,
                        "summary": one.summary,
                        "required": list(one.required),
                        "parameters": list(one.parameters),
                    }
                    for one in self.catalog.models.values()
                ]
            }
        )

    async def estimate(self, _call: Call, request: dict[str, Any]) -> CallToolResult:
        """Estimate the price of a request."""
        found = await self.client.estimate(request)
        return success(
            {"description": found.describe(), **asdict(found), "budget": await self._budget()}
        )

    async def submit(
        self, call: Call, request: dict[str, Any], variation: str = ""
    ) -> CallToolResult:
        """Submit a request once."""
        try:
            done = await self.client.submit_once(request, variation, self.settings, self.ledger)
        except JobLocked:  # another call or server is submitting the same request
            return still_running(call)
        return success(
            {
                **task_facts(done.snapshot),
                "submitted_before": done.before,
                "idempotency_key": done.key,
                "warnings": [fit(one) for one in done.warnings],
                "budget": await self._budget(),
            }
        )

    async def status(self, _call: Call, task_id: str) -> CallToolResult:
        """Poll a task once."""
        task = await self.client.task(task_id).refresh()
        assert task.snapshot is not None
        return success(task_facts(task.snapshot))

    async def wait(self, call: Call, task_id: str, seconds: float | None = None) -> CallToolResult:
        """Wait until a task is done, or the time is up."""
        call.report(None, task_id=task_id)

        def on_update(snapshot: Snapshot) -> None:
            call.report(snapshot.progress, status=fit(snapshot.status), progress=snapshot.progress)

        most = self.settings.call_seconds
        timeout = most if seconds is None else min(seconds, most)
        task = self.client.task(task_id)
        try:
            await task.wait(timeout, on_update=on_update)
        except WaitTimeout:
            return still_running(call)
        assert task.snapshot is not None
        return success(task_facts(task.snapshot))

    async def download(self, call: Call, task_id: str, show: bool = False) -> CallToolResult:
        """Save the files of a task."""
        call.report(None, task_id=task_id)
        paths = await to_thread.run_sync(self._saved, task_id)
        if not paths:
            task = await self.client.task(task_id).refresh()
            if task.snapshot is not None and not task.snapshot.done:
                call.report(task.snapshot.progress, status=fit(task.snapshot.status))
                return still_running(call)
            paths = await task.result().download(self.settings.output_dir)
        facts = {"task_id": fit(task_id), "files": [shown_path(path) for path in paths]}
        return success(facts, await to_thread.run_sync(read_images, paths) if show else ())

    def _saved(self, task_id: str) -> list[Path]:
        """Return the files of a task that the ledger knows to be saved, if all are still there."""
        job = self.ledger.find(task_id)
        if job is None or job.state is not JobState.SAVED or job.server != self.client.base_url:
            return []
        files = job.files
        whole = all(one.path.is_file() and one.path.stat().st_size == one.size for one in files)
        return [one.path for one in files] if whole else []

    async def submitted_at(self, task_id: str) -> float | None:
        """Return the Unix time at which a task was accepted, if the ledger knows it."""
        server = self.client.base_url
        return await to_thread.run_sync(lambda: self.ledger.submitted_at(server, task_id))

    async def list_jobs(self, _call: Call, limit: int = _DEFAULT_LIMIT) -> CallToolResult:
        """List the jobs that agents submitted, the newest first."""
        jobs = await to_thread.run_sync(
            lambda: self.ledger.jobs(newest_first=True, limit=limit, prefix=NAME_PREFIX)
        )
        return success({"jobs": [job_facts(job) for job in jobs], "budget": await self._budget()})

    async def resume(self, _call: Call) -> CallToolResult:
        """Resume the unfinished jobs that agents submitted."""
        report = await self.client.resume_agents(self.settings, self.settings.call_seconds)
        return success(
            {
                "resumed": len(report),
                "jobs": [
                    {**job_facts(one.job), "error": one.error and fit(str(one.error))}
                    for one in report[:_MAX_LIMIT]
                ],
                "budget": await self._budget(),
            }
        )

    async def _budget(self) -> dict[str, Any]:
        budget, server = self.settings.budget, self.client.base_url
        state = await to_thread.run_sync(lambda: self.ledger.budget(server, budget))
        left = max(0.0, budget.max_credits - state.committed)
        return {"max_credits": budget.max_credits, "committed": state.committed, "left": left}


def still_running(call: Call) -> CallToolResult:
    """Return that the work of a call isn't done, and what to do."""
    return success(
        {
            "still_running": True,
            "message": "still running, call again with the same arguments",
            **call.facts,
        }
    )
