"""`wanflow demo`: generate with every model, and save the files."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wanflow._storage.storage import check_writable
from wanflow.cli.error_report import CommandContext, report_error
from wanflow.cli.exit_codes import exit_code_for
from wanflow.cli.ledger_options import open_ledger
from wanflow.cli.progress import make_display
from wanflow.cli.text import printable
from wanflow.demo.requests import demo_requests
from wanflow.demo.run import ASYNC, SYNC, DemoTask, run_tasks, table
from wanflow.demo.targets import Gateway, Mock, gateway_from_environment, missing_variable_notice
from wanflow.mock import MockServer, MockUnavailable
from wanflow.mock.files.media import available

if TYPE_CHECKING:
    from wanflow.demo.targets import Target

# Long enough to show progress. With a correct estimate, the first poll would be after the end.
_PROGRESSION = "seconds=4,estimate=wrong"
_SMALL_FILES = "The files are small placeholders: pip install 'wanflow[media]' for real ones"
_DECLINED = 1


@click.command()
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out"),
    show_default=True,
    help="Directory for the files.",
)
@click.option("--yes", is_flag=True, help="Spend credits without asking.")
def demo(out: Path, yes: bool) -> None:
    """Generate with every model, half of them with each client, and save the files.

    Uses the bundled mock, unless the environment sets WANFLOW_BASE_URL and WANFLOW_API_KEY.
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
        with MockServer(progression=_PROGRESSION) as server:
            click.echo(f"The bundled mock is at {server.base_url}", err=True)
            if not available():
                click.echo(_SMALL_FILES, err=True)
            _run(Mock(server), out)
    except MockUnavailable as error:
        raise click.ClickException(str(error)) from error


def _for_credits(gateway: Gateway, out: Path, *, agreed: bool) -> None:
    with gateway.client() as client:
        count = len(client.models())
    click.echo(
        f"WANFLOW_API_KEY and WANFLOW_BASE_URL are set: this submits {count} generations to "
        f"{gateway.host}, and spends real credits.",
        err=True,
    )
    if not agreed and not _confirmed():
        click.echo("Nothing was submitted.", err=True)
        sys.exit(_DECLINED)
    with open_ledger(None, create=True) as ledger:
        _run(Gateway(ledger=ledger), out)


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        click.echo("There is no terminal to ask for confirmation; use --yes.", err=True)
        return False
    click.echo("Type yes to continue: ", err=True, nl=False)
    return sys.stdin.readline().strip().lower() == "yes"


def _run(target: Target, out: Path) -> None:
    check_writable(out)
    with target.client() as client:
        requests = demo_requests(client.models())
    display = make_display()
    tasks = [
        DemoTask(request, SYNC if number % 2 == 0 else ASYNC, display)
        for number, request in enumerate(requests)
    ]
    try:
        with display:
            run_tasks(tasks, target, out)
    except KeyboardInterrupt as interrupt:
        click.echo("interrupted", err=True)
        if target.charges:
            _print_resume_commands(tasks, out)
        sys.exit(exit_code_for(interrupt).code)
    click.echo(f"\n{table(tasks)}")
    if any(not task.files for task in tasks):
        sys.exit(1)


def _print_resume_commands(tasks: list[DemoTask], out: Path) -> None:
    click.echo("Submitted tasks are still running; save their results with:", err=True)
    for task in tasks:
        if task.task_id and not task.files:
            command = ["wanflow", "wait", task.task_id, "-o", str(out)]
            click.echo(printable(f"  {shlex.join(command)}"), err=True)
    click.echo(
        "wanflow ledger resume names those that may have been charged and whose id isn't known",
        err=True,
    )
