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
    known_snapshots,
    poll_factor,
    recording_callback,
    store_outcome,
    subscribed,
    typed_run,
    typed_submit,
)
from wanflow._config import (
    DEFAULT_CONNECTIONS,
    DEFAULT_RETRY_WINDOW,
    DEFAULT_TIMEOUT,
    DEFAULT_WAIT_TIMEOUT,
    TransportOptions,
    load_config,
)
from wanflow._core.arguments import validate_task_id
from wanflow._flows.operations import Operations
from wanflow._flows.prepare import SubmitOptions
from wanflow._runtime.driver import AsyncDriver
from wanflow._transport.environment import take_precautions

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterable, Mapping
    from os import PathLike
    from pathlib import Path

    import httpx

    from wanflow._core.callbacks import CallbackSource
    from wanflow._core.recorder import Recorder
    from wanflow._core.snapshot import Snapshot
    from wanflow._flows.download import OnProgress
    from wanflow._flows.poll import OnUpdate
    from wanflow._flows.poll_many import PollOutcome
    from wanflow._flows.upload import Uploader
    from wanflow._runtime.iterators import AsyncFlowIterator
    from wanflow.batch.models import JobInput, OnBatchProgress, OnJobResult, StopSignal
    from wanflow.batch.report import Report
    from wanflow.errors import WanflowError
    from wanflow.ledger.resume import OnResult, ResumeReport


class AsyncResult(BaseResult):
    """A completed task: its links, and all that the API said with them."""

    def __init__(
        self, work: Operations, driver: AsyncDriver, snapshot: Snapshot, paths: list[Path]
    ) -> None:
        super().__init__(work, snapshot, paths)
        self._driver = driver

    async def download(
        self,
        folder: str | PathLike[str],
        *,
        timeout: float | None = None,
        max_bytes: int | None = None,
        on_progress: OnProgress = None,
    ) -> list[Path]:
        """Save every file into a folder, which is made if need be, and return their paths.

        A file is there whole or not at all; what a broken-off download left is gone on with by
        the next one. Names come from the task's id; the same task saved again replaces its own
        files.

        Args:
            folder: where to.
            timeout: seconds that one file may take; 15 minutes by default.
            limit: bytes that one file may have; 2 GiB by default.
            on_progress: called with a Progress for each chunk; a sync client calls it from other
                threads where there are several files.

        Raises:
            LinkExpired: a link is past its 24 hours.
            DownloadFailed: there is no link, or a file can't be fetched or saved.
        """
        flow = self._work.download(self._snapshot, folder, timeout, max_bytes, on_progress)
        return await self._driver.run_concurrent(flow)


class AsyncTask(BaseTask):
    """A submitted task."""

    def __init__(
        self, work: Operations, driver: AsyncDriver, task_id: str, snapshot: Snapshot | None
    ) -> None:
        super().__init__(work, task_id, snapshot)
        self._driver = driver

    async def refresh(self) -> Self:
        """Look at the task once, and return it.

        Raises:
            ConnectionFailed: no answer came.
            APIError: the API answered with an error.
        """
        self._snapshot = await self._driver.run(self._work.poll(self._id))
        return self

    async def wait(
        self, timeout: float = DEFAULT_WAIT_TIMEOUT, *, on_update: OnUpdate = None
    ) -> AsyncResult:
        """Wait until the task has ended, and return its result.

        Faults on the way (a dropped connection, a 5xx, an unreadable answer) are borne. Every
        exception that leaves the wait has `task_id`, an interrupt included.

        Args:
            timeout: seconds to wait at most; 15 minutes by default.
            on_update: called with each snapshot.

        Raises:
            TaskFailed: the task ended without a result.
            WaitTimeout: it hadn't ended in time; it goes on.
            APIError: the API refused the question (400, 401, 402, 403, 404).
        """
        flow = self._work.wait(
            self._id, timeout, self._recording_callback(on_update), self._snapshot
        )
        return AsyncResult(self._work, self._driver, await self._driver.run(flow), [])

    async def iter_updates(self, timeout: float = DEFAULT_WAIT_TIMEOUT) -> AsyncIterator[Snapshot]:
        """Wait as `wait` does, and hand out each look as it is taken, the last one included.

        A task that failed is no error here: its last snapshot says so.

        Raises:
            WaitTimeout: it hadn't ended in time; it goes on.
            APIError: the API refused the question (400, 401, 402, 403, 404).
        """
        looks = self._driver.stream(self._work.watch(self._id, timeout, self._snapshot))
        try:
            async for snapshot in looks:
                self._snapshot = snapshot
                yield snapshot
        finally:
            looks.close()

    def result(self) -> AsyncResult:
        """Return the result of a task that was seen to have ended; nothing is sent.

        Raises:
            TaskFailed: it ended without one.
            WaitTimeout: it hadn't ended when it was last seen.
            WanflowError: the error that ended the last wait for it.
        """
        return AsyncResult(self._work, self._driver, self._require_result(), [])


