"""One client's work, in no colour: every public method as the flow that does it.

Both colours hold one of these and a driver, and their methods only bring the two together.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve

from wanflow._config import DEFAULT_POLL_RATE, MAX_POLL_RATE
from wanflow._core.arguments import validate_idempotency_key, validate_ledger, validate_timeout
from wanflow._core.callbacks import no_slowdown
from wanflow._core.rate_limiter import PollRateLimiter
from wanflow._flows import poll, request_builder
from wanflow._flows import run as whole
from wanflow._flows import submit as submission
from wanflow._flows.prepare import RequestArguments, SubmitOptions, prepare_request
from wanflow._flows.recording import RecordedFlows
from wanflow._fork_safety import renew_in_children
from wanflow._log import warn
from wanflow.errors import ConfigurationError, RequestWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from os import PathLike

    from wanflow._config import ClientConfig
    from wanflow._core.callbacks import PollFactor
    from wanflow._core.effects import Flow
    from wanflow._core.recorder import Recorder
    from wanflow._core.snapshot import Snapshot
    from wanflow._core.storage import Storage
    from wanflow._flows.attempt import SubmissionRecord
    from wanflow._flows.download import DownloadJob, OnProgress
    from wanflow._flows.poll import OnUpdate, PollTarget
    from wanflow._flows.poll_many import OnOutcome, PollOutcome
    from wanflow._flows.prepare import PreparedRequest, Preview
    from wanflow.catalog.catalog import Catalog
    from wanflow.catalog.validator import RequestValidator

_DEFAULT_TERMS = SubmitOptions()
# Looks under way at once in one wait for many; more would not make a loopback server faster.
MAX_CONCURRENT_POLLS = 16


class Operations:
    """The flows of one client, with its settings and the rules of the documents filled in."""

    def __init__(
        self,
        settings: ClientConfig,
        recorder: Recorder | None = None,
        budget: PollRateLimiter | None = None,
        strange: set[str] | None = None,
    ) -> None:
        self._settings = settings
        self._budget = budget or _budget(settings)
        self._strange = set[str]() if strange is None else strange
        self.recording = RecordedFlows(validate_ledger(recorder), settings.base_url)

    def with_config(self, settings: ClientConfig) -> Operations:
        """Return the same work under other settings; the budget of looks stays one."""
        return Operations(settings, self.recording.recorder, self._budget, self._strange)

    @property
    def max_connections(self) -> int:
        """Requests to the API that may be under way at once."""
        return self._settings.transport.max_connections

    @property
    def validator(self) -> RequestValidator:
        """The rules of the documents, read when first needed."""
        from wanflow.catalog.validator import packaged_validator  # noqa: PLC0415 - it costs 20 ms to import

        return packaged_validator()

    @property
    def catalog(self) -> Catalog:
        """The models and operations of the documents."""
        return self.validator.catalog

    def prepare(
        self,
        request: object | None,
        parameters: Mapping[str, Any],
        model: str | None = None,
        options: SubmitOptions = _DEFAULT_TERMS,
    ) -> PreparedRequest:
        """Check a request and make it ready to be sent."""
        given = options.idempotency_key
        key = uuid.uuid4().hex if given is None else validate_idempotency_key(given)
        if self._settings.resubmit_uncertain:
            options = evolve(options, resubmit_uncertain=True)
        uploads = self._settings.uploader is not None
        wish = RequestArguments(request, model, parameters, options, key, uploads)
        order = prepare_request(self.validator, wish)
        self._require_server(order.model)
        return order

    def _require_server(self, model: str) -> None:
        """Refuse a model of another server than the default one, which nobody chose for it."""
        servers = self.catalog.models[model].servers
        if servers and not self._settings.url_given and self._settings.base_url not in servers:
            raise ConfigurationError(
                f"{model} is not at {self._settings.base_url}: its document names {servers[0]}; "
                "pass base_url=… or set WANFLOW_BASE_URL, with a key for that server"
            )

    def preview(self, order: PreparedRequest) -> Preview:
        """Show an order as it would be sent."""
        from wanflow._flows.prepare import Preview  # noqa: PLC0415 - only where one is asked for

        request = order.request
        return Preview(
            method=request.method,
            url=self._settings.base_url + request.path,
            headers=dict(request.headers),
            body=order.body,
            content=request.content or b"",
            warnings=(*order.warnings, *order.deprecated),
        )

    def submit(self, order: PreparedRequest) -> Flow[Snapshot]:
        """Submit."""
        return self._submit(order)

    def submit_prepared_body(
        self,
        body: Mapping[str, Any],
        entry: SubmissionRecord,
        stopped: Callable[[], bool] | None = None,
    ) -> Flow[Snapshot]:
        """Submit a body that was checked before, until stopped, and write it down by an entry."""
        order = self.prepare(body, {}, options=SubmitOptions(None, False, entry.key))
        return self._submission(order, entry, stopped)

    def poll(self, task_id: str) -> Flow[Snapshot]:
        """Look once."""
        flow = poll.fetch_status(request_builder.build_status(self.catalog, task_id), task_id)
        return self.recording.poll(task_id, flow)

    def wait(
        self,
        task_id: str,
        timeout: float,
        on_update: OnUpdate,
        known: Snapshot | None = None,
        *,
        own: bool = False,
    ) -> Flow[Snapshot]:
        """Look until the end; `hold` where the files are saved at once."""
        question, seconds = self.poll_target(task_id, known), validate_timeout(timeout)
        return self.recording.wait(
            task_id,
            on_update,
            lambda told: poll.poll_until_done(question, timeout=seconds, on_update=told),
            own=own,
        )

    def iter_updates(self, task_id: str, timeout: float, known: Snapshot | None) -> Flow[None]:
        """Look until the end, and emit each look."""
        seconds = validate_timeout(timeout)
        return poll.iter_snapshots(lambda told: self.wait(task_id, seconds, told, known))

    def as_completed(
        self,
        tasks: Sequence[tuple[str, Snapshot | None]],
        timeout: float,
        on_update: OnUpdate,
        ended: OnOutcome | None = None,
        stretch: PollFactor = no_slowdown,
    ) -> Flow[None]:
        """Look at many tasks until all have ended, and emit each end but where `ended` is given."""
        from wanflow._flows import poll_many  # noqa: PLC0415 - for those who have many tasks

        questions, seconds = [self.poll_target(*task) for task in tasks], validate_timeout(timeout)
        at_once = max(1, min(MAX_CONCURRENT_POLLS, self._settings.transport.max_connections))

        def flow_of(told: OnUpdate, ended: OnOutcome) -> Flow[None]:
            return poll_many.poll_many(
                questions,
                timeout=seconds,
                max_concurrent_polls=at_once,
                on_update=told,
                on_outcome=ended,
                poll_factor=stretch,
            )

        names = [question.task_id for question in questions]
        return self.recording.poll_many(names, on_update, flow_of, ended or poll_many.yield_outcome)

    def wait_all(
        self,
        tasks: Sequence[tuple[str, Snapshot | None]],
        timeout: float,
        on_update: OnUpdate,
        stretch: PollFactor = no_slowdown,
    ) -> Flow[list[PollOutcome]]:
        """Look at many tasks until all have ended → the end of each, in the order given."""
        ends: dict[int, PollOutcome] = {}

        def ended(index: int, outcome: PollOutcome) -> Flow[None]:
            ends[index] = outcome
            yield from ()

        yield from self.as_completed(tasks, timeout, on_update, ended, stretch)
        return [ends[index] for index in range(len(tasks))]

    def run(
        self,
        order: PreparedRequest,
        *,
        output_dir: str | PathLike[str] | None,
        timeout: float,
        on_update: OnUpdate,
    ) -> Flow[tuple[Snapshot, list[Path]]]:
        """Submit, wait, save."""
        seconds, folder = (
            validate_timeout(timeout),
            None if output_dir is None else Path(output_dir),
        )
        flow = whole.run(
            self._submit(order, folder=folder, hold=True),
            folder=folder,
            storage=_storage(),
            on_update=on_update,
            wait=lambda accepted: self.wait(
                accepted.id, seconds, on_update, accepted, own=folder is not None
            ),
            save=None if folder is None else lambda ended: self.download(ended, folder),
        )
        try:
            return (yield from flow)
        except BaseException:
            self.recording.release(order.state.task_id)
            raise

    def download(
        self,
        snapshot: Snapshot,
        folder: str | PathLike[str],
        timeout: float | None = None,
        max_bytes: int | None = None,
        on_progress: OnProgress = None,
    ) -> Flow[list[Path]]:
        """Save what the links lead to."""
        return self.recording.download(
            self.download_job(snapshot, folder, timeout, max_bytes, on_progress)
        )

    def download_job(
        self,
        snapshot: Snapshot,
        folder: str | PathLike[str],
        timeout: float | None = None,
        max_bytes: int | None = None,
        on_progress: OnProgress = None,
    ) -> DownloadJob:
        """Return what is to be saved of a task, where to, and within which bounds."""
        from wanflow._flows import download as downloading  # noqa: PLC0415 - only where files are saved

        return downloading.DownloadJob(
            task_id=snapshot.id,
            urls=snapshot.urls,
            output_dir=Path(folder),
            max_bytes=downloading.DEFAULT_MAX_BYTES if max_bytes is None else max_bytes,
            timeout=downloading.DEFAULT_TIMEOUT if timeout is None else validate_timeout(timeout),
            expires_at=snapshot.links_expire_at,
            storage=_storage(),
            kinds=downloading.kinds_of(snapshot, self.catalog.models.get(snapshot.model or "")),
            on_progress=on_progress,
        )

    def poll_target(self, task_id: str, known: Snapshot | None) -> PollTarget:
        """Return how a task is asked about, and what is known of it."""
        fresh = None if known is None or known.done else known
        return poll.PollTarget(
            task_id,
            request_builder.build_status(self.catalog, task_id),
            self._budget,
            created_at=None if fresh is None else fresh.created or fresh.submitted,
            estimate=None if known is None else known.estimated_time,
            submitted_at=None if fresh is None else fresh.submitted,
            unknown_statuses=self._strange,
            read_submitted_at=self.recording.submitted_at_reader(task_id),
        )

    def _submit(
        self, order: PreparedRequest, *, folder: Path | None = None, hold: bool = False
    ) -> Flow[Snapshot]:
        """Upload what is local, and submit, recorded."""
        ready = (yield from self._upload(order)) if order.local_files else order
        _warn(ready.warnings, RequestWarning)
        _warn(["; ".join(ready.deprecated)] if ready.deprecated else [], DeprecationWarning)
        entry = self.recording.submission_record(ready, folder, hold=hold)
        return (yield from self._submission(ready, entry))

    def _upload(self, order: PreparedRequest) -> Flow[PreparedRequest]:
        """Put the local files of an order where the API can fetch them."""
        from wanflow._flows.upload import upload  # noqa: PLC0415 - few requests have any

        return upload(order, self._settings.uploader, self.catalog, _storage())

    def _submission(
        self,
        order: PreparedRequest,
        entry: SubmissionRecord | None,
        stopped: Callable[[], bool] | None = None,
    ) -> Flow[Snapshot]:
        retry_timeout, budget = self._settings.retry_timeout, self._budget
        return submission.submit(
            order, entry, retry_timeout=retry_timeout, budget=budget, stopped=stopped
        )


def _storage() -> Storage:
    from wanflow._storage import part_file  # noqa: PLC0415 - a client that only submits and waits saves none

    return part_file


def _budget(settings: ClientConfig) -> PollRateLimiter:
    """Make the budget of a client: one that grows where the user named no rate."""
    connections = settings.transport.max_connections
    if settings.max_polls_per_second is None:
        budget = PollRateLimiter(DEFAULT_POLL_RATE, connections, max_rate=MAX_POLL_RATE)
    else:
        budget = PollRateLimiter(settings.max_polls_per_second, connections)
    renew_in_children(budget)
    return budget


def _warn(lines: Sequence[str], category: type[Warning]) -> None:
    for line in lines:
        warn(line, category)
