"""Runs the tasks of the demo: half with Client, each in a thread; half with AsyncClient, in one."""

from __future__ import annotations

import asyncio
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow.cli.text import one_line
from wanflow.errors import WanflowError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wanflow import AsyncClient, AsyncTask, Client, Snapshot, Task
    from wanflow.cli.progress import Display
    from wanflow.demo.requests import DemoRequest
    from wanflow.demo.targets import Target


SYNC, ASYNC = "sync", "async"


def run_tasks(records: list[DemoTask], target: Target, out: Path) -> None:
    """Run all tasks concurrently, and return when all have ended.

    The threads are daemons, so that Ctrl-C needn't wait for them.
    """
    with target.client() as client:
        threads = [
            Thread(target=_generate, args=(client, record, out), daemon=True)
            for record in records
            if record.client_kind == SYNC
        ]
        threads.append(Thread(target=_run_async, args=(records, target, out), daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _generate(client: Client, record: DemoTask, out: Path) -> None:
    try:
        task = client.submit(record.request.body)
        record.record_submission(task)
        result = task.wait(on_update=record.record_snapshot)
        record.record_files(result.download(out))
    except WanflowError as error:
        record.record_error(error)


async def _generate_async(client: AsyncClient, record: DemoTask, out: Path) -> None:
    try:
        task = await client.submit(record.request.body)
        record.record_submission(task)
        result = await task.wait(on_update=record.record_snapshot)
        record.record_files(await result.download(out))
    except WanflowError as error:
        record.record_error(error)


def _run_async(records: list[DemoTask], target: Target, out: Path) -> None:
    async def run_all() -> None:
        async with target.async_client() as client:
            mine = [record for record in records if record.client_kind == ASYNC]
            await asyncio.gather(*(_generate_async(client, record, out) for record in mine))

    asyncio.run(run_all())


_HEAD = ("model", "task id", "status", "seconds", "credits reserved")


def table(records: list[DemoTask]) -> str:
    """Return a table: a row for each task, followed by its parameters and files."""
    rows = [_HEAD, *map(_row, records)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    head, *body = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    lines = [head, "  ".join("-" * width for width in widths)]
    for line, record in zip(body, records, strict=True):
        lines += [line, *_details(record)]
    return "\n".join(lines)


def _row(record: DemoTask) -> tuple[str, ...]:
    price = "not said" if record.credits is None else str(record.credits)
    cells = (record.request.model, record.task_id or "-", record.status)
    return (*map(one_line, cells), f"{record.seconds:.1f}", one_line(price))


def _details(record: DemoTask) -> Iterator[str]:
    asked = ", ".join(f"{name} {value}" for name, value in record.request.asked.items())
    what = one_line(asked) if asked else "nothing but its prompt"
    yield f"  asked for {what}, on the {record.client_kind} client"
    for path in record.files:
        yield f"  {one_line(str(path))}"
    if record.error is not None:
        yield f"  {one_line(str(record.error))}"


@define
class DemoTask:
    """One task, from its submission to its files. `client_kind` names the client that runs it."""

    request: DemoRequest
    client_kind: str
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

    def record_submission(self, task: Task | AsyncTask) -> None:
        """Record the id, and the reserved credits of the response."""
        self.started = monotonic()
        self.task_id = task.id
        if task.snapshot is not None:
            self.credits = task.snapshot.usage.get("credits_reserved")
            self.record_snapshot(task.snapshot)

    def record_snapshot(self, snapshot: Snapshot) -> None:
        """Record and show the status."""
        self.status = one_line(snapshot.status)
        if snapshot.done:
            self.ended = monotonic()
        self.display.show(f"{one_line(self.request.model)} ({self.client_kind})", snapshot)

    def record_files(self, paths: list[Path]) -> None:
        """Record the files."""
        self.files = paths

    def record_error(self, error: Exception) -> None:
        """Record and show an error."""
        self.error = error
        self.display.note(f"{self.request.model}: {error}")
