"""What the sync and the async client share: everything that does no I/O."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from copy import copy
from datetime import UTC, datetime
from functools import partial
from os import environ
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from attrs import evolve

from wanflow._config import UPLOADER_VARIABLE
from wanflow._core.arguments import validate_task_id
from wanflow._core.callbacks import no_slowdown
from wanflow._core.json_record import JsonRecord
from wanflow._flows.poll import require_success, timeout_error
from wanflow._flows.prepare import SubmitOptions
from wanflow._fork_safety import renew_in_children
from wanflow._log import log_mode
from wanflow._text import one_line
from wanflow.errors import ConfigurationError, InvalidRequest, WanflowError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from wanflow._config import ClientConfig
    from wanflow._core.callbacks import CallbackSource, PollFactor
    from wanflow._core.snapshot import Snapshot
    from wanflow._core.storage import Storage
    from wanflow._core.uploads import UploaderOption
    from wanflow._flows.operations import Operations
    from wanflow._flows.poll import OnUpdate
    from wanflow._flows.poll_many import PollOutcome
    from wanflow._flows.prepare import Preview
    from wanflow._model_methods import ModelMethods
    from wanflow._runtime.driver import AsyncDriver, SyncDriver
    from wanflow._runtime.event_dispatcher import OnEvent
    from wanflow.catalog.catalog import Model
    from wanflow_client.parameters import EstimateCost, Run, Submit

D = TypeVar("D", "SyncDriver", "AsyncDriver")


M = TypeVar("M")
S = TypeVar("S")


class TypedMethod(Generic[S]):
    """A method that type checkers see with the signature S. For type checkers only."""

    def __get__(self, instance: object, owner: type) -> S: ...  # type: ignore[empty-body]


def typed_submit(method: Callable[..., M]) -> TypedMethod[Submit[M]]:
    """Type a method with the parameters of each model."""
    return cast("TypedMethod[Submit[M]]", method)


def typed_run(method: Callable[..., M]) -> TypedMethod[Run[M, Callable[[Snapshot], object]]]:
    """Type a method with the parameters of each model, and those of a wait."""
    return cast("TypedMethod[Run[M, Callable[[Snapshot], object]]]", method)


def typed_estimate(method: Callable[..., M]) -> TypedMethod[EstimateCost[M]]:
    """Type a method with the parameters of each model, and the options of an estimate."""
    return cast("TypedMethod[EstimateCost[M]]", method)


class BaseClient(Generic[D]):
    """The configuration of a client, and its methods that send nothing."""

    def __init__(self, config: ClientConfig, operations: Operations, driver: D) -> None:
        if mode := log_mode():
            from wanflow._log_handler import install  # noqa: PLC0415 - few processes ask for it

            install(mode)
        self._config = config
        self._operations = operations
        self._driver: D = driver

    @property
    def base_url(self) -> str:
        """The URL that the API's paths are appended to."""
        return self._config.base_url

    def models(self) -> tuple[Model, ...]:
        """List the models of the spec, ordered by name. Nothing is sent."""
        return tuple(self._operations.catalog.models.values())

    def model(self, name: str) -> ModelMethods:
        """Return `submit`, `run`, `preview` and `estimate` for one model. Nothing is sent.

        They take the model's parameters. `help`, notebooks and Python shells show these with
        their types, values, defaults and descriptions; type checkers know them only where
        `model=` is an argument.

        Raises:
            UnknownModel: the spec has no model of this name; the message names the nearest.
        """
        from wanflow._model_methods import ModelMethods  # noqa: PLC0415 - in shells only

        return ModelMethods.of(self, self._operations.catalog, name)

    @typed_submit
    def preview(
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
    ) -> Preview:
        """Return the HTTP request that `submit` would send, without the API key. Nothing is sent.

        The arguments and errors are those of `submit`. Local files are not uploaded: the body
        has their paths. Nothing is limited by `max_credits`; `estimate` of the result shows what
        the request will cost.
        """
        options = SubmitOptions(
            extra, validate, idempotency_key, resubmit_uncertain, max_credits, name
        )
        prepared = self._operations.prepare(request, parameters, model, options)
        return self._operations.preview(prepared)

    def notify(self, task_id: str) -> None:
        """Make the waits for a task poll it immediately, for instance because a callback came.

        Nothing else of the callback is used. Any thread may call this.
        """
        self._driver.notify(validate_task_id(task_id))

    def with_options(
        self,
        *,
        timeout: float | None = None,
        retry_timeout: float | None = None,
        resubmit_uncertain: bool | None = None,
        on_event: OnEvent = None,
        default_headers: Mapping[str, str] | None = None,
    ) -> Self:
        """Return a client with other options and the same connections; closing one closes both.

        Args:
            timeout: the time limit of one request in seconds.
            retry_timeout: for how many seconds a submission is retried.
            resubmit_uncertain: the default of the argument of this name for all submissions,
                those of `run`, `batch` and `resume_all` included.
            on_event: called with the record of each event, in place of the client's own function.
            default_headers: headers that are sent beside those of this client.
        """
        config = self._config.replace(
            timeout=timeout,
            retry_timeout=retry_timeout,
            resubmit_uncertain=resubmit_uncertain,
            on_event=on_event,
        ).with_headers(default_headers)
        other = copy(self)
        BaseClient.__init__(  # pyright: ignore[reportUnknownMemberType] - D is known
            other,
            config,
            self._operations.with_config(config),
            self._driver.with_config(config),
        )
        return other

    def __repr__(self) -> str:
        # Error reporters show it where making it failed, too.
        config = vars(self).get("_config")
        return f"{type(self).__name__}({f'base_url={config.base_url!r}' if config else '…'})"


