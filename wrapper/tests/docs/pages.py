"""Reads the code blocks of a page of docs/, and runs its commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
from click.testing import CliRunner

from wanflow.cli import main

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_EXIT = re.compile(r"# exit code (\d+)$")
_FILE = re.compile(
    r"`([\w.-]+\.(?:jsonl|csv))`[^`\n]*:\n\n```\w+\n(.*?)^```", re.DOTALL | re.MULTILINE
)


def page(name: str) -> str:
    """Return the text of a page."""
    return (DOCS / name).read_text("utf-8")


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a language, also those inside of lists."""
    return [
        re.sub(rf"^{match[1]}", "", match[3], flags=re.MULTILINE)
        for match in _BLOCK.finditer(text)
        if match[2] == language
    ]


def files(text: str) -> dict[str, str]:
    """Return the files that a page shows under their names."""
    return dict(_FILE.findall(text))


def commands(text: str) -> list[str]:
    """Return the lines of the shell blocks that begin with `wanflow`."""
    lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("wanflow ")]


def words(line: str) -> list[str]:
    """Return the arguments of a line, without the program, comments and a final `&`."""
    found = shlex.split(line, comments=True)[1:]
    return found[:-1] if found and found[-1] == "&" else found


def run(line: str, **environment: str) -> str:
    """Run a command of a page; it must end with the exit code that its comment names, or with 0."""
    wanted = _EXIT.search(line)
    done = CliRunner(env=environment).invoke(main, words(line))
    assert done.exit_code == (int(wanted[1]) if wanted else 0), f"{line}: {done.output}"
    return done.output


def parse(command: click.Command, name: str, arguments: list[str]) -> None:
    """Parse arguments as a command does, and those of a command inside of it.

    Raises:
        click.ClickException: the command, an option or a value doesn't exist.
    """
    context = command.make_context(name, list(arguments))
    if not isinstance(command, click.Group):
        return
    if name == "contract" and arguments[:1] and arguments[0] not in command.list_commands(context):
        arguments = ["run", *arguments]  # what it runs by itself
    if arguments and not arguments[0].startswith("-"):
        inner = command.get_command(context, arguments[0])
        if inner is None:
            raise click.UsageError(f"wanflow {name} has no {arguments[0]}")
        parse(inner, f"{name} {arguments[0]}", arguments[1:])
