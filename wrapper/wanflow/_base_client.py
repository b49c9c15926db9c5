"""What a client, a task and a result say of themselves, in no colour."""

from __future__ import annotations

from contextlib import nullcontext
from copy import copy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from wanflow._core.arguments import validate_task_id
from wanflow._core.callbacks import no_slowdown
from wanflow._flows.poll import require_success, timeout_error
from wanflow._flows.prepare import SubmitOptions
from wanflow._text import one_line
from wanflow.errors import InvalidRequest, WanflowError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from wanflow._config import ClientConfig
    from wanflow._core.callbacks import CallbackSource, PollFactor
    from wanflow._core.snapshot import Snapshot
    from wanflow._flows.operations import Operations
    from wanflow._flows.poll import OnUpdate
    from wanflow._flows.poll_many import PollOutcome
    from wanflow._flows.prepare import Preview
    from wanflow.catalog.catalog import Model
    from wanflow_client.parameters import Run, Submit


class BaseClient:
    """What both clients are told, and what they can say without a connection."""

    def __init__(self, settings: ClientConfig, work: Operations) -> None:
        self._settings = settings
        self._work = work

    @property
    def base_url(self) -> str:
        """The URL that the API's paths are appended to."""
        return self._settings.base_url

    def models(self) -> tuple[Model, ...]:
        """List the models that the documents describe, by name; nothing is sent."""
        return tuple(self._work.catalog.models.values())

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
        **parameters: Any,
    ) -> Preview:
        """Show exactly what `submit` would send, the key left out; nothing is sent.

        The arguments and errors are those of `submit`. Local files are not uploaded, and stay
        paths in what is shown.
        """
        terms = SubmitOptions(extra, validate, idempotency_key, resubmit_uncertain)
        order = self._work.prepare(request, parameters, model, terms)
        return self._work.preview(order)

    def notify(self, task_id: str) -> None:
        """Tell whoever waits for a task that there is news of it, so that they look at once.

        For a callback that arrived: what it says isn't believed, the API is asked. Any thread
        may call this.
        """
        vars(self)["_driver"].notify(validate_task_id(task_id))

    def with_options(
        self,
        *,
        timeout: float | None = None,
        retry_timeout: float | None = None,
        resubmit_uncertain: bool | None = None,
    ) -> Self:
        """Return a client with other settings over the same connections; closing one closes both.

        Args:
            timeout: seconds that one request may take.
            retry_for: seconds within which a submission is sent again.
            resubmit_uncertain: whether all submissions are as with `submit`'s argument of this
                name, those of `run`, `batch` and `resume_all` included.
        """
        settings = self._settings.replace(timeout, retry_timeout, resubmit_uncertain)
        other = copy(self)
        changed = {
            "_settings": settings,
            "_work": self._work.with_config(settings),
            "_driver": vars(self)["_driver"].with_config(settings),
        }
        vars(other).update(changed)
        return other

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"


class BaseTask:
    """A task by its id, and what was last seen of it."""

    def __init__(self, work: Operations, task_id: str, snapshot: Snapshot | None) -> None:
        self._work = work
        self._id = task_id
        self._snapshot = snapshot
        self._error: WanflowError | None = None

    @property
    def id(self) -> str:
        """The task's id; `client.task(id)` takes it up again, in any process."""
        return self._id

    @property
    def snapshot(self) -> Snapshot | None:
        """The task as last seen, None before the first look."""
        return self._snapshot

    @property
    def status(self) -> str | None:
        """The status as last seen, in the API's word."""
        return self._snapshot.status if self._snapshot else None

    @property
    def progress(self) -> int | None:
        """The progress as last seen, in percent."""
        return self._snapshot.progress if self._snapshot else None

    @property
    def model(self) -> str | None:
        """The model, where the API said it."""
        return self._snapshot.model if self._snapshot else None

    def _recording_callback(self, on_update: OnUpdate) -> OnUpdate:
        """Return a callback that keeps the snapshot here, too."""

        def see(snapshot: Snapshot) -> object:
            self._snapshot = snapshot
            return None if on_update is None else on_update(snapshot)

        return see

    def update_snapshot(self, seen: PollOutcome) -> None:
        """Take in what a wait that was not this object's own saw of the task."""
        if isinstance(seen, WanflowError):
            self._error = seen
        else:
            self._snapshot, self._error = seen, None

    def _require_result(self) -> Snapshot:
        """Return the completed task as last seen, or raise why there is none."""
        seen = self._snapshot
        if seen is not None and seen.done:
            return require_success(seen)
        raise self._error or timeout_error(self._id, 0, seen)

    def __repr__(self) -> str:
        shown = f"{self._id} {self.status or 'not looked at'}"
        return f"<{type(self).__name__} {one_line(shown)}>"


