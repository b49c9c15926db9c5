"""What a client, a task and a result say of themselves, in no colour."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from wanflow._settings import make_settings
from wanflow._work import LINK_LIFE, Work
from wanflow.errors import InvalidRequest

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow._core.recorder import Recorder
    from wanflow._core.snapshot import Snapshot
    from wanflow._flows.waiting import OnUpdate
    from wanflow.spec.catalog import Model


class ClientView:
    """What both clients are told, and what they can say without a connection."""

    def __init__(
        self,
        api_key: str | None,
        base_url: str | None,
        *,
        timeout: float,
        retry_for: float,
        ledger: Recorder | None,
    ) -> None:
        self._settings = make_settings(api_key, base_url, timeout=timeout, retry_for=retry_for)
        self._work = Work(self._settings, ledger)

    @property
    def base_url(self) -> str:
        """The URL that the API's paths are appended to."""
        return self._settings.base_url

    def models(self) -> tuple[Model, ...]:
        """List the models that the documents describe, by name; nothing is sent."""
        return tuple(self._work.catalog.models.values())

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"

    def _checked_id(self, task_id: object) -> str:
        if not isinstance(task_id, str) or not task_id.strip():
            raise InvalidRequest(f"a task id is a word such as task-unified-… (got {task_id!r})")
        return task_id


class TaskView:
    """A task by its id, and what was last seen of it."""

    def __init__(self, work: Work, task_id: str, snapshot: Snapshot | None) -> None:
        self._work = work
        self._id = task_id
        self._snapshot = snapshot

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

    def _seen_by(self, on_update: OnUpdate) -> OnUpdate:
        """Return a callback that keeps the snapshot here, too."""

        def see(snapshot: Snapshot) -> object:
            self._snapshot = snapshot
            return None if on_update is None else on_update(snapshot)

        return see

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._id} {self.status or 'not looked at'}>"


class ResultView:
    """What a completed task left: its links, and all that the API said with them."""

    def __init__(self, work: Work, snapshot: Snapshot, paths: list[Path]) -> None:
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
        return list(self._snapshot.results)

    @property
    def expires_at(self) -> datetime | None:
        """The earliest moment (UTC) at which the links can die: 24 hours after the submission.

        None where the API didn't say when the task was created.
        """
        created = self._snapshot.created
        if created is None:
            return None
        try:
            return datetime.fromtimestamp(created, UTC) + LINK_LIFE
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
        return f"<{type(self).__name__} {self.task_id} {len(self.urls)} links>"
