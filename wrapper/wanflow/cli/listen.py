"""`wanflow listen`: receive callbacks, and print the tasks that the API confirms to be done."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from queue import Queue
from threading import Event
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from wanflow.cli.connection import Connection, read_secret
from wanflow.cli.json_output import emit
from wanflow.cli.options import address_options, connection_options, queue_option
from wanflow.cli.streams import reader_is_gone
from wanflow.cli.text import one_line

if TYPE_CHECKING:
    from wanflow.webhooks.events import TaskDone
    from wanflow.webhooks.server import CallbackServer

SECRETS_VARIABLE = "WANFLOW_CALLBACK_SECRETS"
_TASK_FAILED = 7
_MAX_SECRETS_SIZE = 65_536


def _options() -> list[click.Parameter]:
    return [
        click.Argument(["jobs"], metavar="[JOB]...", nargs=-1),
        click.Option(
            ["--public-url"],
            required=True,
            metavar="URL",
            help="Public https URL of this receiver, at your proxy or tunnel.",
        ),
        *address_options(8710),
        click.Option(
            ["--secret-file"],
            type=click.Path(path_type=Path, dir_okay=False),
            help="Secrets that sign the URLs, one a line, newest first; "
            f"default: {SECRETS_VARIABLE}, or a random one for this run.",
        ),
        click.Option(
            ["--local"],
            is_flag=True,
            help="Allow an http or internal URL, for a mock with --loopback-callbacks; "
            "submit such a URL with --no-validate.",
        ),
        queue_option(
            required=False, more=" whose polls callbacks bring forward, by a worker; '' for none"
        ),
        *connection_options(),
    ]


@click.command(params=_options())
def listen(jobs: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Receive callbacks and verify them with the API.

    Each JOB is a name of your choice: submit the printed URL as --callback-url. The command exits
    when the tasks of all jobs are done; without a JOB, it runs until it is stopped.

    With --queue or WANFLOW_QUEUE, it runs until it is stopped, and prints only the URLs: each
    callback lets a worker poll the task now. One URL is enough for a batch, and any number of
    listeners with the same secrets may run.
    """
    queue = options["queue"]
    # Without jobs to wait for, Ctrl+C is the normal way to end.
    with suppress(*(() if jobs and not queue else (KeyboardInterrupt,))):
        if queue:
            _listen_for_queue(jobs, _Output(as_json), options)
        elif _listen(jobs, _Output(as_json), options):
            click.get_current_context().exit(_TASK_FAILED)


def _listen(jobs: tuple[str, ...], output: _Output, options: dict[str, Any]) -> bool:
    """Listen until each job's task is done; return whether one of them failed."""
    from wanflow.webhooks.receiver import Receiver

    server_class, given = _server_class(), _secrets(options["secret_file"])
    events: Queue[TaskDone] = Queue()
    with Connection.from_options(options).client() as client:
        receiver = Receiver(
            [secrets.token_urlsafe(32)] if given is None else given,
            options["public_url"],
            client=client,
            on_task_done=events.put,
            is_job_of=lambda _job, _task_id: True,
            allow_local=options["local"],
        )
        with server_class(receiver.app, host=options["host"], port=options["port"]) as server:
            output.started(server, {job: receiver.url(job) for job in jobs}, options["local"])
            failed = _collect(events, set(jobs), output)
        receiver.close()
    return failed


def _listen_for_queue(jobs: tuple[str, ...], output: _Output, options: dict[str, Any]) -> None:
    """Let workers poll the tasks of callbacks, until an interrupt.

    Raises:
        click.UsageError: no secrets are given.
        ClickException: the extra `webhooks` or `queue` isn't installed.
    """
    from wanflow.webhooks.receiver import Receiver

    server_class, given = _server_class(), _secrets(options["secret_file"])
    if given is None:
        raise click.UsageError(
            f"--queue needs --secret-file or {SECRETS_VARIABLE}: its jobs outlive this command"
        )
    try:
        from wanflow.queue import QueueCallbacks
    except ModuleNotFoundError as missing:
        raise click.ClickException(str(missing)) from missing
    with QueueCallbacks(options["queue"]) as callbacks:
        receiver = Receiver(
            given,
            options["public_url"],
            store=callbacks,
            # The URL is a part of the request, so it is the same whenever a batch is enqueued.
            lifetime=None,
            allow_local=options["local"],
        )
        with (
            receiver.subscribe(callbacks.notify),
            server_class(receiver.app, host=options["host"], port=options["port"]) as server,
        ):
            output.started(server, {job: receiver.url(job) for job in jobs}, options["local"])
            Event().wait()


def _server_class() -> type[CallbackServer]:
    """Import the server.

    Raises:
        ClickException: the extra `webhooks` isn't installed.
    """
    try:
        from wanflow.webhooks.server import CallbackServer
    except ModuleNotFoundError as missing:
        raise click.ClickException(str(missing)) from missing
    return CallbackServer


def _collect(events: Queue[TaskDone], jobs: set[str], output: _Output) -> bool:
    failed = False
    waiting = set(jobs)
    while (waiting or not jobs) and not reader_is_gone():
        event = events.get()
        output.event(event)
        failed |= event.job in waiting and not event.snapshot.succeeded
        waiting.discard(event.job)
    return failed


@frozen
class _Output:
    """Writes events to stdout; other information for people to stderr."""

    as_json: bool

    def started(self, server: CallbackServer, urls: dict[str, str], local: bool) -> None:
        self.listening(server)
        for job, url in urls.items():
            self.url(job, url)
        if urls and local:
            self.local()

    def listening(self, server: CallbackServer) -> None:
        address = f"{server.host}:{server.port}"
        if self.as_json:
            emit("listening", host=server.host, port=server.port)
        else:
            click.echo(f"listening on {address}; stop with Ctrl+C", err=True)

    def url(self, job: str, url: str) -> None:
        if self.as_json:
            emit("url", job=job, callback_url=url)
        else:
            click.echo(f"{one_line(job)} {url}", err=True)

    def local(self) -> None:
        if not self.as_json:
            text = "not a public https URL: submit it with --no-validate, to a mock with"
            click.echo(f"{text} --loopback-callbacks", err=True)

    def event(self, event: TaskDone) -> None:
        snapshot = event.snapshot
        failure = snapshot.failure
        if self.as_json:
            error = {"code": failure.code, "message": failure.message} if failure else None
            facts = {"task_id": snapshot.id, "status": snapshot.status, "urls": list(snapshot.urls)}
            emit("ended", job=event.job, **facts, **({"error": error} if error else {}))
            return
        reason = f": {failure.code}: {failure.message}" if failure else ""
        click.echo(one_line(f"{event.job} {snapshot.id} {snapshot.status}{reason}"))
        for url in snapshot.urls:
            click.echo(one_line(url))


def _secrets(path: Path | None) -> list[str] | None:
    """Return the secrets that are given, also a file without any; None where nothing is given."""
    if path is not None:
        return read_secret(path, "secret file", _MAX_SECRETS_SIZE).split()
    return os.environ.get(SECRETS_VARIABLE, "").split() or None
