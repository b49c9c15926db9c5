"""The client of the server for agents: it submits each request once, and within a budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from wanflow._core.effects import run_blocking
from wanflow._flows.prepare import SubmitOptions
from wanflow._flows.recording import record_for
from wanflow._paths import real_path
from wanflow.async_client import AsyncClient
from wanflow.errors import InvalidRequest
from wanflow.mcp_server.identity import canonical, request_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow._core.effects import Flow
    from wanflow._core.local_files import LocalFile
    from wanflow._core.recorder import SubmissionIntent
    from wanflow._core.snapshot import Snapshot
    from wanflow._flows.attempt import SubmissionRecord
    from wanflow._flows.prepare import PreparedRequest
    from wanflow.ledger import Ledger
    from wanflow.ledger.resume import ResumeReport
    from wanflow.mcp_server.settings import Settings


@frozen
class Submitted:
    """The task of a request, its key, whether it was submitted before, and its warnings."""

    snapshot: Snapshot
    key: str
    before: bool
    warnings: tuple[str, ...]


class AgentClient(AsyncClient):
    """An AsyncClient with a ledger, which keeps the rules of the server for agents."""

    async def submit_once(
        self, body: Mapping[str, Any], variation: str, settings: Settings, ledger: Ledger
    ) -> Submitted:
        """Submit a request, or return the task that the same request already has.

        Raises:
            CreditLimitExceeded: it may exceed the budget; nothing was sent.
            WanflowError: as `submit`.
        """
        prepared = await self._driver.run(self._prepare(body, variation, settings))
        try:
            return await self._driver.run(self._submit(prepared, settings, ledger))
        except BaseException as error:
            prepared.state.annotate(error)
            raise

    def _prepare(
        self, body: Mapping[str, Any], variation: str, settings: Settings
    ) -> Flow[PreparedRequest]:
        """Check a request, read its local files, and give it the key that identifies it."""
        operations, body = self._operations, canonical(dict(body))
        first = operations.prepare(body, {})
        files = tuple(_allowed(file, settings) for file in first.local_files)
        identified = evolve(first, local_files=files)
        if files:
            identified = yield from run_blocking(lambda: operations.identify(identified))
        identity = first.body if identified.uploaded is None else identified.uploaded.body
        catalog = operations.catalog
        model = catalog.models[first.model]
        key = request_key(self.base_url, model, catalog.document, identity, variation)
        prepared = operations.prepare(body, {}, options=SubmitOptions(idempotency_key=key))
        return evolve(prepared, local_files=identified.local_files)

    def _submit(
        self, prepared: PreparedRequest, settings: Settings, ledger: Ledger
    ) -> Flow[Submitted]:
        operations, key = self._operations, prepared.idempotency_key
        before = yield from run_blocking(lambda: ledger.find(key))

        def record(sent: PreparedRequest) -> SubmissionRecord:
            intent: SubmissionIntent = evolve(
                operations.recording.intent(sent, operations.catalog, settings.output_dir),
                name=f"{settings.budget.prefix}{key}",
                content=key.encode(),  # as sent, equal requests may differ
                budget=settings.budget,
            )
            return record_for(ledger, intent, own=False)

        snapshot = yield from operations.submit_checked(prepared, record, lambda: False)
        known = before is not None and before.task_id is not None
        return Submitted(snapshot, key, known, (*prepared.warnings, *prepared.deprecated))

    async def resume_agents(self, settings: Settings, timeout: float) -> ResumeReport:
        """Resume the unfinished jobs of the budget; save their files.

        An uncertain job is sent again only if the budget allows that it is charged once more.
        """
        from wanflow.ledger import resume  # noqa: PLC0415 - as in AsyncClient

        options = resume.ResumeOptions(
            settings.output_dir,
            timeout,
            settings.resubmit_uncertain,
            self._operations.max_connections,
            budget=settings.budget,
        )
        return await self._driver.run(resume.resume_all(self._operations, options))


def _allowed(file: LocalFile, settings: Settings) -> LocalFile:
    """Return a local file with its real path.

    Raises:
        InvalidRequest: it is not below a directory that the server may read.
    """
    if isinstance(file.source, bytes):
        return file
    first = settings.input_dirs[0] if settings.input_dirs else Path()
    path = real_path(first / file.source)
    if not any(path.is_relative_to(real_path(one)) for one in settings.input_dirs):
        raise InvalidRequest(
            f"{file.parameter}: this server may not read {file.shown}; start it with --input-dir "
            "and the directory of the file, or send a URL"
        )
    return evolve(file, source=path)
