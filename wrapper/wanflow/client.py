"""The sync face of the library: Client, and the tasks and results that it hands out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from wanflow._drive import SyncDriver
from wanflow._settings import DEFAULT_RETRY, DEFAULT_TIMEOUT, DEFAULT_WAIT
from wanflow._views import ClientView, ResultView, TaskView

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike
    from pathlib import Path

    import httpx

    from wanflow._core.recorder import Recorder
    from wanflow._core.snapshot import Snapshot
    from wanflow._flows.waiting import OnUpdate
    from wanflow._work import Work


class Result(ResultView):
    """A completed task: its links, and all that the API said with them."""

    def __init__(
        self, work: Work, driver: SyncDriver, snapshot: Snapshot, paths: list[Path]
    ) -> None:
        super().__init__(work, snapshot, paths)
        self._driver = driver

    def download(
        self,
        folder: str | PathLike[str],
        *,
        timeout: float | None = None,
        limit: int | None = None,
    ) -> list[Path]:
        """Save every file into a folder, which is made if need be, and return their paths.

        A file is there whole or not at all. Names come from the task's id; the same task saved
        again replaces its own files.

        Args:
            folder: where to.
            timeout: seconds that one file may take; 15 minutes by default.
            limit: bytes that one file may have; 2 GiB by default.

        Raises:
            LinkExpired: a link is past its 24 hours.
            DownloadFailed: there is no link, or a file can't be fetched or saved.
        """
        return self._driver.play(self._work.download(self._snapshot, folder, timeout, limit))


class Task(TaskView):
    """A submitted task."""

    def __init__(
        self, work: Work, driver: SyncDriver, task_id: str, snapshot: Snapshot | None
    ) -> None:
        super().__init__(work, task_id, snapshot)
        self._driver = driver

    def refresh(self) -> Self:
        """Look at the task once, and return it.

        Raises:
            ConnectionFailed: no answer came.
            APIError: the API answered with an error.
        """
        self._snapshot = self._driver.play(self._work.query(self._id))
        return self

    def wait(self, timeout: float = DEFAULT_WAIT, *, on_update: OnUpdate = None) -> Result:
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
        flow = self._work.wait(self._id, timeout, self._seen_by(on_update))
        return Result(self._work, self._driver, self._driver.play(flow), [])


class Client(ClientView):
    """The API, for code that blocks. Close it, or use it in a `with` block.

    Args:
        api_key: the key; the environment variable WANFLOW_API_KEY by default.
        base_url: where the API is; WANFLOW_BASE_URL by default, else the documents' server.
        timeout: seconds that one request may take.
        retry_for: seconds within which a submission that was provably not accepted (no
            connection, 429, 503) is sent again; 0 never does.
        transport: an httpx transport to use instead of the network.
        ledger: a `wanflow.Ledger` that keeps a record of all that this client does.

    Raises:
        ConfigurationError: the key or the URL is missing or malformed.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        retry_for: float = DEFAULT_RETRY,
        transport: httpx.BaseTransport | None = None,
        ledger: Recorder | None = None,
    ) -> None:
        super().__init__(api_key, base_url, timeout=timeout, retry_for=retry_for, ledger=ledger)
        self._driver = SyncDriver(self._settings, transport)

    def submit(
        self,
        request: object | None = None,
        /,
        *,
        model: str | None = None,
        extra: Mapping[str, Any] | None = None,
        validate: bool = True,
        idempotency_key: str | None = None,
        **parameters: Any,
    ) -> Task:
        """Submit a generation, which is charged, and return its task.

        Args:
            request: a whole request, as a dict or an object of `wanflow.models`.
            model: the model's name.
            extra: parameters that the documents don't know, sent as they are.
            validate: whether to check the request against the documents' rules first.
            idempotency_key: 16 to 96 characters of A-Za-z0-9._-; drawn by default.
            parameters: the model's parameters; None means "not set".

        Raises:
            InvalidRequest: it breaks a rule, and nothing was sent.
            ConnectionFailed: nothing reached the API.
            SubmitUncertain: it may have, and the answer was lost.
            APIError: the API refused.
        """
        order = self._work.order(request, parameters, model, extra, validate, idempotency_key)
        snapshot = self._driver.play(self._work.submit(order))
        return Task(self._work, self._driver, snapshot.id, snapshot)

    def run(
        self,
        request: object | None = None,
        /,
        *,
        model: str | None = None,
        out: str | PathLike[str] | None = None,
        timeout: float = DEFAULT_WAIT,
        on_update: OnUpdate = None,
        extra: Mapping[str, Any] | None = None,
        validate: bool = True,
        idempotency_key: str | None = None,
        **parameters: Any,
    ) -> Result:
        """Submit, wait, and save into `out` where it is given; the result has `paths` then.

        The arguments and errors are those of `submit`, `wait` and `download`.
        """
        order = self._work.order(request, parameters, model, extra, validate, idempotency_key)
        flow = self._work.run(order, out=out, timeout=timeout, on_update=on_update)
        return Result(self._work, self._driver, *self._driver.play(flow))

    def task(self, task_id: str) -> Task:
        """Take up a task by its id; nothing is sent until it is looked at."""
        return Task(self._work, self._driver, self._checked_id(task_id), None)

    def close(self) -> None:
        """Close the connections."""
        self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
