"""Flows that keep a record: what is about to be done is written down first, and what came after."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import evolve, frozen

from wanflow import errors
from wanflow._core.effects import run_blocking
from wanflow._core.snapshot import Snapshot
from wanflow._flows.attempt import SubmissionRecord
from wanflow._flows.error_context import task_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from wanflow._core.effects import Flow
    from wanflow._core.prices import Estimate
    from wanflow._core.recorder import File, Recorder, SubmissionIntent
    from wanflow._core.storage import Part
    from wanflow._core.uploads import UploadedLink
    from wanflow._flows.download import DownloadJob
    from wanflow._flows.poll import OnUpdate
    from wanflow._flows.poll_many import OnOutcome, PollOutcome
    from wanflow._flows.prepare import PreparedRequest
    from wanflow.catalog.catalog import Catalog

T = TypeVar("T")


@frozen
class RecordedFlows:
    """Adds ledger records to flows; without a ledger, returns them unchanged.

    `server` is the base URL that the flows talk to: task ids are its own.
    """

    recorder: Recorder | None
    server: str

    def intent(
        self, order: PreparedRequest, catalog: Catalog, folder: Path | None = None
    ) -> SubmissionIntent:
        """Return what is to be written down before a request is sent."""
        from wanflow._core.prices import price_class  # noqa: PLC0415 - only where there is a recorder
        from wanflow._core.recorder import SubmissionIntent  # noqa: PLC0415 - as above

        body, content, links = order.body, order.request.content or b"", dict[str, "UploadedLink"]()
        if order.uploaded is not None:
            uploaded = order.uploaded
            body, content, links = uploaded.body, uploaded.content, dict(uploaded.links)
        return SubmissionIntent(
            self.server,
            order.idempotency_key,
            order.model,
            body,
            content,
            folder,
            resend=order.resubmit_uncertain,
            price_class=price_class(catalog, body),
            uploads=links,
            name_template=None if order.name is None else str(order.name),
        )

    def submission_record(
        self, order: PreparedRequest, catalog: Catalog, folder: Path | None = None, *, own: bool
    ) -> SubmissionRecord | None:
        """Return how a submission is recorded; `own` where its wait follows immediately."""
        if self.recorder is None:
            return None
        return record_for(self.recorder, self.intent(order, catalog, folder), own=own)

    def estimate(self, catalog: Catalog, model: str, body: Mapping[str, Any]) -> Estimate:
        """Estimate a price from the recorded jobs. It reads the ledger, which may block.

        Raises:
            ConfigurationError: there is no ledger.
            LedgerError: the ledger can't be read.
        """
        from wanflow._core.prices import estimate_price, price_class  # noqa: PLC0415 - only on request

        if self.recorder is None:
            raise errors.ConfigurationError(
                "what jobs cost is known from earlier ones: the client needs a ledger, as in "
                "Client(ledger=Ledger(path))"
            )
        history = self.recorder.prices(self.server, model)
        return estimate_price(model, price_class(catalog, body), history)

    def possible_charges(self, order: PreparedRequest) -> int:
        """Return how often a request that may be sent again may have been charged before."""
        if self.recorder is None or not order.resubmit_uncertain:
            return 0
        return self.recorder.possible_charges(order.idempotency_key)

    def release(self, task_id: str | None) -> None:
        """Note that nobody here works on a task any more."""
        if self.recorder is not None and task_id is not None:
            self.recorder.release_task(self.server, task_id)

    def wait(
        self,
        task_id: str,
        on_update: OnUpdate,
        flow_of: Callable[[OnUpdate], Flow[Snapshot]],
        *,
        own: bool = False,
    ) -> Flow[Snapshot]:
        """Record a wait and its end; `own` where its files are saved immediately afterwards."""
        if self.recorder is None:
            return flow_of(on_update)
        flow = flow_of(self._recording_callback(on_update))
        return _wait(self.recorder, self.server, task_id, flow, hold=own)

    def poll_many(
        self,
        task_ids: Sequence[str],
        on_update: OnUpdate,
        flow_of: Callable[[OnUpdate, OnOutcome], Flow[None]],
        ended: OnOutcome,
    ) -> Flow[None]:
        """Record the waits of many tasks, and the end of each."""
        if self.recorder is None:
            return flow_of(on_update, ended)
        recorder, server = self.recorder, self.server

        def record(index: int, outcome: PollOutcome) -> Flow[None]:
            yield from record_end(recorder, server, task_ids[index], outcome)
            yield from ended(index, outcome)

        return _wait_many(
            recorder, server, task_ids, flow_of(self._recording_callback(on_update), record)
        )

    def submitted_at_reader(self, task_id: str) -> Callable[[], float | None] | None:
        """Return what reads when a task was submitted, in unix seconds; it may block."""
        if self.recorder is None:
            return None
        return partial(self.recorder.submitted_at, self.server, task_id)

    def poll(self, task_id: str, flow: Flow[Snapshot]) -> Flow[Snapshot]:
        """Record the result of a single poll of a known task."""
        return flow if self.recorder is None else _poll(self.recorder, self.server, task_id, flow)

    def download(self, job: DownloadJob) -> Flow[list[Path]]:
        """Save files, and record where they are wanted, and what was saved."""
        from wanflow._flows.download import download, keep_path  # noqa: PLC0415

        if self.recorder is None:
            return (yield from download(job, keep_path))
        files = yield from record_and_download(self.recorder, self.server, job)
        return [file.path for file in files]

    def _recording_callback(self, on_update: OnUpdate) -> Callable[[Snapshot], object]:
        recorder = self.recorder
        assert recorder is not None

        def see(snapshot: Snapshot) -> object:
            recorder.record_poll(self.server, snapshot)
            return None if on_update is None else on_update(snapshot)

        return see


def record_for(recorder: Recorder, intent: SubmissionIntent, *, own: bool) -> SubmissionRecord:
    """Return how a submission with an intent is written down."""
    begin = partial(recorder.record_intent, intent)
    return SubmissionRecord(recorder, intent.key, intent.server, begin, own=own)


def _poll(recorder: Recorder, server: str, task_id: str, flow: Flow[Snapshot]) -> Flow[Snapshot]:
    try:
        found = yield from flow
    except errors.NotFound as error:
        yield from _failed(recorder, server, task_id, error)
        raise
    if found.done:
        yield from _record_durably(recorder, lambda: recorder.record_done(server, found))
    else:
        recorder.record_poll(server, found)
    return found


def _wait(
    recorder: Recorder, server: str, task_id: str, flow: Flow[Snapshot], *, hold: bool
) -> Flow[Snapshot]:
    with task_context(task_id):
        try:
            yield from acquire_task(recorder, server, task_id)
            ended = yield from flow
            ready = ended.failure is None and recorder.is_cached(server, task_id)
            yield from _record(
                recorder, lambda: recorder.record_done(server, ended), immediately=ready
            )
        except BaseException as error:
            yield from _failed(recorder, server, task_id, error)
            recorder.release_task(server, task_id)
            raise
        if not hold:
            recorder.release_task(server, task_id)
    return ended


def acquire_task(recorder: Recorder, server: str, task_id: str) -> Flow[None]:
    """Write down that this process waits for a task."""
    ready = recorder.is_cached(server, task_id)
    return _record(recorder, lambda: recorder.acquire_task(server, task_id), immediately=ready)


def _failed(recorder: Recorder, server: str, task_id: str, error: BaseException) -> Flow[None]:
    match error:
        case errors.TaskFailed(snapshot=Snapshot() as failed):
            yield from _record_durably(recorder, lambda: recorder.record_done(server, failed))
        case errors.NotFound(sent_at=sent_at):
            yield from _record_durably(
                recorder, lambda: recorder.record_missing(server, task_id, str(error), sent_at)
            )
        case _:
            pass


def _wait_many(
    recorder: Recorder, server: str, task_ids: Sequence[str], flow: Flow[None]
) -> Flow[None]:
    try:
        for task_id in task_ids:
            yield from _record_durably(recorder, partial(recorder.acquire_task, server, task_id))
        yield from flow
    finally:
        for task_id in task_ids:
            recorder.release_task(server, task_id)


def record_end(recorder: Recorder, server: str, task_id: str, outcome: PollOutcome) -> Flow[None]:
    """Write down how a task ended, or why it is not waited for any more."""
    if isinstance(outcome, Snapshot):
        yield from _record_durably(recorder, lambda: recorder.record_done(server, outcome))
    else:
        yield from _failed(recorder, server, task_id, outcome)


def record_and_download(recorder: Recorder, server: str, job: DownloadJob) -> Flow[list[File]]:
    """Save files, and write down where they are wanted before, and after what they are.

    Without a name they get the one that was recorded for them, if any.
    """
    from wanflow._core.file_names import recorded_template  # noqa: PLC0415 - only where files are saved
    from wanflow._flows.download import download  # noqa: PLC0415 - as above

    task_id, folder = job.task_id, job.output_dir
    name = None if job.name is None else str(job.name)
    with task_context(task_id):
        ready = recorder.is_cached(server, task_id, folder, name)
        recorded = yield from _record(
            recorder,
            lambda: recorder.record_target_dir(server, task_id, folder, name),
            immediately=ready,
        )
        if job.name is None and recorded is not None:
            job = evolve(job, name=recorded_template(recorded))
        try:
            files = yield from download(job, _file_info)
            yield from _record_durably(
                recorder, lambda: recorder.record_files(server, task_id, files)
            )
        except errors.LinkExpired as error:
            reason = str(error)
            yield from _record_durably(
                recorder, lambda: recorder.record_lost(server, task_id, reason)
            )
            raise
        else:
            return files
        finally:
            recorder.release_task(server, task_id)


def _file_info(index: int, path: Path, part: Part) -> File:
    return part.file_info(index, path)


def _record(recorder: Recorder, write: Callable[[], T], *, immediately: bool) -> Flow[T]:
    """Record a step; where that needs no disk access, it needs no thread either."""
    if immediately:
        return write()
    return (yield from _record_durably(recorder, write))


def _record_durably(recorder: Recorder, write: Callable[[], T]) -> Flow[T]:
    """Record a step, in one transaction with the steps that others record meanwhile."""
    return run_blocking(write, recorder.submit)