def operations_of(client: BaseClient[D]) -> tuple[ClientConfig, Operations, D]:
    """Return what runs a client's operations, for a worker that runs them one step at a time."""
    found = vars(client)
    return found["_config"], found["_operations"], found["_driver"]


class BaseTask(Generic[D]):
    """The id of a task, and its last snapshot."""

    def __init__(
        self, operations: Operations, driver: D, task_id: str, snapshot: Snapshot | None
    ) -> None:
        self._operations = operations
        self._driver: D = driver
        self._id = task_id
        self._snapshot = snapshot
        self._error: WanflowError | None = None

    @property
    def id(self) -> str:
        """The task's id. `client.task(id)` resumes it, in any process."""
        return self._id

    @property
    def snapshot(self) -> Snapshot | None:
        """The last snapshot, None before the first poll. It has the response's `headers`, too."""
        return self._snapshot

    @property
    def request_id(self) -> str | None:
        """The `x-request-id` of the last response, for the provider's support; None without one."""
        return None if self._snapshot is None else self._snapshot.request_id

    @property
    def status(self) -> str | None:
        """The status in the last snapshot, as the API spelled it."""
        return self._snapshot.status if self._snapshot else None

    @property
    def progress(self) -> int | None:
        """The progress in the last snapshot, in percent."""
        return self._snapshot.progress if self._snapshot else None

    @property
    def model(self) -> str | None:
        """The model, None if the API didn't report it."""
        return self._snapshot.model if self._snapshot else None

    def _recording_callback(self, on_update: OnUpdate) -> OnUpdate:
        """Return a callback that also stores each snapshot in this task."""

        def record(snapshot: Snapshot) -> object:
            self._snapshot = snapshot
            return None if on_update is None else on_update(snapshot)

        return record

    def update_snapshot(self, outcome: PollOutcome) -> None:
        """Store the snapshot or error of a wait for many tasks."""
        if isinstance(outcome, WanflowError):
            self._error = outcome
        else:
            self._snapshot, self._error = outcome, None

    def _require_result(self) -> Snapshot:
        """Return the last snapshot if the task succeeded, otherwise raise the reason."""
        snapshot = self._snapshot
        if snapshot is not None and snapshot.done:
            return require_success(snapshot)
        raise self._error or timeout_error(self._id, 0, snapshot)

    def __repr__(self) -> str:
        text = f"{self._id} {self.status or 'not polled'}"
        return f"<{type(self).__name__} {one_line(text)}>"


