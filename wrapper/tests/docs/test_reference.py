"""The pages that are made from the code have all of it: found in the code in another way."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import click
import pytest
from docs_build import reference_mock
from docs_build.reference_catalogues import change_ids_page, checks_page, failure_codes_page
from docs_build.reference_commands import commands_page, exit_codes_page

from tests.docs.pages import ROOT, page
from wanflow.cli.main import COMMANDS
from wanflow.mock.gateway.failures import FAILURE_MESSAGES
from wanflow.spec.errors import UNEXPECTED
from wanflow_contract.command.exit_codes import INTERRUPTED, TERMINATED
from wanflow_contract.command.exit_codes import ExitCode as ContractCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CODE = [*(ROOT / "wrapper/wanflow").rglob("*.py")]
SUITE = [*(ROOT / "contract_tests/wanflow_contract").rglob("*.py")]
LIKE_RUN = {"wanflow submit", "wanflow check", "wanflow estimate"}


def calls(paths: list[Path], name: str) -> Iterator[ast.Call]:
    """Yield each call of a function or class, by its name."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name:
                yield node


def commands(
    command: click.Command, path: str, parent: click.Context | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Yield each command with its options, but not the commands of single models."""
    context = click.Context(command, info_name=path, parent=parent, **command.context_settings)
    shown = [one for one in command.get_params(context) if not getattr(one, "hidden", False)]
    yield path, [name for one in shown if isinstance(one, click.Option) for name in one.opts]
    if isinstance(command, click.Group) and path not in LIKE_RUN:
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, f"{path} {name}", context)


HELPS = dict(re.findall(r"^## (wanflow.*?)\n\n```text\n(.*?)```$", commands_page(), re.S | re.M))


class TestCommands:
    """Each command has its help, with each of its options."""

    @pytest.mark.parametrize("name", COMMANDS)
    def test_each_command(self, name: str) -> None:
        """And each command inside of it."""
        found = dict(commands(COMMANDS[name].load(), f"wanflow {name}"))
        missing = {
            path: [one for one in options if one not in HELPS[path]]
            for path, options in found.items()
        }
        assert {path: names for path, names in missing.items() if names} == {}

    def test_nothing_else(self) -> None:
        """A command that is gone has no help."""
        there = {path for n in COMMANDS for path, _ in commands(COMMANDS[n].load(), f"wanflow {n}")}
        assert set(HELPS) == {"wanflow", *there}


class TestExitCodes:
    """Each code with which a program can end is in the table of that program."""

    OURS, CONTRACT, SPEC = (
        {int(code) for code in re.findall(r"^\| (\d+) \|", part, re.M)}
        for part in re.split(r"^## .*$", exit_codes_page(), flags=re.M)
    )

    def test_those_of_the_commands(self) -> None:
        """They are declared one by one, and no other number is written."""
        declared = {
            one.args[0].value
            for one in calls(CODE, "ExitCode")
            if isinstance(one.args[0], ast.Constant)
        }
        assert len(declared) > 15
        assert {0, *declared} == self.OURS

    def test_those_of_the_suite(self) -> None:
        """Also where it is interrupted."""
        assert {*map(int, ContractCode), INTERRUPTED, TERMINATED} == self.CONTRACT

    def test_those_of_the_pipeline(self) -> None:
        """Of every class of its errors."""
        text = (ROOT / "wrapper/wanflow/spec/errors.py").read_text("utf-8")
        declared = {int(code) for code in re.findall(r"exit_code: ClassVar.* = (\d+)$", text, re.M)}
        assert len(declared) > 5
        assert {0, 2, UNEXPECTED, *declared} == self.SPEC

    def test_no_program_ends_with_another_number(self) -> None:
        """A number that is written beside a call that ends one is in a table."""
        ends = re.compile(r"(?:sys\.exit|SystemExit|\.exit)\((\d+)\)|returncode=(\d+)")
        for paths, known in ((CODE, self.OURS), (SUITE, self.CONTRACT)):
            for path in paths:
                for numbers in ends.findall(path.read_text("utf-8")):
                    assert int(next(filter(None, numbers))) in known, path


class TestCatalogues:
    """Checks, ids of changes, and codes of failures."""

    def test_each_check_is_described(self) -> None:
        """By its name, and no other is."""
        named = [one.args[0].value for one in calls(SUITE, "Check") if one.args]
        assert len(named) > 100
        assert set(re.findall(r"^## (\S+)$", checks_page(), re.M)) == set(named)

    def test_each_id_of_a_change_is_described(self) -> None:
        """On the generated page, and on the one that explains them."""
        used = {one for path in CODE for one in re.findall(r"\bWF\d{3}\b", path.read_text("utf-8"))}
        assert len(used) > 50
        assert set(re.findall(r"^### (WF\d{3})$", change_ids_page(), re.M)) == used
        assert set(re.findall(r"^\| (WF\d{3}) \|", page("changes.md"), re.M)) == used

    def test_each_code_of_a_failed_task_is_described(self) -> None:
        """Those of the documents, with which the mock lets a task fail."""
        listed = set(re.findall(r"^\| `(\w+)` \|", failure_codes_page(), re.M))
        assert len(FAILURE_MESSAGES) > 5
        assert set(FAILURE_MESSAGES) == listed


class TestAdminApi:
    """Each operation of the mock has an example."""

    def test_an_operation_without_an_example_stops_the_build(self) -> None:
        """So does an example without an operation."""
        named = {one.operation for one in reference_mock.EXAMPLES if "ID" not in one.operation}
        for changed in (named | {"GET /_mock/new"}, named - {"GET /_mock/health"}):
            with pytest.raises(LookupError, match=r"/_mock/new|/_mock/health"):
                reference_mock._check_complete(changed)

    def test_the_operations_with_an_id_have_examples(self) -> None:
        """Those are patterns in the code."""
        text = (ROOT / "wrapper/wanflow/mock/admin/api.py").read_text("utf-8")
        patterns = re.findall(r're\.compile\(r"(/_mock/[^"]+)"', text)
        paths = [re.sub(r"\(.*?\)", "ID", one) for one in patterns]
        assert len(paths) == 2
        shown = {one.operation.split()[1] for one in reference_mock.EXAMPLES}
        assert set(paths) <= shown
