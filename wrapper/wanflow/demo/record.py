"""What became of each of the demo's tasks."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow.cli.prose import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow import AsyncTask, Snapshot, Task
    from wanflow.cli.display import Display
    from wanflow.demo.wishes import Wish


@define
class Record:
    """One task, from its submission to its files. `colour` names the client that does it."""

    wish: Wish
    colour: str
    display: Display
    started: float = field(factory=monotonic)
    ended: float | None = None
    task_id: str = ""
    status: str = "not submitted"
    credits: Any = None
    files: list[Path] = field(factory=list["Path"])
    error: Exception | None = None

    @property
    def seconds(self) -> float:
        """The seconds from the submission to the end, or until now."""
        return (self.ended or monotonic()) - self.started

    def submitted(self, task: Task | AsyncTask) -> None:
        """Keep the id, and what the answer said of the price."""
        self.started = monotonic()
        self.task_id = task.id
        if task.snapshot is not None:
            self.credits = task.snapshot.usage.get("credits_reserved")
            self.seen(task.snapshot)

    def seen(self, snapshot: Snapshot) -> None:
        """Keep and show how the task stands."""
        self.status = one_line(snapshot.status)
        if snapshot.ended:
            self.ended = monotonic()
        self.display.show(f"{one_line(self.wish.model)} ({self.colour})", snapshot)

    def saved(self, paths: list[Path]) -> None:
        """Keep the files."""
        self.files = paths

    def failed(self, error: Exception) -> None:
        """Keep and tell what went wrong."""
        self.error = error
        self.display.note(f"{self.wish.model}: {error}")
