"""The reference of the command line: the help of every command, and the exit codes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from unittest.mock import patch

import click

from wanflow.cli import main
from wanflow.cli.exit_codes import EXIT_CODES, UNEXPECTED
from wanflow.cli.main import COMMANDS
from wanflow.errors import WanflowError
from wanflow.spec.errors import EXIT_CODES as SPEC_CODES
from wanflow_contract.command.exit_codes import EXIT_CODES as CONTRACT_CODES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WIDTH = 100
# They have a command for each model, whose parameters are those that `run` shows.
_LIKE_RUN = ("submit", "check", "estimate")


def commands_page() -> str:
    """Return the help of the program and of each command, as they print it."""
    names = "".join(
        f"- [wanflow {name}](#wanflow-{name}): {COMMANDS[name].summary}\n" for name in COMMANDS
    )
    parts = [
        f"# Commands\n\nWhat `--help` prints.\n\n{names}",
        *(f"## {path}\n\n```text\n{text}```\n" for path, text in _helps(main, "wanflow", None)),
    ]
    return "\n".join(parts)


def _helps(
    command: click.Command, name: str, parent: click.Context | None
) -> Iterator[tuple[str, str]]:
    with patch.dict(os.environ, {"COLUMNS": str(_WIDTH), "NO_COLOR": "1"}):
        # Without its own settings, the command would keep a help option without -h.
        wide = {"terminal_width": _WIDTH, "max_content_width": _WIDTH}
        settings = {**command.context_settings, **wide}
        context = click.Context(command, info_name=name, parent=parent, **settings)
        yield context.command_path, click.unstyle(command.get_help(context)) + "\n"
    if isinstance(command, click.Group) and name not in _LIKE_RUN:
        for one in command.list_commands(context):
            inside = command.get_command(context, one)
            if inside is not None:
                yield from _helps(inside, one, context)


def exit_codes_page() -> str:
    """Return the table of exit codes, from the table that the program uses."""
    codes = sorted((UNEXPECTED, *EXIT_CODES), key=lambda one: one.code)
    rows = [(str(one.code), f"`{one.kind}`", one.meaning, _errors(one.causes)) for one in codes]
    return (
        "# Exit codes\n\n"
        "`kind` is the field of the last line with `--json`: see [JSON](../cli-json.md).\n\n"
        + _table(("code", "kind", "meaning", "errors"), [("0", "", "success", ""), *rows])
        + "\n## wanflow contract, wanflow drift\n\n"
        + _table(("code", "meaning"), [(str(int(code)), text) for code, text in CONTRACT_CODES])
        + "\n## wanflow spec\n\n"
        + _table(("code", "meaning"), [(str(code), text) for code, text in SPEC_CODES])
    )


def _errors(causes: tuple[type[BaseException], ...]) -> str:
    ours = [one.__name__ for one in causes if issubclass(one, WanflowError)]
    return ", ".join(f"[{name}](../errors/{name}.md)" for name in ours)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
