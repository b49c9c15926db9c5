"""The `wanflow` program: its commands, imported when called, and its exit."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click
from attrs import frozen
from click.shell_completion import CompletionItem

import wanflow
from wanflow._log import showing_warnings
from wanflow.cli.error_report import CommandContext, report_error
from wanflow.cli.exit_codes import EPILOG, SEE_EXIT_CODES, raise_on_sigterm
from wanflow.cli.json_output import json_schema
from wanflow.cli.progress import show_warning
from wanflow.cli.streams import tolerant_streams

if TYPE_CHECKING:
    from collections.abc import Sequence


@frozen
class CommandSpec:
    """Where a command is defined, its one-line summary, and the extra that it needs.

    `error` is raised without the extra; it decides the exit code.
    """

    target: str
    summary: str
    extra: str = ""
    error: type[click.ClickException] = click.ClickException

    def load(self) -> click.Command:
        """Import the command.

        Raises:
            click.ClickException: a package that the command needs isn't installed.
        """
        module, _, attribute = self.target.partition(":")
        try:
            command: click.Command = getattr(import_module(module), attribute)
        except ModuleNotFoundError as missing:
            if not self.extra:
                raise
            raise self.error(
                f"this command needs {missing.name}; run: pip install 'wanflow[{self.extra}]'"
            ) from missing
        for one in (command, *getattr(command, "commands", {}).values()):
            one.epilog = one.epilog or SEE_EXIT_CODES
        return command


COMMANDS = {
    "run": CommandSpec("wanflow.cli.run:run", "Submit a request, wait, and save the files."),
    "submit": CommandSpec("wanflow.cli.run:submit", "Submit a request and print the task's id."),
    "status": CommandSpec("wanflow.cli.tasks:status", "Show a task's status."),
    "wait": CommandSpec("wanflow.cli.tasks:wait", "Wait for a task and save its files."),
    "download": CommandSpec("wanflow.cli.tasks:download", "Save the files of a finished task."),
    "models": CommandSpec("wanflow.cli.models:models", "List the models, or show one in detail."),
    "check": CommandSpec("wanflow.cli.check:check", "Validate a request without sending it."),
    "estimate": CommandSpec(
        "wanflow.cli.estimate:estimate", "Show what a request will cost, without sending it."
    ),
    "listen": CommandSpec(
        "wanflow.cli.listen:listen", "Receive callbacks and verify them with the API."
    ),
    "batch": CommandSpec(
        "wanflow.cli.batch:batch", "Run many jobs from a file, each charged once."
    ),
    "ledger": CommandSpec(
        "wanflow.cli.ledger:group", "List recorded jobs and resume unfinished ones."
    ),
    "queue": CommandSpec(
        "wanflow.cli.queue:group", "Run batches on several machines: the queue.", "queue"
    ),
    "worker": CommandSpec(
        "wanflow.cli.worker:worker", "Run batches on several machines: a worker.", "queue"
    ),
    "mcp": CommandSpec("wanflow.cli.mcp:mcp", "Serve agents, within a limit of credits.", "mcp"),
    "mock": CommandSpec("wanflow.cli.mock:mock", "Run a mock server.", "mock"),
    "demo": CommandSpec(
        "wanflow.demo.command:demo", "Generate with every model against the mock.", "mock"
    ),
    "contract": CommandSpec(
        "wanflow_contract.command.main:contract",
        "Test a server of the API against its documents.",
        "contract",
        click.UsageError,
    ),
    "drift": CommandSpec(
        "wanflow_contract.drift.command:drift",
        "Compare the spec, the mock and a server, and say which one is alone.",
        "contract",
        click.UsageError,
    ),
    "spec": CommandSpec("wanflow.cli.spec:spec", "Import, merge and check API specs.", "spec"),
}


class LazyGroup(click.Group):
    """A group that imports a command when it is called, and reports errors in one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the command names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        entry = COMMANDS.get(cmd_name)
        return entry.load() if entry else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command.

        Raises:
            click.UsageError: there is none of this name; the message lists the commands.
        """
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"No such command {name!r}. Commands: {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the command list without importing the commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the exit codes, the environment variables and the shell completion."""
        for title, rows in EPILOG:
            with formatter.section(title):
                formatter.write_dl(list(rows))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete commands, without importing them, and options."""
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
        standalone_mode: bool = True,  # noqa: ARG002 - this always exits
        **extra: Any,
    ) -> NoReturn:
        """Run a command line and exit with its code (0, or that of the error)."""
        arguments = sys.argv[1:] if args is None else list(args)
        context = CommandContext(as_json="--json" in arguments)
        with tolerant_streams():
            self._run(arguments, context, prog_name, complete_var, extra)

    def _run(
        self,
        arguments: list[str],
        context: CommandContext,
        prog_name: str | None,
        complete_var: str | None,
        extra: dict[str, Any],
    ) -> NoReturn:
        try:
            with raise_on_sigterm(), showing_warnings(show_warning):
                outcome = super().main(
                    arguments,
                    prog_name,
                    complete_var,
                    standalone_mode=False,
                    **{**extra, "obj": context},
                )
        except click.Abort as abort:
            sys.exit(report_error(abort.__cause__ or KeyboardInterrupt(), context))
        except Exception as error:
            sys.exit(report_error(error, context))
        sys.exit(outcome if isinstance(outcome, int) else 0)


def _print_json_schema(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(json_schema(), nl=False)
        context.exit()


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--json-schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_json_schema,
    help="Print the JSON Schema of what --json prints, and exit.",
)
@click.version_option(wanflow.__version__, prog_name="wanflow", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Generate images and videos: submit, wait, download.

    \b
      wanflow models                     list the models
      wanflow run MODEL --help           show the parameters of a model
      wanflow run MODEL --prompt "…" -o out/
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
