"""Startup is quick, exit codes are complete, and shell completion works."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.helpers import FROM_IMAGE, IMAGE, VIDEO
from wanflow import errors
from wanflow.catalog.catalog import packaged_catalog
from wanflow.cli.exit_codes import EPILOG, EXIT_CODES, UNEXPECTED, exit_code_for
from wanflow.cli.main import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.helpers import CommandResult


class TestStart:
    """`wanflow --help` is quick."""

    def loaded(self, *words: str) -> set[str]:
        code = (
            "import sys; from wanflow.cli import main\n"
            f"try: main({list(words)!r})\n"
            "except SystemExit: print(*sys.modules, sep='\\n', file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
        )
        return set(done.stderr.split())

    @pytest.mark.processes
    def test_help_loads_nothing_heavy(self) -> None:
        """It loads neither the HTTP client nor the validator, nor the mock or the pipeline."""
        loaded = self.loaded("--help")
        assert "wanflow.cli.main" in loaded
        heavy = {"httpx", "httpx2", "anyio", "jsonschema_rs", "rich", "uvicorn", "wanflow.mock"}
        assert heavy & loaded == set()

    @pytest.mark.processes
    def test_a_models_help_loads_no_client(self) -> None:
        """A model's help needs only the spec."""
        loaded = self.loaded("run", VIDEO, "--help")
        assert "wanflow.catalog.catalog" in loaded
        assert {"httpx", "httpx2", "anyio", "wanflow_client"} & loaded == set()


class TestExitCodes:
    """Every kind of error has a code."""

    def kinds(self) -> list[type[errors.WanflowError]]:
        found = [
            kind
            for kind in vars(errors).values()
            if isinstance(kind, type) and issubclass(kind, errors.WanflowError)
        ]
        assert len(found) > 15
        return found

    def test_every_error_has_a_code(self) -> None:
        """Every error of the library except the base class has its own exit code."""
        for kind in self.kinds():
            if kind is not errors.WanflowError:
                assert exit_code_for(kind.__new__(kind)) is not UNEXPECTED, kind

    def test_codes_and_kinds_are_unique(self) -> None:
        """No two kinds share a code or a name; all are valid exit statuses."""
        ends = (UNEXPECTED, *EXIT_CODES)
        assert len({end.code for end in ends}) == len({end.kind for end in ends}) == len(ends)
        assert all(0 < end.code < 160 for end in ends)

    def test_help_lists_them(self) -> None:
        """The help lists each code, in order."""
        rows = dict(EPILOG)["Exit codes"]
        assert [int(code) for code, _ in rows] == sorted(
            {0, UNEXPECTED.code, *(end.code for end in EXIT_CODES)}
        )


class TestCompletion:
    """The shell completes commands, models, options and choices."""

    def completed(self, wanflow: Callable[..., CommandResult], *words: str) -> list[str]:
        line = " ".join(["wanflow", *words])
        asked = {
            "_WANFLOW_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words)),
        }
        done = wanflow(given=asked)
        assert done.err == ""
        return [row.partition(",")[2] for row in done.out.splitlines()]

    def test_commands(self, wanflow: Callable[..., CommandResult]) -> None:
        """Commands are offered by their beginning."""
        assert self.completed(wanflow, "s") == ["submit", "status", "spec"]
        assert set(COMMANDS) <= set(self.completed(wanflow, '""'))

    @pytest.mark.parametrize("command", ["run", "submit", "models"])
    def test_models(self, wanflow: Callable[..., CommandResult], command: str) -> None:
        """Models are offered where one is expected."""
        beginning = IMAGE[:-4]
        names = [name for name in packaged_catalog().models if name.startswith(beginning)]
        assert self.completed(wanflow, command, beginning) == names

    def test_options(self, wanflow: Callable[..., CommandResult]) -> None:
        """The model's own options are offered."""
        found = self.completed(wanflow, "run", FROM_IMAGE, "--model")
        assert found == ["--model-params", "--model-params.shot-type"]

    def test_choices(self, wanflow: Callable[..., CommandResult]) -> None:
        """The allowed values of a parameter are offered."""
        assert self.completed(wanflow, "run", VIDEO, "--quality", "4") == ["480p"]
        assert self.completed(wanflow, "run", VIDEO, "--prompt-extend", "t") == ["true"]

    @pytest.mark.processes
    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_scripts(self, shell: str) -> None:
        """The documented line prints a script for each shell."""
        (line,) = [row for name, row in dict(EPILOG)["Shell completion"] if name == shell]
        assert f"_WANFLOW_COMPLETE={shell}_source wanflow" in line
        done = subprocess.run(
            [sys.executable, "-c", "from wanflow.cli import main; main(prog_name='wanflow')"],
            env={**os.environ, "_WANFLOW_COMPLETE": f"{shell}_source"},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert f"{shell}_complete" in done.stdout