class BaseResult(JsonRecord, Generic[D]):
    """The links of a completed task, and what else the API returned with them."""

    def __init__(
        self, operations: Operations, driver: D, snapshot: Snapshot, paths: Sequence[Path] = ()
    ) -> None:
        self._operations = operations
        self._driver: D = driver
        self._snapshot = snapshot
        self._paths = paths

    @property
    def task_id(self) -> str:
        """The id of the task."""
        return self._snapshot.id

    @property
    def model(self) -> str | None:
        """The model, None if the API didn't report it."""
        return self._snapshot.model

    @property
    def urls(self) -> list[str]:
        """The links to the generated files, in the API's order. They are valid for 24 hours."""
        return list(self._snapshot.urls)

    @property
    def expires_at(self) -> datetime | None:
        """The earliest time (UTC) at which the links expire: 24 hours after the submission.

        None if the API didn't report when the task was created.
        """
        expires = self._snapshot.links_expire_at
        if expires is None:
            return None
        try:
            return datetime.fromtimestamp(expires, UTC)
        except (ValueError, OverflowError, OSError):
            return None

    @property
    def usage(self) -> dict[str, Any]:
        """What the API reported about credits and billing; empty if it reported nothing."""
        return dict(self._snapshot.usage)

    @property
    def raw(self) -> dict[str, Any]:
        """The whole body of the last response."""
        return self._snapshot.raw

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the last response, with names in lower case."""
        return self._snapshot.headers

    @property
    def request_id(self) -> str | None:
        """The `x-request-id` of the last response, for the provider's support; None without one."""
        return self._snapshot.request_id

    @property
    def paths(self) -> list[Path]:
        """The files that `run(output_dir=…)` saved; empty if it saved none."""
        return list(self._paths)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict that `json.dumps` takes. Times are unix seconds."""
        return {**self._snapshot.to_dict(), "paths": [str(path) for path in self._paths]}

    def _repr_html_(self) -> str:
        """Show its files in a notebook: those that were saved, else those of its links."""
        from wanflow._notebook import result_html  # noqa: PLC0415 - in notebooks only

        return result_html(self.task_id, self.urls, self.paths)

    def __eq__(self, other: object) -> bool:
        """Whether both say the same of the same task; their clients don't count."""
        if type(other) is not type(self):
            return NotImplemented
        same = cast("BaseResult[Any]", other)
        return self._snapshot == same._snapshot and self.paths == same.paths

    def __hash__(self) -> int:
        return hash(self.task_id)

    def __getstate__(self) -> dict[str, Any]:
        return {"_snapshot": self._snapshot, "_paths": list(self._paths)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._operations = self._driver = cast("Any", _NoClient())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {one_line(self.task_id)} {len(self.urls)} links>"


class _NoClient:
    """What a pickled result has in place of its client, which has a key and connections."""

    def __getattr__(self, name: str) -> Any:
        raise ConfigurationError(
            "a result that was copied or pickled has no client, so it can't be downloaded; "
            "client.task(result.task_id).wait() returns one that can"
        )


def default_on_event(on_event: OnEvent) -> OnEvent:
    """Return the user's function; where there is none, what shows progress in a notebook."""
    if on_event is not None or "IPython" not in sys.modules:
        return on_event
    from wanflow._notebook_progress import notebook_progress  # noqa: PLC0415 - in notebooks only

    return notebook_progress()


def with_uploader(config: ClientConfig, uploader: UploaderOption) -> ClientConfig:
    """Return a configuration with the uploader, by default the one that the environment names.

    A text is checked now; what it needs is imported when the first file is uploaded.

    Raises:
        ConfigurationError: a text names no uploader.
    """
    chosen = uploader if uploader is not None else environ.get(UPLOADER_VARIABLE) or None
    if chosen is None:
        return config
    from wanflow._core.uploads import Uploads  # noqa: PLC0415 - only with an uploader

    if not isinstance(chosen, str):
        found = Uploads(lambda: chosen)
    else:
        from wanflow import uploads  # noqa: PLC0415 - only with an uploader

        uploads.check_name(chosen)
        found = Uploads(partial(uploads.open_uploader, chosen, config.base_url))
    renew_in_children(found)
    return evolve(config, uploads=found)


def load_storage() -> Storage:
    """Import the storage: a client that saves no files needs none."""
    from wanflow._storage import storage  # noqa: PLC0415

    return storage


T = TypeVar("T", bound=BaseTask[Any])


def as_tasks(tasks: Iterable[T | str], resume: Callable[[str], T]) -> list[T]:
    """Return the tasks to wait for; ids are made into tasks.

    Raises:
        InvalidRequest: it is a single task or id, or not iterable.
    """
    if isinstance(tasks, str) or not hasattr(tasks, "__iter__"):
        raise InvalidRequest(f"pass a list of tasks or of task ids (got {tasks!r})")
    return [task if isinstance(task, BaseTask) else resume(task) for task in tasks]


def known_snapshots(tasks: Sequence[BaseTask[Any]]) -> list[tuple[str, Snapshot | None]]:
    """Return the id and the last snapshot of each task."""
    return [(task.id, task.snapshot) for task in tasks]


def subscribed(
    callbacks: CallbackSource | None, notify: Callable[[str], object]
) -> AbstractContextManager[None]:
    """Pass the task ids of callbacks to `notify` inside the block."""
    return nullcontext() if callbacks is None else callbacks.subscribe(notify)


def poll_factor(callbacks: CallbackSource | None) -> PollFactor:
    """Return by what factor callbacks allow polling to slow down."""
    return no_slowdown if callbacks is None else callbacks.poll_factor


def recording_callback(
    tasks: Sequence[BaseTask[Any]], on_update: OnUpdate, callbacks: CallbackSource | None = None
) -> OnUpdate:
    """Return a callback that also stores each snapshot in its tasks, and reports those done."""
    by_id: dict[str, list[BaseTask[Any]]] = {}
    for task in tasks:
        by_id.setdefault(task.id, []).append(task)

    def record(snapshot: Snapshot) -> object:
        for task in by_id.get(snapshot.id, ()):
            task.update_snapshot(snapshot)
        if callbacks is not None and snapshot.done:
            callbacks.record_end(snapshot.id)
        return None if on_update is None else on_update(snapshot)

    return record


def store_outcome(task: BaseTask[Any], outcome: PollOutcome) -> WanflowError | None:
    """Store the outcome of the wait for a task, and return its error, if any."""
    task.update_snapshot(outcome)
    return outcome if isinstance(outcome, WanflowError) else None
