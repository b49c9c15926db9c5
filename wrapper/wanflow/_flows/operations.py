"""A client's operations as flows, without I/O.

Client and AsyncClient each hold one and a driver; their methods pass a flow to the driver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from wanflow._config import DEFAULT_POLL_RATE, MAX_POLL_RATE
from wanflow._core.arguments import (
    new_idempotency_key,
    validate_idempotency_key,
    validate_ledger,
    validate_max_credits,
    validate_timeout,
)
from wanflow._core.callbacks import no_slowdown
from wanflow._core.effects import read_clock, run_blocking
from wanflow._core.event_kinds import LEVELS
from wanflow._core.local_files import LocalFile, with_links
from wanflow._core.rate_limiter import PollRateLimiter
from wanflow._core.request_check import check_request
from wanflow._flows import poll, request_builder, run, submit
from wanflow._flows.poll_events import with_events
from wanflow._flows.prepare import PreparedRequest, SubmitOptions, limit_cost, merge_body
from wanflow._flows.recording import RecordedFlows
from wanflow._fork_safety import renew_in_children
from wanflow._log import log, warn
from wanflow.errors import ConfigurationError, RequestWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from wanflow._config import ClientConfig
    from wanflow._core.callbacks import PollFactor
    from wanflow._core.effects import Flow, Request
    from wanflow._core.file_names import NameTemplate
    from wanflow._core.prices import Estimate
    from wanflow._core.recorder import Recorder
    from wanflow._core.snapshot import Snapshot
    from wanflow._core.storage import Storage
    from wanflow._core.uploads import UploadedLink
    from wanflow._flows.attempt import SubmissionRecord
    from wanflow._flows.download import DownloadJob, OnProgress
    from wanflow._flows.poll import OnUpdate, PollTarget
    from wanflow._flows.poll_many import OnOutcome, PollOutcome
    from wanflow._flows.prepare import Preview
    from wanflow._flows.upload import Uploading
    from wanflow._paths import StrPath
    from wanflow.catalog.catalog import Catalog, Model
    from wanflow.catalog.validator import RequestValidator

    LoadStorage: TypeAlias = Callable[[], Storage]

_DEFAULT_OPTIONS = SubmitOptions()
# Polls in flight in one wait for many tasks; more don't make even a loopback server faster.
MAX_CONCURRENT_POLLS = 16
_NAME_NEEDS_LEDGER = (
    "name is recorded in the ledger until the files are saved, and the client has none: "
    "pass Client(ledger=Ledger(path)), or pass name where the files are saved"
)


class Operations:
    """The flows of one client, with its configuration and the spec."""

    def __init__(
        self,
        config: ClientConfig,
        load_storage: LoadStorage,
        recorder: Recorder | None = None,
        limiter: PollRateLimiter | None = None,
        unknown_statuses: set[str] | None = None,
    ) -> None:
        self._config = config
        self._load_storage = load_storage
        self._limiter = limiter or _make_limiter(config)
        self._unknown_statuses = set[str]() if unknown_statuses is None else unknown_statuses
        self.recording = RecordedFlows(validate_ledger(recorder), config.base_url)

    def with_config(self, config: ClientConfig) -> Operations:
        """Return the same operations with another configuration and the same rate limiter."""
        recorder = self.recording.recorder
        return Operations(
            config, self._load_storage, recorder, self._limiter, self._unknown_statuses
        )

    def with_recorder(self, recorder: Recorder) -> Operations:
        """Return the same operations, recorded by another recorder."""
        return Operations(
            self._config, self._load_storage, recorder, self._limiter, self._unknown_statuses
        )

    @property
    def max_connections(self) -> int:
        """The maximum number of requests to the API in flight."""
        return self._config.transport.max_connections

    @property
    def validator(self) -> RequestValidator:
        """The validator of the packaged spec, loaded on first use."""
        from wanflow.catalog.validator import packaged_validator  # noqa: PLC0415 - it costs 20 ms to import

        return packaged_validator()

    @property
    def catalog(self) -> Catalog:
        """The models and operations of the spec."""
        return self.validator.catalog

    def prepare(
        self,
        request: object | None,
        parameters: Mapping[str, Any],
        model: str | None = None,
        options: SubmitOptions = _DEFAULT_OPTIONS,
    ) -> PreparedRequest:
        """Check a request, and return it ready to be sent.

        Raises:
            InvalidRequest: it violates the spec, or can't be written as JSON.
            ConfigurationError: its model is at another server.
        """
        given, extra = options.idempotency_key, options.extra or {}
        key = new_idempotency_key() if given is None else validate_idempotency_key(given)
        body = merge_body(request, model, parameters)
        uploads = self._config.uploads is not None
        checked = check_request(
            self.validator, body, extra, validate=options.validate, uploads=uploads
        )
        self._require_server(checked.model)
        files = checked.local_files
        body = {**(with_links(body, files, _as_given) if files else body), **extra}
        shown = with_links(body, files, lambda file: file.shown) if files else body
        return PreparedRequest(
            model=checked.model.name,
            request=request_builder.build_submit(checked.model, shown, key, self._config.base_url),
            body=body,
            idempotency_key=key,
            local_files=files,
            expiring=checked.expiring,
            warnings=checked.warnings,
            deprecated=checked.deprecated,
            validated=options.validate,
            resubmit_uncertain=options.resubmit_uncertain or self._config.resubmit_uncertain,
            max_credits=validate_max_credits(options.max_credits),
            output=checked.model.kind,
            reported_prompt=self._reported_prompt(body),
            name=parse_name(options.name, checked.model),
        )

    def _reported_prompt(self, body: Mapping[str, Any]) -> str | None:
        """Return the prompt if the consumer of events asks for it."""
        prompt = body.get("prompt")
        wanted = getattr(self._config.on_event, "wants_prompts", False)
        return prompt if wanted and isinstance(prompt, str) else None

    def _require_server(self, model: Model) -> None:
        """Reject a model of another server while the base URL is only the default."""
        servers = model.servers
        if servers and not self._config.url_given and self._config.base_url not in servers:
            raise ConfigurationError(
                f"{model.name} is not at {self._config.base_url}: its document names "
                f"{servers[0]}; pass base_url=… or set WANFLOW_BASE_URL, with a key for that server"
            )

    def preview(self, prepared: PreparedRequest) -> Preview:
        """Return the request as `submit` would send it."""
        from wanflow._flows.prepare import Preview  # noqa: PLC0415 - only where one is asked for

        request, files = prepared.request, prepared.local_files
        return Preview(
            method=request.method,
            url=self._config.base_url + request.path,
            headers={**self._shown_headers, **request.headers},
            body=with_links(prepared.body, files, lambda file: file.shown),
            content=request.content or b"",
            warnings=(*prepared.warnings, *prepared.deprecated),
            estimate=None if self.recording.recorder is None else self._estimate(prepared),
        )

    @property
    def _shown_headers(self) -> dict[str, str]:
        """The headers that the user added, without the key."""
        redact = self._config.key.redact
        return {
            name: redact(value.encode()).decode()
            for name, value in self._config.default_headers.items()
        }

    def estimate(self, prepared: PreparedRequest) -> Flow[Estimate]:
        """Estimate what a request will cost, from the ledger."""
        return run_blocking(lambda: self._estimate(prepared))

    def _estimate(self, prepared: PreparedRequest) -> Estimate:
        body = with_links(prepared.body, prepared.local_files, lambda file: file.shown)
        return self.recording.estimate(self.catalog, prepared.model, body)

    def _limit_cost(self, prepared: PreparedRequest) -> Flow[PreparedRequest]:
        found = yield from self.estimate(prepared)
        earlier = yield from run_blocking(lambda: self.recording.possible_charges(prepared))
        return limit_cost(prepared, found, earlier)

    def submit(
        self, prepared: PreparedRequest, *, output_dir: Path | None = None, own: bool = False
    ) -> Flow[Snapshot]:
        """Check the limit of its cost, upload local files, and submit.

        `output_dir` is where the results are to be saved, for the ledger; with `own`, this process
        stays the task's owner, since it waits for the task next.
        """
        if prepared.name is not None and output_dir is None and self.recording.recorder is None:
            raise ConfigurationError(_NAME_NEEDS_LEDGER)
        if prepared.expiring:
            yield from _refuse_expired(prepared)
        if prepared.max_credits is not None:
            prepared = yield from self._limit_cost(prepared)
        if prepared.local_files:
            prepared = yield from self._upload(prepared)
        _warn(prepared.warnings, RequestWarning)
        _warn(prepared.deprecated, DeprecationWarning)
        record = self.recording.submission_record(prepared, self.catalog, output_dir, own=own)
        flow = submit.submit(
            prepared, record, retry_timeout=self._config.retry_timeout, limiter=self._limiter
        )
        return (yield from flow if prepared.uploaded is None else self._pinned(prepared, flow))

    def submit_prepared_body(
        self, body: Mapping[str, Any], record: SubmissionRecord, links: Mapping[str, UploadedLink]
    ) -> Flow[Snapshot]:
        """Submit a body that was validated before, with these links in place of its references."""
        prepared = self.prepare(body, {}, options=SubmitOptions(None, False, record.key))
        if links:
            from wanflow._flows.upload import with_earlier_links  # noqa: PLC0415 - few have files

            prepared = with_earlier_links(prepared, self.catalog, links)
        return self._send(prepared, record)

    def submit_checked(
        self,
        prepared: PreparedRequest,
        record_for: Callable[[PreparedRequest], SubmissionRecord],
        stopped: Callable[[], bool],
    ) -> Flow[Snapshot]:
        """Upload the files of a request that was checked before, and submit it.

        No retry follows once `stopped` returns True.
        """
        if prepared.expiring:
            yield from _refuse_expired(prepared)
        if prepared.local_files:
            prepared = yield from self._upload(prepared)
        return (yield from self._send(prepared, record_for(prepared), stopped))

    def _send(
        self,
        prepared: PreparedRequest,
        record: SubmissionRecord | None,
        stopped: Callable[[], bool] | None = None,
    ) -> Flow[Snapshot]:
        flow = submit.submit(
            prepared,
            record,
            retry_timeout=self._config.retry_timeout,
            limiter=self._limiter,
            stopped=stopped,
        )
        return self._pinned(prepared, flow)

    def _pinned(self, prepared: PreparedRequest, flow: Flow[Snapshot]) -> Flow[Snapshot]:
        """Keep the links of uploaded files while a submission is uncertain."""
        if prepared.uploaded is None or self._config.uploads is None:
            return flow
        from wanflow._flows.upload import pinned  # noqa: PLC0415 - few requests have files

        return pinned(self._config.uploads, prepared, flow)

    def expired_links(self, links: Iterable[UploadedLink]) -> Flow[str | None]:
        """Return why the links of uploaded files can't be submitted again; None if they can."""
        from wanflow._core.link_expiry import expiry_problem  # noqa: PLC0415 - few have files

        now = (yield from read_clock()).wall
        times = [link.expires_at for link in links if link.expires_at is not None]
        return expiry_problem(min(times), now) if times else None

    def identify(self, prepared: PreparedRequest) -> PreparedRequest:
        """Read and check the files of a request → what identifies it, whatever their links are.

        This blocks.

        Raises:
            InvalidRequest: a file can't be read or breaks a rule, or there is no uploader.
            ConfigurationError: what the uploader needs isn't installed or set.
        """
        from wanflow._flows.upload import identify  # noqa: PLC0415 - few requests have files

        uploading = self._uploading(prepared)
        assert uploading.uploads.uploader is not None  # it is made before the first file is read
        return identify(prepared, uploading)[0]

    def poll(self, task_id: str) -> Flow[Snapshot]:
        """Poll once."""
        flow = poll.fetch_status(self._status(task_id), task_id)
        if self._observed:
            flow = with_events(flow, task_id)
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
        """Poll until the task is done; with `own`, this process stays its owner."""
        target, seconds = self.poll_target(task_id, known), validate_timeout(timeout)
        return self.recording.wait(
            task_id,
            on_update,
            lambda callback: poll.poll_until_done(target, timeout=seconds, on_update=callback),
            own=own,
        )

    def iter_updates(self, task_id: str, timeout: float, known: Snapshot | None) -> Flow[None]:
        """Poll until the task is done, and yield each snapshot."""
        seconds = validate_timeout(timeout)
        return poll.iter_snapshots(lambda callback: self.wait(task_id, seconds, callback, known))

    def as_completed(
        self,
        tasks: Sequence[tuple[str, Snapshot | None]],
        timeout: float,
        on_update: OnUpdate,
        on_outcome: OnOutcome | None = None,
        poll_factor: PollFactor = no_slowdown,
    ) -> Flow[None]:
        """Poll many tasks until all are done; yield each outcome, or pass it to `on_outcome`."""
        from wanflow._flows import poll_many  # noqa: PLC0415 - for those who have many tasks

        targets, seconds = [self.poll_target(*task) for task in tasks], validate_timeout(timeout)
        max_polls = max(1, min(MAX_CONCURRENT_POLLS, self._config.transport.max_connections))

        def flow_of(callback: OnUpdate, on_outcome: OnOutcome) -> Flow[None]:
            return poll_many.poll_many(
                targets,
                timeout=seconds,
                max_concurrent_polls=max_polls,
                on_update=callback,
                on_outcome=on_outcome,
                poll_factor=poll_factor,
            )

        task_ids = [target.task_id for target in targets]
        return self.recording.poll_many(
            task_ids, on_update, flow_of, on_outcome or poll_many.yield_outcome
        )

    def wait_all(
        self,
        tasks: Sequence[tuple[str, Snapshot | None]],
        timeout: float,
        on_update: OnUpdate,
        poll_factor: PollFactor = no_slowdown,
    ) -> Flow[list[PollOutcome]]:
        """Poll many tasks until all are done, and return their outcomes in the order given."""
        outcomes: dict[int, PollOutcome] = {}

        def on_outcome(index: int, outcome: PollOutcome) -> Flow[None]:
            outcomes[index] = outcome
            yield from ()

        yield from self.as_completed(tasks, timeout, on_update, on_outcome, poll_factor)
        return [outcomes[index] for index in range(len(tasks))]

    def run(
        self,
        prepared: PreparedRequest,
        *,
        output_dir: StrPath | None,
        timeout: float,
        on_update: OnUpdate,
    ) -> Flow[tuple[Snapshot, list[Path]]]:
        """Submit, wait, and download if there is an `output_dir`."""
        seconds = validate_timeout(timeout)
        directory = None if output_dir is None else parse_output_dir(output_dir)
        flow = run.run(
            self.submit(prepared, output_dir=directory, own=True),
            output_dir=directory,
            storage=self._load_storage(),
            on_update=on_update,
            wait=lambda accepted: self.wait(
                accepted.id, seconds, on_update, accepted, own=directory is not None
            ),
            save=None
            if directory is None
            else lambda done: self.recording.download(
                self.download_job(done, directory, name=prepared.name)
            ),
        )
        try:
            return (yield from flow)
        except BaseException:
            self.recording.release(prepared.state.task_id)
            raise

    def download(
        self,
        snapshot: Snapshot,
        output_dir: StrPath,
        timeout: float | None = None,
        max_bytes: int | None = None,
        on_progress: OnProgress = None,
        name: str | None = None,
    ) -> Flow[list[Path]]:
        """Download the results."""
        template = parse_name(name)
        return self.recording.download(
            self.download_job(snapshot, output_dir, timeout, max_bytes, on_progress, template)
        )

    def open_result(
        self,
        snapshot: Snapshot,
        index: int,
        timeout: float | None,
        max_bytes: int | None,
        on_progress: OnProgress,
    ) -> Flow[BinaryIO]:
        """Open one file of a result, from a temporary folder."""
        from wanflow._flows.open_result import open_result  # noqa: PLC0415 - rarely used

        job = self.download_job(snapshot, "", timeout, max_bytes, on_progress)
        return open_result(job, index, job.storage.temporary_folder)

    @staticmethod
    def read_chunk(file: BinaryIO, size: int = -1) -> Flow[bytes]:
        """Read the next bytes of an open file; all of them by default."""
        return run_blocking(lambda: file.read(size))

    def download_job(
        self,
        snapshot: Snapshot,
        output_dir: StrPath,
        timeout: float | None = None,
        max_bytes: int | None = None,
        on_progress: OnProgress = None,
        name: NameTemplate | None = None,
        *,
        fresh: bool = False,
    ) -> DownloadJob:
        """Return a download of a task's results, with its limits."""
        from wanflow._core.file_names import task_values  # noqa: PLC0415 - only where files are saved
        from wanflow._flows import download  # noqa: PLC0415 - as above

        return download.DownloadJob(
            task_id=snapshot.id,
            urls=snapshot.urls,
            output_dir=parse_output_dir(output_dir),
            max_bytes=download.DEFAULT_MAX_BYTES if max_bytes is None else max_bytes,
            timeout=download.DEFAULT_TIMEOUT if timeout is None else validate_timeout(timeout),
            expires_at=snapshot.links_expire_at,
            storage=self._load_storage(),
            kinds=download.kinds_of(snapshot, self.catalog.models.get(snapshot.model or "")),
            on_progress=on_progress,
            name=name,
            values=task_values(snapshot.id, snapshot.model, snapshot.created),
            fresh=fresh,
        )

    def poll_target(self, task_id: str, known: Snapshot | None) -> PollTarget:
        """Return what polling a task needs: the request, and what is known of the task."""
        fresh = None if known is None or known.done else known
        return poll.PollTarget(
            task_id,
            self._status(task_id),
            self._limiter,
            created_at=None if fresh is None else fresh.created or fresh.submitted,
            estimate=None if known is None else known.estimated_time,
            submitted_at=None if fresh is None else fresh.submitted,
            unknown_statuses=self._unknown_statuses,
            read_submitted_at=self.recording.submitted_at_reader(task_id),
            observed=self._observed,
        )

    def _status(self, task_id: str) -> Request:
        return request_builder.build_status(self.catalog, task_id, self._config.base_url)

    @property
    def _observed(self) -> bool:
        """Whether anyone gets the event of each poll."""
        return self._config.on_event is not None or log.isEnabledFor(LEVELS["Polled"])

    def _upload(self, prepared: PreparedRequest) -> Flow[PreparedRequest]:
        """Upload the local files of a request."""
        return self._uploading(prepared).upload(prepared)

    def _uploading(self, prepared: PreparedRequest) -> Uploading:
        from wanflow._flows.upload import Uploading, no_uploader  # noqa: PLC0415 - few have files

        if self._config.uploads is None:
            raise no_uploader(prepared)
        return Uploading(
            self._config.uploads,
            self.catalog,
            self._load_storage(),
            self.recording.recorder,
            self._config.base_url,
        )


