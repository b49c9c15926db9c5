"""The commands of `wanflow`, each imported when it is called, and how any of them ends."""

from __future__ import annotations

import sys
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click
from attrs import frozen
from click.shell_completion import CompletionItem

import wanflow
from wanflow.cli.error_report import CommandContext, report_error
from wanflow.cli.exit_codes import EPILOG, raise_on_sigterm

if TYPE_CHECKING:
    from collections.abc import Sequence


@frozen
class CommandSpec:
    """Where a command is defined, what it does, and the extra without which it can't."""

    target: str
    summary: str
    extra: str = ""

    def load(self) -> click.Command:
        """Import the command.

        Raises:
            click.ClickException: a package that it needs isn't installed.
        """
        module, _, attribute = self.target.partition(":")
        try:
            command: click.Command = getattr(import_module(module), attribute)
        except ModuleNotFoundError as missing:
            if not self.extra:
                raise
            raise click.ClickException(
                f"this command needs {missing.name}; run: pip install 'wanflow[{self.extra}]'"
            ) from missing
        return command


COMMANDS = {
    "run": CommandSpec("wanflow.cli.run:run", "Submit, wait, and save what was made."),
    "submit": CommandSpec("wanflow.cli.run:submit", "Submit, and print the task's id."),
    "status": CommandSpec("wanflow.cli.tasks:status", "Look at a task once."),
    "wait": CommandSpec("wanflow.cli.tasks:wait", "Wait for a task, and save what it made."),
    "download": CommandSpec("wanflow.cli.tasks:download", "Save what an ended task made."),
    "models": CommandSpec(
        "wanflow.cli.models:models", "List the models, or one with all it takes."
    ),
    "check": CommandSpec("wanflow.cli.check:check", "Check a request without sending it."),
    "listen": CommandSpec(
        "wanflow.cli.listen:listen", "Wait for callbacks, and check them.", "webhooks"
    ),
    "batch": CommandSpec("wanflow.cli.batch:batch", "Do many jobs from a file, each paid once."),
    "ledger": CommandSpec("wanflow.cli.ledger:group", "Look at what was paid for, and resume."),
    "mock": CommandSpec("wanflow.cli.mock:mock", "Serve a gateway that costs nothing.", "mock"),
    "spec": CommandSpec("wanflow.cli.spec:spec", "Import, merge and check documents.", "spec"),
}


class LazyGroup(click.Group):
    """A group that knows its commands by a table, and ends each error with a sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names, in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        entry = COMMANDS.get(cmd_name)
        return entry.load() if entry else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, or say which there are."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"{name!r} is none of the commands {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the exit codes and the environment, line by line."""
        for title, rows in EPILOG:
            with formatter.section(title):
                formatter.write_dl(list(rows))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the commands without importing any, and the options."""
        commands = [
            CompletionItem(name, help=entry.summary)
            for name, entry in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: ARG002 - it always ends the process
        **extra: Any,
    ) -> NoReturn:
        """Run a command line and exit: 0, or the code of the error's kind."""
        arguments = sys.argv[1:] if args is None else list(args)
        _escape_unencodable(sys.stdout)
        situation = CommandContext(as_json="--json" in arguments)
        try:
            with raise_on_sigterm():
                outcome = super().main(
                    arguments,
                    prog_name,
                    complete_var,
                    standalone_mode=False,
                    **{**extra, "obj": situation},
                )
        except click.Abort as abort:
            sys.exit(report_error(abort.__cause__ or KeyboardInterrupt(), situation))
        except Exception as error:
            sys.exit(report_error(error, situation))
        sys.exit(outcome if isinstance(outcome, int) else 0)


def _escape_unencodable(stream: TextIO) -> None:
    """Have characters that the stream's encoding lacks escaped instead of refused."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(wanflow.__version__, prog_name="wanflow", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Generate images and videos: submit, wait, download.

    \b
      wanflow models                     what there is
      wanflow run MODEL --help           what a model takes
      wanflow run MODEL --prompt "…" -o out/
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
