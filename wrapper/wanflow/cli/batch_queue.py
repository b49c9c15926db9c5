"""`wanflow batch --queue`: enqueue a batch, and wait for the workers that run it."""

from __future__ import annotations

import logging
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click
from attrs import define, field
from click.core import ParameterSource

from wanflow.async_client import AsyncClient
from wanflow.batch.models import StopSignal
from wanflow.batch.report import to_dict
from wanflow.cli.batch_summary import print_summary
from wanflow.cli.exit_codes import handle_stop_signals
from wanflow.cli.json_output import emit
from wanflow.cli.options import QUEUE_VARIABLE
from wanflow.cli.progress import log_to_display, to_stderr
from wanflow.cli.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wanflow.batch.models import BatchProgress, JobResult, JobSpec, RowError
    from wanflow.batch.report import Report
    from wanflow.cli.batch_progress import Progress
    from wanflow.cli.connection import Connection

# What only a process that runs the jobs itself has a use for.
_WITHOUT_EFFECT = ("retries", "max_concurrency", "no_prompts", "uploader", "ledger", "timeout")
_SIGNAL_EXIT_BASE = 128


def run_queued(
    jobs: Iterable[JobSpec | RowError],
    connection: Connection,
    options: Mapping[str, Any],
    progress: Progress,
) -> int:
    """Enqueue a batch, wait for it unless `no_wait` is set, and return the exit code.

    Raises:
        click.UsageError: an option has no effect with a queue.
        click.ClickException: the extra `queue` isn't installed.
    """
    _refuse_options()
    try:
        import_module("wanflow.queue")
    except ModuleNotFoundError as missing:
        raise click.ClickException(str(missing)) from missing
    run = _QueuedRun(options, connection, progress)
    with handle_stop_signals(run.stop_waiting, run.exit_now):
        with progress, log_to_display(progress, logging.WARNING):
            report = anyio.run(run.run, jobs)
        if report is None:
            return 0
        return print_summary(
            report, _uncertain_jobs(), interrupt=run.interrupt, as_json=options["as_json"]
        )


def _uncertain_jobs() -> list[str]:
    """Return the command that lists the uncertain jobs of the queue of this command."""
    context = click.get_current_context()
    given = context.get_parameter_source("queue") is ParameterSource.COMMANDLINE
    return ["queue", "uncertain", *(["--queue", context.params["queue"]] if given else [])]


def _refuse_options() -> None:
    context = click.get_current_context()
    for name in _WITHOUT_EFFECT:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(
                f"{option} has no effect with --queue or {QUEUE_VARIABLE}: workers run the jobs; "
                "--queue '' lets this command run them"
            )
    batch = context.params.get("name") or ""
    if set("{}") & set(batch):
        raise click.UsageError(
            f"with --queue or {QUEUE_VARIABLE}, --name is the name of the batch, and no template"
            f" of file names: it must have no braces (got {batch!r})"
        )


@define
class _QueuedRun:
    """One run of `wanflow batch --queue`. `interrupt` is the signal that ended the wait."""

    options: Mapping[str, Any]
    connection: Connection
    progress: Progress
    stop: StopSignal = field(factory=StopSignal)
    interrupt: int | None = None

    def stop_waiting(self, number: int) -> None:
        """Wait no longer: the workers go on."""
        self.interrupt = number
        self.stop.set()

    def exit_now(self, number: int) -> None:
        """Exit immediately."""
        os._exit(_SIGNAL_EXIT_BASE + number)

    async def run(self, jobs: Iterable[JobSpec | RowError]) -> Report | None:
        """Enqueue the batch, and wait.

        Raises:
            WanflowError: the batch can't be enqueued.
        """
        options = self.options
        async with AsyncClient(self.connection.key(), self.connection.base_url) as client:
            batch = await client.enqueue(
                jobs,
                queue=options["queue"],
                out=options["output_dir"],
                name=options["name"],
                max_credits=options["max_credits"],
                resubmit_uncertain=options["resubmit_uncertain"],
            )
            self._note(batch.name, len(batch), batch.added)
            if options["no_wait"]:
                return None
            return await batch.wait(
                on_progress=self._show,
                on_result=self._print_json if options["as_json"] else self._print_paths,
                stop=self.stop,
            )

    def _show(self, progress: BatchProgress) -> None:
        self.progress.show(progress)

    def _note(self, name: str, jobs: int, added: int) -> None:
        if self.options["as_json"]:
            emit("enqueued", name=name, jobs=jobs, added=added)
        else:
            to_stderr(f"batch {name}: {counted(jobs, 'job')} in the queue, {added} of them new")

    def _print_json(self, result: JobResult) -> None:
        emit("job", **to_dict(result))

    def _print_paths(self, result: JobResult) -> None:
        output_dir = Path(self.options["output_dir"])
        for file in result.files:
            inside = file.path.parent == output_dir.absolute()
            self.progress.path(output_dir / file.path.name if inside else file.path)
