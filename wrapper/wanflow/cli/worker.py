"""`wanflow worker`: run the steps of jobs in a queue until it is stopped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wanflow.cli.connection import Connection
from wanflow.cli.exit_codes import handle_stop_signals
from wanflow.cli.options import connection_options, queue_option
from wanflow.cli.progress import to_stderr

if TYPE_CHECKING:
    from collections.abc import Callable

_SIGNAL_EXIT_BASE = 128


def _options() -> list[click.Parameter]:
    return [
        queue_option(),
        click.Option(
            ["--submissions"],
            type=click.IntRange(1),
            default=8,
            show_default=True,
            help="Submissions in flight; so many can become uncertain if the worker is killed.",
        ),
        click.Option(
            ["--polls"],
            type=click.IntRange(1),
            default=100,
            show_default=True,
            help="Polls and downloads in flight.",
        ),
        click.Option(
            ["--metrics-port"],
            type=click.IntRange(0, 65535),
            help="Serve /metrics and /healthz at this port.",
        ),
        click.Option(
            ["--metrics-host"],
            default="127.0.0.1",
            show_default=True,
            help="Address for --metrics-port.",
        ),
        click.Option(
            ["--lease"],
            type=click.FloatRange(0, min_open=True),
            default=30.0,
            show_default=True,
            help="Seconds after which another worker goes on with the steps of a dead one.",
        ),
        click.Option(
            ["--spool"],
            type=click.Path(path_type=Path, file_okay=False),
            help="Folder for outcomes that the database can't take (default: in your data folder).",
        ),
        *(one for one in connection_options() if one.name != "as_json"),
    ]


@click.command(params=_options())
def worker(**options: Any) -> None:
    """Run jobs of a queue. SIGTERM or Ctrl-C finishes what is in flight, and exits."""
    from wanflow.async_client import AsyncClient
    from wanflow.queue import StopSignal, Worker

    connection = Connection.from_options(options)
    stop = StopSignal()
    run = Worker(
        AsyncClient(connection.key(), connection.base_url),
        options["queue"],
        submissions=options["submissions"],
        polls=options["polls"],
        metrics_port=options["metrics_port"],
        metrics_host=options["metrics_host"],
        lease=options["lease"],
        spool=options["spool"],
    )
    to_stderr("the worker is running; stop it with Ctrl-C or SIGTERM")
    with handle_stop_signals(_stopper(stop.set), _exit_now):
        run.run(stop)


def _stopper(stop: Callable[[], None]) -> Callable[[int], None]:
    return lambda _: stop()


def _exit_now(number: int) -> None:
    # What is in flight is decided by other workers, after the lease.
    os._exit(_SIGNAL_EXIT_BASE + number)