def _make_limiter(config: ClientConfig) -> PollRateLimiter:
    """Make the rate limiter of a client. Its rate grows only if the user set none."""
    connections = config.transport.max_connections
    if config.max_polls_per_second is None:
        limiter = PollRateLimiter(DEFAULT_POLL_RATE, connections, max_rate=MAX_POLL_RATE)
    else:
        limiter = PollRateLimiter(config.max_polls_per_second, connections)
    renew_in_children(limiter)
    return limiter


def parse_name(text: str | None, model: Model | None = None) -> NameTemplate | None:
    """Parse a template of the names of a task's files.

    Raises:
        InvalidRequest: it isn't one.
    """
    if text is None:
        return None
    from wanflow._core.file_names import parse_template  # noqa: PLC0415 - rarely used

    return parse_template(text).bind(model=None if model is None else model.name)


def parse_output_dir(value: StrPath) -> Path:
    """Return where files are saved: a directory, or an ObjectPath.

    Raises:
        ConfigurationError: it is a URL of neither.
    """
    from wanflow._paths import output_path  # noqa: PLC0415 - only where files are saved

    try:
        return output_path(value)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def _as_given(file: LocalFile) -> object:
    """Return a local file as plain data."""
    return file.source if isinstance(file.source, bytes) else str(file.source)


def _refuse_expired(prepared: PreparedRequest) -> Flow[None]:
    """Refuse links that expire before a task can have read them.

    Raises:
        InvalidRequest: there are some.
    """
    from wanflow._core.link_expiry import refuse_expired  # noqa: PLC0415 - few links have an expiry

    refuse_expired(prepared.model, prepared.expiring, (yield from read_clock()).wall)


def _warn(lines: Sequence[str], category: type[Warning]) -> None:
    for line in lines:
        warn(line, category)
