"""Commands in sentences and tables name what exists: commands, options, targets and modules."""

from __future__ import annotations

import re
import shlex
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click
import pytest

from tests.docs.pages import ROOT
from tests.docs.test_every_page import PAGES
from wanflow.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCE = re.compile(r"^( *)```.*?^\1```$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
_VARIABLES = set(re.findall(r"^GIVEN := (.*)", (ROOT / "Makefile").read_text(), re.M)[0].split())
_PLACEHOLDER = re.compile(r"[A-Z_]+…?|…|\[.*")
# Options of other programs, which pages name by themselves.
_OF_OTHERS = {"--build-arg", "--default-non-nullable", "--lf", "--preload", "--read-only"}
_DEFINED = re.compile(r'"(--[a-z][a-z-]+)["{]')


def inline(text: str) -> list[str]:
    """Return the code in sentences and tables, each in one line."""
    return [" ".join(found.split()) for found in _INLINE.findall(_FENCE.sub("", text))]


INLINE = [(name, one) for name in PAGES for one in inline((ROOT / name).read_text("utf-8"))]
COMMANDS = sorted({one for one in INLINE if re.match(r"(wanflow|make|python -m) ", one[1])})
OPTIONS = sorted({one for one in INLINE if re.match(r"--[a-z]", one[1])})


@pytest.mark.parametrize(("name", "line"), COMMANDS)
def test_a_command_in_a_sentence_exists(name: str, line: str) -> None:
    """With its subcommand and each of its options."""
    check(line)


@pytest.mark.parametrize(
    "line",
    [
        *("wanflow batches", "wanflow ledger resolves JOB", "wanflow run --max-credit 10"),
        *(
            "wanflow contract explains NAME",
            "wanflow spec diff --nothing",
            "wanflow mock --prompt x",
        ),
        *("make nothing", "make test FOO=1", "python -m benchmarks.nothing"),
    ],
)
def test_a_wrong_command_would_be_noticed(line: str) -> None:
    """The test above can fail."""
    with pytest.raises(AssertionError):
        check(line)


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_an_option_in_a_sentence_exists(name: str, option: str) -> None:
    """Some command has it, or it is one of another program that pages name."""
    word = re.split(r"[ =]", option)[0]
    assert word in all_options()


def test_each_option_of_another_program_is_on_a_page() -> None:
    """The list doesn't grow by itself."""
    assert {re.split(r"[ =]", option)[0] for _, option in OPTIONS} >= _OF_OTHERS


def check(line: str) -> None:
    """Check that what a line names exists."""
    match shlex.split(line):
        case ["make", *rest]:
            for one in rest:
                variable, given, _ = one.strip("[]").partition("=")
                assert variable in (_VARIABLES if given else _TARGETS), one
        case ["python", "-m", module, *_]:
            assert find_spec(module), module
        case ["wanflow", *rest]:
            _check_words(main, rest)


def _check_words(command: click.Command, words: list[str]) -> None:
    found, is_value = command, False
    for word in words:
        if word == "--":
            break  # what follows is for pytest
        if word.startswith("-") and word != "-":
            known = options_of(found)
            assert word.partition("=")[0] in known, f"{found.name} has no {word}"
            is_value = "=" not in word
        elif isinstance(found, click.Group) and not is_value and not _PLACEHOLDER.fullmatch(word):
            inner = found.get_command(click.Context(found), word)
            is_url = inner is None and "://" in word  # of what `contract` runs by itself
            assert inner or is_url, f"{found.name} has no {word}"
            found = inner or found
        else:
            is_value = False


def options_of(command: click.Command) -> set[str]:
    """Return the options of a command, and of those inside that it may run by itself."""
    named = {word for one in command.params for word in (*one.opts, *one.secondary_opts)}
    if isinstance(command, click.Group) and command is not main:
        named |= {word for inner in inside(command) for word in options_of(inner)}
    return named | {"-h", "--help"}


def inside(command: click.Group) -> Iterator[click.Command]:
    """Yield the commands of a group."""
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield inner


@cache
def all_options() -> set[str]:
    """Return each option that any command has."""
    folders = ("contract_tests", "benchmarks", "wrapper/wanflow/cli")
    programs = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    defined = {word for one in programs for word in _DEFINED.findall(one.read_text("utf-8"))}
    return _OF_OTHERS | defined | options_of(main).union(*map(options_of, inside(main)))
