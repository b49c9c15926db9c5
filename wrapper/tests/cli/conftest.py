"""Run commands in this process or in their own: arguments in, output and exit code out."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack, chdir
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from tests.cli.helpers import CommandResult
from wanflow.cli import main
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path


@pytest.fixture(scope="session")
def server() -> Iterator[MockServer]:
    """A mock that ends a task at its first poll, so that nothing sleeps."""
    with MockServer(polls=1) as running:
        yield running


@pytest.fixture(autouse=True)
def data_directory(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A data directory of this test: the ledger in the user's would show through."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))


@pytest.fixture
def environment(server: MockServer, api_key: str) -> dict[str, str]:
    """The environment variables of a user."""
    return {"WANFLOW_BASE_URL": server.base_url, "WANFLOW_API_KEY": api_key}


@pytest.fixture
def wanflow(environment: dict[str, str], tmp_path: Path) -> Callable[..., CommandResult]:
    """Run a command in this process, in an empty directory."""

    def run(
        *words: str, given: Mapping[str, str] | None = None, stdin: str | bytes | None = None
    ) -> CommandResult:
        here = environment if given is None else given
        clean = dict.fromkeys((name for name in os.environ if name.startswith("WANFLOW_")), None)
        runner = CliRunner(env={**clean, **here})
        with chdir(tmp_path):
            done = runner.invoke(main, list(words), prog_name="wanflow", input=stdin)
        assert "Traceback" not in done.stderr
        return CommandResult(done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture
def process(
    environment: dict[str, str], tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a command in its own process, which is killed after the test at the latest."""
    with ExitStack() as stack:

        def start(*words: str, **settings: Any) -> subprocess.Popen[str]:
            clean = {k: v for k, v in os.environ.items() if not k.startswith("WANFLOW_")}
            streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            started = subprocess.Popen(
                [sys.executable, "-m", "wanflow", *words],
                cwd=tmp_path,
                env={**clean, **environment},
                text=True,
                **{**streams, **settings},
            )
            stack.enter_context(started)
            stack.callback(started.kill)
            return started

        yield start
