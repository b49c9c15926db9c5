"""The group `wanflow contract`: without the name of a subcommand, it runs the suite."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from wanflow_contract.command.exit_codes import EXIT_CODES, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

_NEEDED = ("pytest", "xdist", "hypothesis", "schemathesis", "requests", "httptools")
_RUN = "run"
# The module and the attribute of each subcommand, and its summary.
_SUBCOMMANDS = {
    _RUN: ("wanflow_contract.command.run:run", "Test a server (the default)."),
    "explain": (
        "wanflow_contract.command.triage:explain",
        "Explain a check or a finding.",
    ),
    "replay": (
        "wanflow_contract.command.triage:replay",
        "Send the requests of a finding again.",
    ),
    "proxy": (
        "wanflow_contract.command.watch:proxy",
        "Forward requests to a server, and judge the exchanges.",
    ),
    "read": (
        "wanflow_contract.command.watch:read",
        "Judge the exchanges of a HAR file.",
    ),
}


class _Contract(click.Group):
    """A group that runs the suite if its first argument is not a subcommand."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert the default subcommand.

        Raises:
            click.UsageError: a package of the extra isn't installed, and the help isn't asked for.
        """
        missing = [name for name in _NEEDED if find_spec(name) is None]
        if missing and not {"-h", "--help"} & set(args):
            raise click.UsageError(
                f"this command needs {missing[0]}; run: pip install 'wanflow[contract]'"
            )
        named = bool(args) and args[0] in _SUBCOMMANDS
        return super().parse_args(ctx, list(args) if named else [_RUN, *args])

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names of the subcommands."""
        return list(_SUBCOMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand."""
        if cmd_name not in _SUBCOMMANDS:
            return None
        module, _, attribute = _SUBCOMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        command.epilog = command.epilog or "wanflow contract --help lists the exit codes."
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a subcommand; an unexpected error never ends with the exit code of findings."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            click.echo(f"wanflow contract: unexpected {type(error).__name__}: {error}", err=True)
            return int(ExitCode.SUITE_ERROR)


def help_sections() -> Sequence[tuple[str, list[tuple[str, str]]]]:
    """Return the other subcommands and the exit codes, for the help text."""
    others = [(name, text) for name, (_, text) in _SUBCOMMANDS.items() if name != _RUN]
    return [
        ("Subcommands", others),
        (
            "Environment",
            [
                ("WANFLOW_API_KEY", "the API key of the server"),
                ("WANFLOW_CONTRACT_API_KEY", "the same, for this command only"),
                ("WANFLOW_CONTRACT_API_KEY2", "the key of a second account"),
            ],
        ),
        (
            "Exit codes (those of the other commands differ)",
            [(str(int(code)), meaning) for code, meaning in EXIT_CODES],
        ),
    ]


@click.group(cls=_Contract, add_help_option=False)
def contract() -> None:
    """Test a server of the API against its documents, and work with the findings."""
