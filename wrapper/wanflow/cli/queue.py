"""`wanflow queue`: create the tables of a queue, show its batches, and decide about their jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from wanflow.cli.json_output import emit
from wanflow.cli.options import QUEUE_VARIABLE, json_option, queue_option
from wanflow.cli.progress import to_stderr
from wanflow.cli.text import counted, one_line
from wanflow.ledger.export import isoformat

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow.queue.admin import BatchStatus


@click.group("queue")
def group() -> None:
    """Create a queue in PostgreSQL, show its batches, and decide about their jobs."""


def _name_option(*, required: bool = False) -> click.Option:
    which = "The batch of this name." if required else "Only the batch of this name."
    return click.Option(["--name"], metavar="BATCH", required=required, help=which)


def _command(*params: click.Parameter, name: str) -> Callable[[Callable[..., Any]], click.Command]:
    return group.command(name, params=[*params, queue_option(), json_option()])


@group.command("init", params=[click.Argument(["url"], envvar=QUEUE_VARIABLE, metavar="URL")])
def init(url: str) -> None:
    """Create or migrate the tables in the database at URL; running it again changes nothing."""
    from wanflow.queue.schema import initialize

    done = initialize(url)
    to_stderr("the queue is ready" + ("" if done.changes else "; nothing had to be changed"))
    if done.single_copy:
        to_stderr(
            "warning: no synchronous standby is set (synchronous_standby_names), so what the "
            "database's machine loses is lost: jobs that were paid for would be sent again"
        )


@_command(_name_option(), name="status")
def status(queue: str, name: str | None, as_json: bool) -> None:
    """Show the batches of a queue, with their jobs by state."""
    from wanflow.queue import admin
    from wanflow.queue.schema import open_queue

    with open_queue(queue) as database:
        found = admin.batches(database, name)
        rows, due = admin.depth(database)
    if as_json:
        for one in found:
            emit("queued_batch", **_facts(one))
        return
    for one in found:
        click.echo(one_line(_describe(one)))
    to_stderr(f"{rows} steps in the queue, {due} of them due" if found else "no batches")


@_command(_name_option(), name="uncertain")
def uncertain(queue: str, name: str | None, as_json: bool) -> None:
    """List jobs that may have been charged without a task, and jobs that were parked."""
    from wanflow.queue import admin
    from wanflow.queue.schema import open_queue

    with open_queue(queue) as database:
        jobs = admin.questionable(database, name)
    for job in jobs:
        facts = {
            "id": job.id,
            "batch": job.batch,
            "line": job.line,
            "idempotency_key": job.key,
            "state": str(job.state),
            "sent_at": isoformat(job.sent_at),
            "sends": job.sends,
            "reason": job.reason,
        }
        if as_json:
            emit("questionable", **facts)
        else:
            click.echo(one_line(f"{job.id}  {job.batch}  {job.state}  {job.key}  {job.reason}"))
    if not as_json:
        to_stderr(
            "no jobs" if not jobs else f"{counted(len(jobs), 'job')}; see wanflow queue --help"
        )


@_command(
    click.Argument(["jobs"], metavar="[JOB]...", nargs=-1, type=int),
    _name_option(),
    click.Option(
        ["--uncertain", "resend"],
        is_flag=True,
        help="Send uncertain submissions again, with their keys; each may be charged twice.",
    ),
    name="retry",
)
def retry(queue: str, jobs: tuple[int, ...], name: str | None, resend: bool, as_json: bool) -> None:
    """Let parked jobs and halted batches go on: all of them, or some JOBs, by their numbers."""
    from wanflow.queue import admin
    from wanflow.queue.engine import Engine
    from wanflow.queue.schema import open_queue

    with open_queue(queue) as database:
        count = admin.retry(database, Engine(), name, list(jobs) or None, uncertain=resend)
    _print_count("retried", count, as_json=as_json)


_JOB = click.Argument(["job"], metavar="JOB", type=int)


def _cost_option() -> click.Option:
    return click.Option(
        ["--credits", "cost"],
        type=click.FloatRange(0),
        metavar="CREDITS",
        help="What it cost at most, if that isn't known: a batch with a limit then goes on.",
    )


@_command(
    _JOB,
    click.Option(["--task", "task_id"], metavar="ID", required=True, help="The id of its task."),
    _cost_option(),
    name="resolve",
)
def resolve(queue: str, job: int, task_id: str, cost: float | None, as_json: bool) -> None:
    """Give an uncertain JOB, by its number, its task. Workers then save the files of the task."""
    from wanflow.queue import user_decisions
    from wanflow.queue.engine import Engine
    from wanflow.queue.schema import open_queue

    with open_queue(queue) as database:
        user_decisions.resolve(database, Engine(), job, task_id, cost)
    _print_count("resolved", 1, as_json=as_json)


@_command(
    _JOB,
    _cost_option(),
    name="discard",
)
def discard(queue: str, job: int, cost: float | None, as_json: bool) -> None:
    """End an uncertain JOB. It is never sent again, and counts as if it had been charged."""
    from wanflow.queue import user_decisions
    from wanflow.queue.schema import open_queue

    with open_queue(queue) as database:
        user_decisions.discard(database, job, cost)
    _print_count("discarded", 1, as_json=as_json)


@_command(_name_option(required=True), name="cancel")
def cancel(queue: str, name: str, as_json: bool) -> None:
    """Send no more jobs of a batch. Jobs that were sent are paid for, and go on."""
    from wanflow.queue import admin
    from wanflow.queue.schema import open_queue

    with open_queue(queue) as database:
        count = admin.cancel(database, name)
    _print_count("canceled", count, as_json=as_json)


@_command(name="restored")
def restored(queue: str, as_json: bool) -> None:
    """Let workers go on after a restore from a backup; all planned jobs are uncertain then.

    They may have been sent since the backup. Stop all workers before.
    """
    from wanflow.queue.restore import acknowledge_restore
    from wanflow.queue.schema import open_queue

    with open_queue(queue) as database:
        count = acknowledge_restore(database)
    _print_count("uncertain", count, as_json=as_json)


def _print_count(what: str, count: int, *, as_json: bool) -> None:
    if as_json:
        emit("queue_changed", what=what, jobs=count)
    else:
        to_stderr(f"{count} {what}")


def _facts(batch: BatchStatus) -> dict[str, Any]:
    return {
        "name": batch.name,
        "folder": batch.folder,
        "jobs": {str(state): count for state, count in sorted(batch.states.items())},
        "parked": batch.parked,
        "credits": batch.total.credits,
        "credits_at_most": batch.total.at_most,
        "max_credits": batch.max_credits,
        "halted": batch.halted,
    }


def _describe(batch: BatchStatus) -> str:
    counts = [f"{count} {state}" for state, count in sorted(batch.states.items())]
    parked = [f"{batch.parked} parked"] if batch.parked else []
    halted = f"; halted: {batch.halted}" if batch.halted else ""
    total = batch.total.describe(batch.max_credits)
    return f"{batch.name}  {', '.join([*counts, *parked])}; {total}{halted}"
