"""The async client: AsyncClient, and the tasks and results that it returns."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Self

import anyio  # async only

from wanflow._base_client import (
    BaseClient,
    BaseResult,
    BaseTask,
    as_tasks,
    default_on_event,
    known_snapshots,
    load_storage,
    poll_factor,
    recording_callback,
    store_outcome,
    subscribed,
    typed_estimate,
    typed_run,
    typed_submit,
    with_uploader,
)
from wanflow._config import (
    DEFAULT_MAX_CONNECTIONS,
    DEFAULT_RETRY_WINDOW,
    DEFAULT_TIMEOUT,
    DEFAULT_WAIT_TIMEOUT,
    TransportOptions,
    load_config,
)
from wanflow._core.arguments import validate_task_id
from wanflow._flows.operations import Operations, parse_name
from wanflow._flows.prepare import SubmitOptions
from wanflow._runtime.driver import AsyncDriver

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterable, Mapping
    from os import PathLike
    from pathlib import Path
    from typing import BinaryIO

    from wanflow._core.callbacks import CallbackSource
    from wanflow._core.prices import Estimate
    from wanflow._core.recorder import Recorder
    from wanflow._core.snapshot import Snapshot
    from wanflow._core.uploads import UploaderOption
    from wanflow._flows.download import OnProgress
    from wanflow._flows.poll import OnUpdate
    from wanflow._flows.poll_many import PollOutcome
    from wanflow._http_library import AsyncHttpTransport
    from wanflow._runtime.event_dispatcher import OnEvent
    from wanflow._runtime.iterators import AsyncFlowIterator
    from wanflow.batch.models import JobInput, OnBatchProgress, OnJobResult, StopSignal
    from wanflow.batch.report import Report
    from wanflow.errors import WanflowError
    from wanflow.ledger.resume import OnResult, ResumeReport
    from wanflow.queue.handle import AsyncQueuedBatch


class AsyncResult(BaseResult[AsyncDriver]):
    """The result of a completed task: its links, and what else the API returned with them."""

    async def download(
        self,
        folder: str | PathLike[str],
        *,
        timeout: float | None = None,
        max_bytes: int | None = None,
        on_progress: OnProgress = None,
        name: str | None = None,
    ) -> list[Path]:
        """Save every file in a directory, and return the paths.

        A file appears under its name only when it is complete. An interrupted download is
        resumed by the next one. Files are named by the task's id: the same task saved again
        replaces its own files. With a `name`, a file of another task is never replaced.

        Args:
            folder: the directory, created if it doesn't exist; or `s3://bucket/prefix`, `gs://…` or
                `az://…`, whose paths are URLs (extra `uploads`).
            timeout: the time limit of each file in seconds; 15 minutes by default.
            max_bytes: the size limit of each file; 2 GiB by default.
            on_progress: called with a Progress for each chunk. A sync client calls it from other
                threads if there are several files.
            name: a template of the files' names, without their extension, of letters, digits and
                the fields {task_id}, {index}, {model} and {date}; {index:03} has three digits.
                By default the one that the ledger has for the task, else the task's id.

        Raises:
            InvalidRequest: `name` isn't such a template.
            LinkExpired: a link is older than 24 hours.
            DownloadFailed: there is no link, or a file can't be downloaded or saved.
        """
        flow = self._operations.download(
            self._snapshot, folder, timeout, max_bytes, on_progress, name
        )
        return await self._driver.run(flow)

    async def open(
        self,
        index: int = 0,
        *,
        timeout: float | None = None,
        max_bytes: int | None = None,
        on_progress: OnProgress = None,
    ) -> BinaryIO:
        """Fetch one file, and return it open for reading, as an ordinary binary file.

        It is whole, and was checked and resumed as by `download`. It is in a temporary directory,
        which is removed when the file is closed. The ledger doesn't count it as saved.

        Args:
            index: which of the `urls`, from 0.
            timeout: the time limit in seconds; 15 minutes by default.
            max_bytes: the size limit; 2 GiB by default.
            on_progress: called with a Progress for each chunk.

        Raises:
            InvalidRequest: there is no file with this index.
            LinkExpired: the link is older than 24 hours.
            DownloadFailed: there is no link, or the file can't be downloaded.
        """
        flow = self._operations.open_result(self._snapshot, index, timeout, max_bytes, on_progress)
        return await self._driver.run(flow)

    async def read(self, index: int = 0, *, timeout: float | None = None) -> bytes:
        """Fetch one file, and return its bytes. The arguments and errors are those of `open`."""
        with await self.open(index, timeout=timeout) as file:
            return await self._driver.run(self._operations.read_chunk(file))

    async def iter_bytes(
        self, index: int = 0, *, chunk_size: int = 65536, timeout: float | None = None
    ) -> AsyncIterator[bytes]:
        """Fetch one file, then yield its bytes in chunks of `chunk_size` bytes.

        Nothing is yielded of a file that isn't whole. The errors are those of `open`.
        """
        with await self.open(index, timeout=timeout) as file:
            while chunk := await self._driver.run(self._operations.read_chunk(file, chunk_size)):
                yield chunk


class AsyncTask(BaseTask[AsyncDriver]):
    """A submitted task."""

    async def refresh(self) -> Self:
        """Poll the task once, and return it.

        Raises:
            ConnectionFailed: no response came.
            APIError: the API responded with an error.
        """
        self._snapshot = await self._driver.run(self._operations.poll(self._id))
        return self

    async def wait(
        self, timeout: float = DEFAULT_WAIT_TIMEOUT, *, on_update: OnUpdate = None
    ) -> AsyncResult:
        """Poll until the task is done, and return its result.

        Transient errors (a dropped connection, a 5xx, an unreadable response) don't end the wait.
        Every exception that it raises, KeyboardInterrupt included, has a `task_id`.

        Args:
            timeout: the longest wait in seconds; 15 minutes by default.
            on_update: called with each snapshot.

        Raises:
            TaskFailed: the task ended without a result.
            WaitTimeout: the task isn't done after `timeout` seconds. It keeps running.
            APIError: the API rejected the status request (400, 401, 402, 403, 404).
        """
        flow = self._operations.wait(
            self._id, timeout, self._recording_callback(on_update), self._snapshot
        )
        return AsyncResult(self._operations, self._driver, await self._driver.run(flow))

    async def iter_updates(self, timeout: float = DEFAULT_WAIT_TIMEOUT) -> AsyncIterator[Snapshot]:
        """Wait as `wait` does, and yield each snapshot, the last one included.

        A failed task raises nothing here: its last snapshot shows the failure.

        Raises:
            WaitTimeout: the task isn't done after `timeout` seconds. It keeps running.
            APIError: the API rejected the status request (400, 401, 402, 403, 404).
        """
        snapshots = self._driver.stream(
            self._operations.iter_updates(self._id, timeout, self._snapshot)
        )
        try:
            async for snapshot in snapshots:
                self._snapshot = snapshot
                yield snapshot
        finally:
            snapshots.close()

    def result(self) -> AsyncResult:
        """Return the result of a task that is known to be done, without a request.

        Raises:
            TaskFailed: the task ended without a result.
            WaitTimeout: the task wasn't done when it was last polled.
            WanflowError: the error that ended the last wait for it.
        """
        return AsyncResult(self._operations, self._driver, self._require_result())


class AsyncClient(BaseClient[AsyncDriver]):
    """A client of the API, for asyncio and trio. Close it, or use it in an `async with` block.

    Args:
        api_key: the API key; by default the environment variable WANFLOW_API_KEY.
        base_url: the URL of the API; by default WANFLOW_BASE_URL, else the spec's default server.
        timeout: the time limit of one request in seconds.
        retry_timeout: for how many seconds a submission is retried if it was provably not
            accepted (no connection, 429, 503); 0 turns retries off.
        max_polls_per_second: the highest rate of polls of all waits of this client together; a
            429 lowers it. By default the rate starts at 50, and grows up to 500 while polls are
            late.
        max_connections: the highest number of concurrent requests to the API.
        proxy: the URL of a proxy; by default the one of the environment, as with httpx2.
        verify: an SSL context; False accepts any certificate.
        transport: a transport of httpx2 or httpx, used instead of the network.
        ledger: a `wanflow.Ledger` that records every submission, poll and download.
        uploader: uploads the local files of a request: "s3://bucket/prefix", "gs://…", "az://…"
            or "mock", an object with an `upload` method, or a function of a path that returns a
            URL; by default WANFLOW_UPLOADER. See `wanflow.uploads`.
        on_event: called with the record of each event, such as a submission, a poll or a saved
            file; `wanflow.events` lists them. A plain function, in which nothing should block.
            In a notebook, a client without one shows the progress of its tasks.
        default_headers: headers that are sent with each request to the API, and never to the
            hosts of files. Headers that the client sets itself, such as Authorization, are an
            error.
        app: the name and version of your program, such as `my-shop/1.2`. It is appended to the
            User-Agent of requests to the API.

    Raises:
        ConfigurationError: the key or the URL is missing or malformed, a number is out of range,
            or a proxy or certificate named by the environment can't be used.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        retry_timeout: float = DEFAULT_RETRY_WINDOW,
        max_polls_per_second: float | None = None,
        max_connections: int = DEFAULT_MAX_CONNECTIONS,
        proxy: str | None = None,
        verify: ssl.SSLContext | bool = True,
        transport: AsyncHttpTransport | None = None,
        ledger: Recorder | None = None,
        uploader: UploaderOption = None,
        on_event: OnEvent = None,
        default_headers: Mapping[str, str] | None = None,
        app: str | None = None,
    ) -> None:
        # It imports httpx2 or httpx, which is slow.
        from wanflow._transport.environment import apply_environment  # noqa: PLC0415

        try:
            config = apply_environment(
                load_config(
                    api_key,
                    base_url,
                    timeout=timeout,
                    retry_timeout=retry_timeout,
                    max_polls_per_second=max_polls_per_second,
                    transport=TransportOptions(max_connections, transport, proxy, verify),
                    on_event=default_on_event(on_event),
                    default_headers=default_headers,
                    app=app,
                )
            )
        finally:
            del api_key  # error reporters show the local variables of a traceback
        config = with_uploader(config, uploader)
        super().__init__(config, Operations(config, load_storage, ledger), AsyncDriver(config))

    @typed_submit
    async def submit(
        self,
        request: object | None = None,
        /,
        *,
        model: str | None = None,
        extra: Mapping[str, Any] | None = None,
        validate: bool = True,
        idempotency_key: str | None = None,
        resubmit_uncertain: bool = False,
        max_credits: float | None = None,
        name: str | None = None,
        **parameters: Any,
    ) -> AsyncTask:
        """Submit a generation, which is charged, and return its task.

        Args:
            request: the whole request, as a dict or an object of `wanflow.models`.
            model: the model's name, for type checkers a literal. A name that is known only at
                run time goes into `request`: `{"model": name, "prompt": …}`.
            extra: parameters that are not in the spec; they are sent unchanged.
            validate: whether the request is validated against the spec before it is sent.
            idempotency_key: 16 to 96 characters of A-Za-z0-9._-; random by default.
            resubmit_uncertain: whether an uncertain submission (no response, or a 5xx) is sent
                again, with the same key and for up to `retry_timeout` seconds. On a server that
                doesn't honour the key, this can charge twice.
            max_credits: the most that it may cost. It is sent only if jobs with the same settings
                are in the ledger, and none of them cost more; see `estimate`.
            name: a template of the names of its files, such as "{model}-{index}"; see `download`.
                It is recorded in the ledger until the files are saved.
            parameters: the model's parameters; None means "not set".

        Raises:
            InvalidRequest: the request violates the spec; nothing was sent.
            CreditLimitExceeded: it may cost more than `max_credits`; nothing was sent.
            ConnectionFailed: nothing reached the API.
            SubmitUncertain: it is unknown whether the API accepted the submission.
            APIError: the API rejected the submission.
        """
        options = SubmitOptions(
            extra, validate, idempotency_key, resubmit_uncertain, max_credits, name
        )
        prepared = self._operations.prepare(request, parameters, model, options)
        try:
            snapshot = await self._driver.run(self._operations.submit(prepared))
            return AsyncTask(self._operations, self._driver, snapshot.id, snapshot)
        except BaseException as error:
            prepared.state.annotate(error)
            raise

    @typed_run
    async def run(
        self,
        request: object | None = None,
        /,
        *,
        model: str | None = None,
        output_dir: str | PathLike[str] | None = None,
        timeout: float = DEFAULT_WAIT_TIMEOUT,
        on_update: OnUpdate = None,
        extra: Mapping[str, Any] | None = None,
        validate: bool = True,
        idempotency_key: str | None = None,
        resubmit_uncertain: bool = False,
        max_credits: float | None = None,
        name: str | None = None,
        **parameters: Any,
    ) -> AsyncResult:
        """Submit and wait, and with `output_dir` download: the result then has `paths`.

        The arguments and errors are those of `submit`, `wait` and `download`.
        """
        options = SubmitOptions(
            extra, validate, idempotency_key, resubmit_uncertain, max_credits, name
        )
        prepared = self._operations.prepare(request, parameters, model, options)
        flow = self._operations.run(
            prepared, output_dir=output_dir, timeout=timeout, on_update=on_update
        )
        try:
            snapshot, paths = await self._driver.run(flow)
            return AsyncResult(self._operations, self._driver, snapshot, paths)
        except BaseException as error:
            prepared.state.annotate(error)
            raise

    @typed_estimate
    async def estimate(
        self,
        request: object | None = None,
        /,
        *,
        model: str | None = None,
        extra: Mapping[str, Any] | None = None,
        validate: bool = True,
        **parameters: Any,
    ) -> Estimate:
        """Estimate what a request will cost, from jobs in the ledger. Nothing is sent.

        The API has no price list: the price of a request is what earlier jobs of its model with
        the same settings (all but texts and URLs) cost on this server. A provider may change it.

        Raises:
            InvalidRequest: the request violates the spec.
            ConfigurationError: the client has no ledger.
            LedgerError: the ledger can't be read.
        """
        prepared = self._operations.prepare(
            request, parameters, model, SubmitOptions(extra, validate)
        )
        return await self._driver.run(self._operations.estimate(prepared))

    def task(self, task_id: str) -> AsyncTask:
        """Return the task with this id, to resume it. Nothing is sent."""
        return AsyncTask(self._operations, self._driver, validate_task_id(task_id), None)

    async def wait_all(
        self,
        tasks: Iterable[AsyncTask | str],
        *,
        timeout: float = DEFAULT_WAIT_TIMEOUT,
        on_update: OnUpdate = None,
        callbacks: CallbackSource | None = None,
    ) -> list[AsyncResult | WanflowError]:
        """Wait for many tasks, and return the result or error of each, in the order of `tasks`.

        Errors are returned, not raised, so one failed task doesn't affect the others: TaskFailed,
        WaitTimeout, or an APIError if the API rejected the status request.

        Args:
            tasks: tasks, or their ids.
            timeout: the longest wait for all of them together in seconds; 15 minutes by default.
            on_update: called with each snapshot of each task.
            callbacks: a `wanflow.webhooks.Receiver`. A task is then done as soon as a callback or
                a poll shows it. Polling slows down while callbacks arrive.
        """
        waited = as_tasks(tasks, self.task)
        flow = self._operations.wait_all(
            known_snapshots(waited),
            timeout,
            recording_callback(waited, on_update, callbacks),
            poll_factor(callbacks),
        )
        with subscribed(callbacks, self.notify):
            outcomes = zip(waited, await self._driver.run(flow), strict=True)
        return [store_outcome(task, outcome) or task.result() for task, outcome in outcomes]

    async def as_completed(
        self,
        tasks: Iterable[AsyncTask | str],
        *,
        timeout: float = DEFAULT_WAIT_TIMEOUT,
        on_update: OnUpdate = None,
        callbacks: CallbackSource | None = None,
    ) -> AsyncIterator[AsyncTask]:
        """Wait for many tasks, and yield each as soon as the wait for it ends.

        `task.result()` then returns its result, or raises the error that ended the wait.

        Args:
            tasks: tasks, or their ids.
            timeout: the longest wait for all of them together in seconds; 15 minutes by default.
            on_update: called with each snapshot of each task.
            callbacks: a `wanflow.webhooks.Receiver`. A task is then done as soon as a callback or
                a poll shows it. Polling slows down while callbacks arrive.
        """
        waited = as_tasks(tasks, self.task)
        flow = self._operations.as_completed(
            known_snapshots(waited),
            timeout,
            recording_callback(waited, on_update, callbacks),
            poll_factor=poll_factor(callbacks),
        )
        outcomes: AsyncFlowIterator[tuple[int, PollOutcome]] = self._driver.stream(flow)
        with closing(outcomes), subscribed(callbacks, self.notify):
            async for index, outcome in outcomes:
                store_outcome(waited[index], outcome)
                yield waited[index]

    async def batch(
        self,
        jobs: Iterable[Mapping[str, Any] | JobInput],
        output_dir: str | PathLike[str],
        *,
        timeout: float = DEFAULT_WAIT_TIMEOUT,
        max_credits: float | None = None,
        retries: int = 0,
        resubmit_uncertain: bool = False,
        max_concurrency: int | None = None,
        stop: StopSignal | None = None,
        on_progress: OnBatchProgress = None,
        on_result: OnJobResult = None,
        name: str | None = None,
    ) -> Report:
        """Run many jobs, and write a report and a contact sheet beside their files.

        All jobs are validated before the first is submitted. Running the same batch with the
        same directory resumes what isn't done; nothing is charged twice. A job that fails
        doesn't affect the others; the report has the result of each.

        Args:
            jobs: requests as dicts. Each may have a `key` of your own: the same key means the
                same job.
            output_dir: the directory for the files, or `s3://…`, `gs://…`, `az://…`.
            timeout: the longest wait for each task in seconds; 15 minutes by default.
            max_credits: the highest cost of all runs of this batch together. The first job of
                each price class is submitted alone, since its price isn't known yet.
            retries: how often a failed task is submitted, and charged, again if its failure code
                says that this can help.
            resubmit_uncertain: whether uncertain submissions are sent again, with their keys.
            max_concurrency: the highest number of concurrent jobs.
            stop: a `wanflow.batch.StopSignal`; once it is set, no further job is started.
            on_progress: called often, with the progress of the batch.
            on_result: called with the result of each job.
            name: a template of the files' names, such as "{key}-{index}": as in `download`, with
                the field {key} for the job's key. Files that are saved already keep their names.

        Raises:
            InvalidRequest: jobs are invalid, and nothing was sent; every violation is listed.
            ConfigurationError: the client has no ledger.
            LedgerError: the ledger can't be read, or the report can't be written.
        """
        from wanflow.batch import run  # noqa: PLC0415 - few programs need it

        options = run.make_options(
            output_dir,
            timeout,
            max_credits=max_credits,
            retries=retries,
            resubmit_uncertain=resubmit_uncertain,
            max_concurrency=max_concurrency,
            stop=stop,
            on_progress=on_progress,
            on_result=on_result,
            name=name,
        )
        return await self._driver.run(run.run_batch(self._operations, jobs, options))

    async def enqueue(
        self,
        jobs: Iterable[Mapping[str, Any] | JobInput],
        *,
        queue: str,
        out: str | PathLike[str],
        name: str | None = None,
        max_credits: float | None = None,
        resubmit_uncertain: bool = False,
    ) -> AsyncQueuedBatch:
        """Enqueue many jobs, which workers on any number of machines then run.

        All jobs are validated before the first is enqueued, as by `batch`. Enqueuing the same
        batch again, or on several machines at the same time, adds nothing. Iterate over what is
        returned for the result of each job, or `wait` for the report.

        Args:
            jobs: requests as dicts. Each may have a `key` of your own: the same key in the same
                batch means the same job.
            queue: the `postgresql://` URL of the database; see `wanflow queue init`.
            out: where workers save the files: object storage (`s3://bucket/prefix`, `gs://…`,
                `az://…`), or a directory that all of them have.
            name: the name of the batch; by default what `out` names.
            max_credits: the highest cost of the batch, whatever workers run it.
            resubmit_uncertain: whether an uncertain submission is sent again by itself, with its
                key and within a minute. On a server that doesn't honour the key, this can charge
                twice.

        Raises:
            InvalidRequest: jobs are invalid, and nothing was enqueued; every violation is listed.
            ConfigurationError: the database has no queue, or another batch has the name.
            LedgerError: the database can't be reached.
        """
        from wanflow.queue.enqueue import enqueue, make_options  # noqa: PLC0415 - needs an extra
        from wanflow.queue.handle import AsyncQueuedBatch  # noqa: PLC0415 - as above

        options = make_options(queue, out, name, max_credits, resubmit_uncertain=resubmit_uncertain)
        batch = await self._driver.run(enqueue(self._operations, jobs, options))
        return AsyncQueuedBatch(batch, self._driver)

    async def resume_all(
        self,
        output_dir: str | PathLike[str] | None = None,
        *,
        timeout: float = DEFAULT_WAIT_TIMEOUT,
        resubmit_uncertain: bool = False,
        max_concurrency: int = DEFAULT_MAX_CONNECTIONS,
        on_result: OnResult = None,
        name: str | None = None,
    ) -> ResumeReport:
        """Resume every unfinished job of the ledger that no running process owns.

        Known tasks are waited for, and their files saved in the directories that were chosen for
        them, beginning with the links that expire first. Uncertain submissions are not sent
        again by default.

        Args:
            output_dir: the directory for files that have none yet, those of completed tasks with
                valid links included. Without it they are not saved, and counted in `remaining`.
            timeout: the longest wait for each task in seconds; 15 minutes by default.
            resubmit_uncertain: whether uncertain submissions are sent again, with their keys. On
                a server that doesn't honour the keys, this can charge twice.
            max_concurrency: the highest number of concurrent jobs.
            on_result: called with the ResumeResult of each job.
            name: a template of the names of the files in `output_dir`, as in `download`. Jobs that
                have a directory or a template already keep them.

        Raises:
            InvalidRequest: `name` is no template.
            ConfigurationError: the client has no ledger.
            LedgerError: the ledger can't be read or written.
        """
        from wanflow.ledger import resume  # noqa: PLC0415 - few programs need it

        options = resume.ResumeOptions(
            output_dir,
            timeout,
            resubmit_uncertain,
            max_concurrency,
            on_result,
            name=parse_name(name),
        )
        return await self._driver.run(resume.resume_all(self._operations, options))

    async def close(self) -> None:
        """Close the connections. Using the client again opens new ones; close it again then."""
        await self._driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        # Close the connections of a cancelled task, too.  # async only
        with anyio.CancelScope(shield=True):  # async only
            await self.close()
