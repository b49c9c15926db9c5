"""`wanflow listen`: wait for callbacks, and print the ends that the API confirms."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from wanflow.cli.connection import Connection
from wanflow.cli.options import connection_options
from wanflow.cli.text import one_line
from wanflow.errors import ConfigurationError
from wanflow.webhooks.receiver import Receiver
from wanflow.webhooks.server import CallbackServer

if TYPE_CHECKING:
    from wanflow.webhooks.events import TaskDone

SECRETS_VARIABLE = "WANFLOW_CALLBACK_SECRETS"
_TASK_FAILED = 7
_LONGEST_SECRETS = 65_536


def _options() -> list[click.Parameter]:
    return [
        click.Argument(["jobs"], metavar="[JOB]...", nargs=-1),
        click.Option(
            ["--public-url"],
            required=True,
            metavar="URL",
            help="Where the API reaches this: https, and led here by your proxy or tunnel.",
        ),
        click.Option(["--host"], default="127.0.0.1", show_default=True, help="Address to bind."),
        click.Option(
            ["--port"],
            type=click.IntRange(0, 65535),
            default=8710,
            show_default=True,
            help="Port to bind; 0 takes a free one.",
        ),
        click.Option(
            ["--secret-file"],
            type=click.Path(path_type=Path, dir_okay=False),
            help=f"Secrets that sign the URLs, one a line, newest first; else {SECRETS_VARIABLE}, "
            "else one that is drawn for this run.",
        ),
        click.Option(
            ["--local"],
            is_flag=True,
            help="Let the URL be http, or internal: for a mock that has --loopback-callbacks; "
            "such a URL is submitted with --no-validate.",
        ),
        *connection_options(),
    ]


@click.command(params=_options())
def listen(jobs: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Listen for callbacks, and print each end that the API confirms.

    Each JOB is a name of your own: its callback URL is printed, to be submitted as
    --callback-url, and the command is done when each has ended. Without any it goes on until it
    is stopped.
    """
    # With nothing left to wait for, being stopped is how it ends.
    with suppress(*(() if jobs else (KeyboardInterrupt,))):
        if _listen(jobs, _Output(as_json), options):
            click.get_current_context().exit(_TASK_FAILED)


def _listen(jobs: tuple[str, ...], voice: _Output, options: dict[str, Any]) -> bool:
    """Listen until each job has ended → whether a job's task has failed."""
    ends: Queue[TaskDone] = Queue()
    with Connection.from_options(options).client() as client:
        receiver = Receiver(
            _secrets(options["secret_file"]),
            options["public_url"],
            client=client,
            on_task_done=ends.put,
            is_job_of=lambda _job, _task_id: True,
            allow_local=options["local"],
        )
        urls = {job: receiver.url(job) for job in jobs}
        with CallbackServer(receiver.app, host=options["host"], port=options["port"]) as listener:
            voice.listening(listener)
            for job, url in urls.items():
                voice.url(job, url)
            if urls and options["local"]:
                voice.local()
            failed = _collect(ends, set(jobs), voice)
        receiver.close()
    return failed


def _collect(ends: Queue[TaskDone], jobs: set[str], voice: _Output) -> bool:
    failed = False
    waiting = set(jobs)
    while waiting or not jobs:
        end = ends.get()
        voice.end(end)
        failed |= end.job in waiting and not end.snapshot.succeeded
        waiting.discard(end.job)
    return failed


@frozen
class _Output:
    """Ends go to stdout; what people need to know besides goes to stderr."""

    as_json: bool

    def listening(self, listener: CallbackServer) -> None:
        where = f"{listener.host}:{listener.port}"
        if self.as_json:
            _emit("listening", host=listener.host, port=listener.port)
        else:
            click.echo(f"listening on {where}; stop with Ctrl+C", err=True)

    def url(self, job: str, url: str) -> None:
        if self.as_json:
            _emit("url", job=job, callback_url=url)
        else:
            click.echo(f"{one_line(job)} {url}", err=True)

    def local(self) -> None:
        if not self.as_json:
            told = "a URL that isn't public https: submit with --no-validate, to a mock that has"
            click.echo(f"{told} --loopback-callbacks", err=True)

    def end(self, end: TaskDone) -> None:
        seen = end.snapshot
        failure = seen.failure
        if self.as_json:
            error = {"code": failure.code, "message": failure.message} if failure else None
            facts = {"task_id": seen.id, "status": seen.status, "urls": list(seen.urls)}
            _emit("ended", job=end.job, **facts, **({"error": error} if error else {}))
            return
        told = f": {failure.code}: {failure.message}" if failure else ""
        click.echo(one_line(f"{end.job} {seen.id} {seen.status}{told}"))
        for url in seen.urls:
            click.echo(one_line(url))


def _emit(event: str, **facts: Any) -> None:
    click.echo(json.dumps({"event": event, **facts}))


def _secrets(path: Path | None) -> list[str]:
    if path is not None:
        return _read(path).split()
    return os.environ.get(SECRETS_VARIABLE, "").split() or [secrets.token_urlsafe(32)]


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_LONGEST_SECRETS)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it isn't text"
        raise ConfigurationError(f"the secret file {path} can't be read: {reason}") from None
