"""`python -m wanflow.demo`: generate with every model, and save the files."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wanflow.cli.error_report import CommandContext, report_error
from wanflow.cli.progress import make_display
from wanflow.cli.text import printable
from wanflow.demo.requests import demo_requests
from wanflow.demo.run import ASYNC, SYNC, DemoTask, run_tasks, table
from wanflow.demo.targets import Mock, gateway_from_environment, missing_variable_notice
from wanflow.mock import MockServer, MockUnavailable

if TYPE_CHECKING:
    from wanflow.demo.targets import Gateway, Target

# Long enough to watch, short enough to wait for. With a right estimate, nothing would be looked
# at before its end, and no progress be seen.
_PACE = "seconds=4,estimate=wrong"
_DECLINED, _INTERRUPTED = 1, 130


@click.command()
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out"),
    show_default=True,
    help="The folder for the files.",
)
@click.option("--yes", is_flag=True, help="Spend credits without asking.")
def demo(out: Path, yes: bool) -> None:
    """Generate with every model, half of them on each client, and save the files.

    Runs against the bundled mock, unless the environment names a gateway and a key.
    """
    gateway = gateway_from_environment()
    try:
        if gateway is None:
            _on_the_mock(out)
        else:
            _for_credits(gateway, out, agreed=yes)
    except Exception as error:
        sys.exit(report_error(error, CommandContext()))


def _on_the_mock(out: Path) -> None:
    missing = missing_variable_notice()
    if missing:
        click.echo(missing, err=True)
    try:
        with MockServer(progression=_PACE) as server:
            click.echo(f"The bundled mock is at {server.base_url}", err=True)
            _perform(Mock(server), out)
    except MockUnavailable as error:
        raise click.ClickException(str(error)) from error


def _for_credits(gateway: Gateway, out: Path, *, agreed: bool) -> None:
    with gateway.client() as client:
        count = len(client.models())
    click.echo(
        f"WANFLOW_API_KEY and WANFLOW_BASE_URL are set: this submits {count} generations to "
        f"{gateway.host}, and spends real credits there.",
        err=True,
    )
    if not agreed and not _agrees():
        click.echo("Nothing was submitted.", err=True)
        sys.exit(_DECLINED)
    _perform(gateway, out)


def _agrees() -> bool:
    if not sys.stdin.isatty():
        click.echo("There is no terminal to ask on; --yes goes on without asking.", err=True)
        return False
    click.echo("Type yes to go on: ", err=True, nl=False)
    return sys.stdin.readline().strip().lower() == "yes"


def _perform(place: Target, out: Path) -> None:
    with place.client() as client:
        wishes = demo_requests(client.models())
    display = make_display()
    records = [
        DemoTask(wish, SYNC if number % 2 == 0 else ASYNC, display)
        for number, wish in enumerate(wishes)
    ]
    try:
        with display:
            run_tasks(records, place, out)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        if place.charges:
            _tell_what_goes_on(records, out)
        sys.exit(_INTERRUPTED)
    click.echo(f"\n{table(records)}")
    if any(not record.files for record in records):
        sys.exit(1)


def _tell_what_goes_on(records: list[DemoTask], out: Path) -> None:
    click.echo("Tasks that were submitted go on, and these save what they make:", err=True)
    for record in records:
        if record.task_id and not record.files:
            words = ["wanflow", "wait", record.task_id, "-o", str(out)]
            click.echo(printable(f"  {shlex.join(words)}"), err=True)


if __name__ == "__main__":
    demo(prog_name="python -m wanflow.demo")
