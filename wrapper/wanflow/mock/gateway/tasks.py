"""A task of the mock, its state by time, and the store of tasks."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow.mock.gateway.failures import message_of
from wanflow.mock.gateway.fault import NO_FAULTS, FaultSet
from wanflow.mock.gateway.lifecycle import ENDED, PENDING, Phase, Progression

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.mock.gateway.accounts import Account
    from wanflow.mock.gateway.outputs import OutputSpec

COMPLETED, FAILED = "completed", "failed"
EXTENSIONS = {"image": "png", "video": "mp4", "audio": "wav", "text": "txt"}
"""The file extension by kind of output."""
URL_LIFETIME = 24 * 3600.0
ID_PREFIX = "task-unified-"
"""What every id begins with, as the description of the task query says; others are malformed."""
_LETTERS = b"abcdefghijklmnopqrstuvwxyz234567" * 8


@define(eq=False)
class Task:
    """A task of the mock.

    `failure` is the error code that it ends with, None if it completes, and `failure_detail` the
    end of its message; `polls` is the number of
    polls, `ended` the time of its end; `credits` are reserved for it, `estimate` is in seconds;
    `link_base` is what links in its callback begin with, empty for the mock's origin;
    `status_faults` and `download_faults` are injected into its status requests and downloads.
    """

    id: str
    created: float
    model: str
    account: Account = field(repr=False)
    output: OutputSpec
    progression: Progression
    seed: int
    prompt: str = field(repr=False, default="")
    failure: str | None = None
    failure_detail: str = ""
    credits: float = 0.0
    estimate: int | None = 0
    callback_url: str | None = field(repr=False, default=None)
    status_faults: FaultSet = NO_FAULTS
    download_faults: FaultSet = NO_FAULTS
    link_base: str = field(repr=False, default="")
    polls: int = 0
    ended: float | None = None

    def phase(self, now: float) -> Phase:
        """Return the phase, with the status as the spec spells it."""
        if self.ended is None:
            phase = self._phase(now)
            if phase.name != ENDED:
                return phase
        return (
            Phase(FAILED, self.progression.last_progress())
            if self.failure
            else Phase(COMPLETED, 100)
        )

    def end(self, now: float) -> bool:
        """Record the time of the end; return False if it hasn't ended, or was recorded before."""
        if self.ended is not None or self._phase(now).name != ENDED:
            return False
        ends_after = self.progression.ends_after()
        self.ended = now if ends_after is None else self.created + ends_after
        return True

    def _phase(self, now: float) -> Phase:
        ends_after = self.progression.ends_after()
        if ends_after is not None and now >= self.created + ends_after:  # a sum, to avoid rounding
            return Phase(ENDED, 100)
        return self.progression.phase(self.polls, now - self.created)

    def expired(self, now: float) -> bool:
        """Return whether the URLs of its results have expired."""
        return now >= self.urls_expire_at()

    def urls_expire_at(self) -> float:
        """Return when the URLs of its results expire."""
        return float("inf") if self.ended is None else self.ended + URL_LIFETIME

    @property
    def extension(self) -> str:
        """The extension of its files."""
        return EXTENSIONS[self.output.kind]

    def urls(self, link_base: str) -> list[str]:
        """Return the URLs of its results."""
        return [
            f"{link_base}/media/{self.id}/{index}.{self.extension}"
            for index in range(self.output.count)
        ]


def task_id(created: float, *seeds: object) -> str:
    """Return an id; it depends only on the seeds and the second."""
    digest = sha256(repr(seeds).encode()).digest()
    return f"{ID_PREFIX}{int(created)}-{digest[:8].translate(_LETTERS).decode()}"


def response_values(task: Task, phase: Phase, link_base: str) -> dict[str, Any]:
    """Return the values for response templates, by key."""
    kind = task.output.kind
    values: dict[str, Any] = {
        "created": int(task.created),
        "id": task.id,
        "model": task.model,
        "object": f"{kind}.generation.task",
        "progress": phase.progress,
        "status": phase.name,
        "type": kind,
        "task_info.can_cancel": phase.name == PENDING,
    }
    if phase.name == COMPLETED:
        values["results"] = task.urls(link_base)
    if phase.name == FAILED and task.failure:
        values["error.code"] = task.failure
        detail = f": {task.failure_detail}" if task.failure_detail else ""
        values["error.message"] = message_of(task.failure) + detail
        values["error.type"] = "task_error"
    return values


WEEK = 7 * 24 * 3600.0


@define
class TaskStore:
    """Tasks by id; those beyond `max_tasks`, or older than `lifetime` seconds, are removed.

    `dropped` is how many these limits have removed.
    """

    max_tasks: int = 50_000
    lifetime: float = WEEK
    dropped: int = 0
    _by_id: OrderedDict[str, Task] = field(factory=OrderedDict[str, Task], repr=False)

    def add(self, task: Task) -> None:
        """Add a task, and remove those beyond the bounds."""
        self._by_id[task.id] = task
        if len(self._by_id) > self.max_tasks:
            self._drop()
        self.forget(task.created)

    def forget(self, now: float) -> None:
        """Remove expired tasks."""
        while self._by_id and next(iter(self._by_id.values())).created + self.lifetime < now:
            self._drop()

    def get(self, task_id: str, now: float) -> Task | None:
        """Return the task with an id, None if it is unknown or expired."""
        task = self._by_id.get(task_id)
        return task if task is not None and now <= task.created + self.lifetime else None

    def _drop(self) -> None:
        self._by_id.popitem(last=False)
        self.dropped += 1

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._by_id

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Task]:
        return iter(tuple(self._by_id.values()))
