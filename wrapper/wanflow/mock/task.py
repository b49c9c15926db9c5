"""A task: what was ordered, by whom and when, and what can be said of it at a given moment."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow.mock.failures import message_of
from wanflow.mock.pace import ENDED, PENDING, Pace, Phase

if TYPE_CHECKING:
    from wanflow.mock.account import Account
    from wanflow.mock.order import Order

COMPLETED, FAILED = "completed", "failed"
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
ID = re.compile(r"task-unified-[0-9]+-[a-z0-9]{8}", re.ASCII)


@define(eq=False)
class Task:
    """A task of the mock.

    `failure` is the business code that it will end with, None for a task that completes;
    `looks` counts the queries so far; `credits` are reserved for it, `estimate` is in seconds.
    """

    id: str
    created: float
    model: str
    account: Account = field(repr=False)
    order: Order
    pace: Pace
    seed: int
    prompt: str = field(repr=False, default="")
    failure: str | None = None
    credits: float = 0.0
    estimate: int = 0
    looks: int = 0

    def phase(self, now: float) -> Phase:
        """Return where the task stands, its status as the document spells it."""
        phase = self.pace.phase(self.looks, now - self.created)
        if phase.name != ENDED:
            return phase
        return Phase(FAILED, self.pace.last()) if self.failure else Phase(COMPLETED, 100)

    @property
    def extension(self) -> str:
        """The ending of its files' names."""
        return "mp4" if self.order.kind == "video" else "png"

    def links(self, origin: str) -> list[str]:
        """Return where its results are served."""
        return [
            f"{origin}/media/{self.id}/{index}.{self.extension}"
            for index in range(self.order.count)
        ]


def task_id(created: float, *seeds: object) -> str:
    """Return an id; the same seeds at the same second give the same one."""
    digest = sha256(repr(seeds).encode()).digest()
    tail = "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:8])
    return f"task-unified-{int(created)}-{tail}"


def values_of(task: Task, phase: Phase, origin: str) -> dict[str, Any]:
    """Return what can be said of a task, by the keys of a composition."""
    kind = task.order.kind
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
        values["results"] = task.links(origin)
    if phase.name == FAILED and task.failure:
        values["error.code"] = task.failure
        values["error.message"] = message_of(task.failure)
        values["error.type"] = "task_error"
    return values