class BaseResult:
    """What a completed task left: its links, and all that the API said with them."""

    def __init__(self, work: Operations, snapshot: Snapshot, paths: list[Path]) -> None:
        self._work = work
        self._snapshot = snapshot
        self._paths = paths

    @property
    def task_id(self) -> str:
        """The id of the task."""
        return self._snapshot.id

    @property
    def model(self) -> str | None:
        """The model, where the API said it."""
        return self._snapshot.model

    @property
    def urls(self) -> list[str]:
        """The links to what was made, in the API's order. They live for 24 hours."""
        return list(self._snapshot.urls)

    @property
    def expires_at(self) -> datetime | None:
        """The earliest moment (UTC) at which the links can die: 24 hours after the submission.

        None where the API didn't say when the task was created.
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
        """What the API said of credits and billing, empty where it said nothing."""
        return dict(self._snapshot.usage)

    @property
    def raw(self) -> dict[str, Any]:
        """The whole body of the last answer."""
        return self._snapshot.raw

    @property
    def paths(self) -> list[Path]:
        """The files that `run(out=…)` saved, empty where nothing was saved."""
        return list(self._paths)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {one_line(self.task_id)} {len(self.urls)} links>"


T = TypeVar("T", bound=BaseTask)


def as_tasks(tasks: Iterable[T | str], take_up: Callable[[str], T]) -> list[T]:
    """Return the tasks of a wait, those that are named by their ids taken up.

    Raises:
        InvalidRequest: it is one task, or something else that isn't many.
    """
    if isinstance(tasks, str) or not hasattr(tasks, "__iter__"):
        raise InvalidRequest(f"many tasks are a list of tasks or of ids (got {tasks!r})")
    return [task if isinstance(task, BaseTask) else take_up(task) for task in tasks]


def known_snapshots(tasks: Sequence[BaseTask]) -> list[tuple[str, Snapshot | None]]:
    """Return what a wait begins with: ids, and each task as last seen."""
    return [(task.id, task.snapshot) for task in tasks]


def subscribed(
    callbacks: CallbackSource | None, notify: Callable[[str], object]
) -> AbstractContextManager[None]:
    """Have the waits of a client told of callbacks, inside the block."""
    return nullcontext() if callbacks is None else callbacks.subscribe(notify)


def poll_factor(callbacks: CallbackSource | None) -> PollFactor:
    """Return by what callbacks allow polling to be slowed."""
    return no_slowdown if callbacks is None else callbacks.poll_factor


def recording_callback(
    tasks: Sequence[BaseTask], on_update: OnUpdate, callbacks: CallbackSource | None = None
) -> OnUpdate:
    """Return a callback that keeps each snapshot in the tasks of its id, and tells of ends, too."""
    by_id: dict[str, list[BaseTask]] = {}
    for task in tasks:
        by_id.setdefault(task.id, []).append(task)

    def see(snapshot: Snapshot) -> object:
        for task in by_id.get(snapshot.id, ()):
            task.update_snapshot(snapshot)
        if callbacks is not None and snapshot.done:
            callbacks.record_end(snapshot.id)
        return None if on_update is None else on_update(snapshot)

    return see


def store_outcome(task: BaseTask, outcome: PollOutcome) -> WanflowError | None:
    """Keep how the wait for a task ended, and return the error where it was one."""
    task.update_snapshot(outcome)
    return outcome if isinstance(outcome, WanflowError) else None


M = TypeVar("M")
S = TypeVar("S")


class TypedMethod(Generic[S]):
    """A method that is seen as the signature S. Never made: it stands for the method itself."""

    def __get__(self, instance: object, owner: type) -> S: ...  # type: ignore[empty-body]


def typed_submit(method: Callable[..., M]) -> TypedMethod[Submit[M]]:
    """Show a method with the parameters of each model."""
    return cast("TypedMethod[Submit[M]]", method)


def typed_run(method: Callable[..., M]) -> TypedMethod[Run[M, OnUpdate]]:
    """Show a method with the parameters of each model, and those of a wait."""
    return cast("TypedMethod[Run[M, OnUpdate]]", method)