class AsyncClient(BaseClient):
    """The API, for asyncio and trio. Close it, or use it in an `async with` block.

    Args:
        api_key: the key; the environment variable WANFLOW_API_KEY by default.
        base_url: where the API is; WANFLOW_BASE_URL by default, else the documents' server.
        timeout: seconds that one request may take.
        retry_for: seconds within which a submission that was provably not accepted (no
            connection, 429, 503) is sent again; 0 never does.
        rate: polls a second that all waits of this client together make at most; fewer after a
            429. Without it they begin at 50, and grow up to 500 while polls are late.
        connections: requests to the API that may be under way at once.
        proxy: the URL of a proxy; by default that of the environment, as with httpx.
        verify: an SSL context; False trusts any server.
        transport: an httpx transport to use instead of the network.
        uploader: called with the path of each local file in a request, and returns its URL.
        ledger: a `wanflow.Ledger` that keeps a record of all that this client does.

    Raises:
        ConfigurationError: the key or the URL is missing or malformed, a number out of range, or
            a proxy or certificate that the environment names can't be used.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        retry_timeout: float = DEFAULT_RETRY_WINDOW,
        max_polls_per_second: float | None = None,
        max_connections: int = DEFAULT_CONNECTIONS,
        proxy: str | None = None,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.AsyncBaseTransport | None = None,
        ledger: Recorder | None = None,
        uploader: Uploader = None,
    ) -> None:
        line = TransportOptions(max_connections, transport, proxy, verify)
        try:
            settings = take_precautions(
                load_config(
                    api_key,
                    base_url,
                    timeout=timeout,
                    retry_timeout=retry_timeout,
                    max_polls_per_second=max_polls_per_second,
                    transport=line,
                    uploader=uploader,
                )
            )
        finally:
            del api_key  # tools show the locals of a traceback
        super().__init__(settings, Operations(settings, ledger))
        self._driver = AsyncDriver(settings)

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
        **parameters: Any,
    ) -> AsyncTask:
        """Submit a generation, which is charged, and return its task.

        Args:
            request: a whole request, as a dict or an object of `wanflow.models`.
            model: the model's name. Type checkers want it literal; one that is only known at
                run time goes into `request`: `{"model": name, "prompt": …}`.
            extra: parameters that the documents don't know, sent as they are.
            validate: whether to check the request against the documents' rules first.
            idempotency_key: 16 to 96 characters of A-Za-z0-9._-; drawn by default.
            resubmit_uncertain: whether to send it again, with the same key and within
                `retry_for`, where it may have been accepted (no response came, or a 5xx).
                This pays twice where the server doesn't honour the key.
            parameters: the model's parameters; None means "not set".

        Raises:
            InvalidRequest: it breaks a rule, and nothing was sent.
            ConnectionFailed: nothing reached the API.
            SubmitUncertain: it may have been accepted, and nothing proves or disproves it.
            APIError: the API rejected it.
        """
        terms = SubmitOptions(extra, validate, idempotency_key, resubmit_uncertain)
        order = self._work.prepare(request, parameters, model, terms)
        try:
            snapshot = await self._driver.run(self._work.submit(order))
            return AsyncTask(self._work, self._driver, snapshot.id, snapshot)
        except BaseException as error:
            order.receipt.put_on(error)
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
        **parameters: Any,
    ) -> AsyncResult:
        """Submit, wait, and save into `out` where it is given; the result has `paths` then.

        The arguments and errors are those of `submit`, `wait` and `download`.
        """
        terms = SubmitOptions(extra, validate, idempotency_key, resubmit_uncertain)
        order = self._work.prepare(request, parameters, model, terms)
        flow = self._work.run(order, output_dir=output_dir, timeout=timeout, on_update=on_update)
        try:
            snapshot, paths = await self._driver.run_concurrent(flow)
            return AsyncResult(self._work, self._driver, snapshot, paths)
        except BaseException as error:
            order.receipt.put_on(error)
            raise

    def task(self, task_id: str) -> AsyncTask:
        """Take up a task by its id; nothing is sent until it is looked at."""
        return AsyncTask(self._work, self._driver, validate_task_id(task_id), None)

    async def wait_all(
        self,
        tasks: Iterable[AsyncTask | str],
        *,
        timeout: float = DEFAULT_WAIT_TIMEOUT,
        on_update: OnUpdate = None,
        callbacks: CallbackSource | None = None,
    ) -> list[AsyncResult | WanflowError]:
        """Wait for many tasks, and return what came of each, in the order given.

        What ended a task's wait without a result is returned in its place and not raised, so
        that one that failed doesn't cost the others: TaskFailed, WaitTimeout, or an APIError
        where the API refused the question.

        Args:
            tasks: tasks, or their ids.
            timeout: seconds to wait at most, for all of them together; 15 minutes by default.
            on_update: called with each snapshot of each task.
            callbacks: a `wanflow.webhooks.Receiver`: whichever comes first, callback or poll,
                with polling slowed while callbacks arrive.
        """
        crowd = self._crowd(tasks)
        told, stretch = recording_callback(crowd, on_update, callbacks), poll_factor(callbacks)
        flow = self._work.wait_all(known_snapshots(crowd), timeout, told, stretch)
        with subscribed(callbacks, self.notify):
            ends = zip(crowd, await self._driver.run_concurrent(flow), strict=True)
        return [store_outcome(task, end) or task.result() for task, end in ends]

    async def as_completed(
        self,
        tasks: Iterable[AsyncTask | str],
        *,
        timeout: float = DEFAULT_WAIT_TIMEOUT,
        on_update: OnUpdate = None,
        callbacks: CallbackSource | None = None,
    ) -> AsyncIterator[AsyncTask]:
        """Wait for many tasks, and hand out each as soon as its wait has ended.

        `task.result()` then returns its result, or raises what ended its wait.

        Args:
            tasks: tasks, or their ids.
            timeout: seconds to wait at most, for all of them together; 15 minutes by default.
            on_update: called with each snapshot of each task.
            callbacks: a `wanflow.webhooks.Receiver`: whichever comes first, callback or poll,
                with polling slowed while callbacks arrive.
        """
        crowd = self._crowd(tasks)
        told, stretch = recording_callback(crowd, on_update, callbacks), poll_factor(callbacks)
        flow = self._work.as_completed(known_snapshots(crowd), timeout, told, stretch=stretch)
        ends: AsyncFlowIterator[tuple[int, PollOutcome]] = self._driver.stream(flow)
        with closing(ends), subscribed(callbacks, self.notify):
            async for index, end in ends:
                store_outcome(crowd[index], end)
                yield crowd[index]

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
    ) -> Report:
        """Do many jobs, and leave a report and a contact sheet beside their files.

        All are checked before the first is sent. The same batch into the same folder takes up
        what isn't done: nothing is paid for twice. What becomes of one job costs the others
        nothing; the report says what became of each.

        Args:
            jobs: requests as dicts, each with a `key` of your own if you like: the same key again
                is the same job.
            out: the folder for the files.
            timeout: seconds that each task is waited for; 15 minutes by default.
            max_credits: a ceiling on what all runs of the batch may cost together. The first job
                of a kind, whose price isn't known yet, is sent alone.
            retries: how often a failed task is submitted again, and charged again, where its
                code says that this can help.
            resubmit_uncertain: whether to send submissions in doubt again, with their keys.
            in_flight: how many jobs may be under way together.
            stop: a `wanflow.batch.Stop`, to have nothing more begun.
            on_tally: called with how the batch stands, often.
            on_outcome: called with each outcome as it comes.

        Raises:
            InvalidRequest: jobs are wrong, and nothing was sent; all faults are listed.
            ConfigurationError: the client was given no ledger.
            LedgerError: the ledger can't be read, or the report not be written.
        """
        from wanflow.batch import run as doing  # noqa: PLC0415 - for those who have many jobs

        terms = doing.make_options(
            output_dir,
            timeout,
            max_credits=max_credits,
            retries=retries,
            resubmit_uncertain=resubmit_uncertain,
            max_concurrency=max_concurrency,
            stop=stop,
            on_progress=on_progress,
            on_result=on_result,
        )
        return await self._driver.run_concurrent(doing.run_batch(self._work, jobs, terms))

    async def resume_all(
        self,
        output_dir: str | PathLike[str] | None = None,
        *,
        timeout: float = DEFAULT_WAIT_TIMEOUT,
        resubmit_uncertain: bool = False,
        max_concurrency: int = DEFAULT_CONNECTIONS,
        on_result: OnResult = None,
    ) -> ResumeReport:
        """Take up every job of the ledger that isn't finished and that no living process is at.

        Known tasks are waited for, and their files saved where they were wanted, those whose
        links die first before the others. An uncertain submission is not sent again.

        Args:
            out: the folder for files that nobody asked for yet, those of completed tasks included
                while their links live. Without one they are left, and told in `left`.
            timeout: seconds that each task is waited for; 15 minutes by default.
            resubmit_uncertain: whether to send submissions in doubt again, with their keys: safe
                on a server that honours those, perhaps a second charge on any other.
            at_once: how many jobs may be under way together.
            on_ending: called with each ending as it comes.

        Raises:
            ConfigurationError: the client was given no ledger.
            LedgerError: the ledger can't be read or written.
        """
        from wanflow.ledger import resume  # noqa: PLC0415 - for those who have a ledger

        terms = resume.ResumeOptions(
            output_dir, timeout, resubmit_uncertain, max_concurrency, on_result
        )
        return await self._driver.run_concurrent(resume.resume_all(self._work, terms))

    async def close(self) -> None:
        """Close the connections. A client that is used again opens new ones, to be closed again."""
        await self._driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        # A cancelled task closes its connections, too.  # async only
        with anyio.CancelScope(shield=True):  # async only
            await self.close()

    def _crowd(self, tasks: Iterable[AsyncTask | str]) -> list[AsyncTask]:
        return as_tasks(tasks, self.task)
