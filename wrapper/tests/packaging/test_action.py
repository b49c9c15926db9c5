"""The action: its shell steps are run as GitHub runs them, with the project's own environment."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from tests.packaging.test_workflows import GUARD, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.processes

ACTION: dict[str, Any] = YAML(typ="safe").load(ROOT / "action.yml")
INSTALL, MOCK, CONTRACT = ACTION["runs"]["steps"]
FAKE_PYTHON = """#!/bin/sh
case "$*" in
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
    *) printf '%s\\n' "$@" >"$RUNNER_TEMP/installed" ;;
esac
"""


class Runner:
    """A machine of GitHub's: a directory for what is temporary, and the file of the outputs."""

    def __init__(self, folder: Path) -> None:
        self.temp, self.work = folder / "temp", folder / "work"
        for one in (self.temp, self.work):
            one.mkdir()
        self.outputs = folder / "outputs"

    def have_wanflow(self) -> None:
        """Put the project's own command and Python where the first step installs them."""
        bin_ = self.temp / "wanflow/bin"
        bin_.mkdir(parents=True)
        (bin_ / "wanflow").symlink_to(Path(sys.executable).with_name("wanflow"))
        (bin_ / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        (bin_ / "python").chmod(0o700)

    def run(
        self, step: dict[str, Any], path: str = os.environ["PATH"], **inputs: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a step with inputs; those that aren't given have their defaults."""
        given = {n.replace("_", "-"): v for n, v in inputs.items()}
        known = {name: one.get("default", "") for name, one in ACTION["inputs"].items()} | given
        environment = {
            name: re.sub(
                r"\$\{\{ inputs\.([a-z-]+) \}\}",
                lambda found: known[found[1]],
                text.replace("${{ github.action_path }}", str(ROOT)),
            )
            for name, text in step["env"].items()
        }
        kept = {"PATH": path, "RUNNER_TEMP": str(self.temp), "GITHUB_OUTPUT": str(self.outputs)}
        data = {"HOME": str(self.work), "XDG_DATA_HOME": str(self.work)}
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            env={**kept, **data, **environment},
            cwd=self.work,
            check=False,
            capture_output=True,
            text=True,
        )


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


class TestInputs:
    """Each is declared and used, and no expression is inserted into a command."""

    def test_each_input_is_used_and_each_used_one_declared(self) -> None:
        """Also each output."""
        text = "\n".join(GUARD.findall((ROOT / "action.yml").read_text("utf-8")))
        conditions = " ".join(step.get("if", "") for step in ACTION["runs"]["steps"])
        used = set(re.findall(r"\binputs\.([a-z-]+)", f"{text} {conditions}"))
        assert used == set(ACTION["inputs"])
        for one in ACTION["inputs"].values():
            assert {"description", "default"} == one.keys()
        assert all("steps.mock.outputs." in one["value"] for one in ACTION["outputs"].values())

    def test_values_reach_commands_by_the_environment(self) -> None:
        """So a quote in one has no effect; the key is in one step only."""
        for step in (INSTALL, MOCK, CONTRACT):
            assert not GUARD.search(step["run"])
            assert step["shell"] == "bash"
        assert [s for s in (INSTALL, MOCK) if "inputs.api-key" in str(s)] == []


class TestInstallation:
    """wanflow gets an environment of its own, with the extra of what is run."""

    @pytest.mark.parametrize(
        ("inputs", "wanted"),
        [
            ({}, f"{ROOT}[mock,media]"),
            ({"run": "contract"}, f"{ROOT}[contract]"),
            ({"run": "contract", "version": "1.2.3"}, "wanflow[contract]==1.2.3"),
            ({"version": "1.0; touch pwned"}, "wanflow[mock,media]==1.0; touch pwned"),
        ],
    )
    def test_what_is_installed(
        self, runner: Runner, tmp_path: Path, inputs: dict[str, str], wanted: str
    ) -> None:
        """The code of the action, or a version of the package index."""
        (tmp_path / "python3").write_text(FAKE_PYTHON)
        (tmp_path / "python3").chmod(0o700)
        done = runner.run(INSTALL, path=f"{tmp_path}:{os.environ['PATH']}", **inputs)
        assert done.returncode == 0, done.stderr
        assert (runner.temp / "installed").read_text("utf-8").splitlines()[-1] == wanted
        assert not (runner.work / "pwned").exists()

    def test_another_thing_to_run_is_refused(self, runner: Runner) -> None:
        """Before anything is installed."""
        done = runner.run(INSTALL, run="mocks")
        assert done.returncode == 2
        assert "run must be mock or contract, not 'mocks'" in done.stdout


@contextmanager
def own_port() -> Iterator[str]:
    """A port that no server can have meanwhile, and where nothing answers."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield str(bound.getsockname()[1])


def run_on_a_free_port(runner: Runner, arguments: str) -> tuple[str, Any]:
    """Start the mock; another program may take the port just before it does.

    Of other programs there are those that any shell has: not every machine has curl.
    """
    tools = runner.work / "tools"
    tools.mkdir()
    for tool in ("bash", "cat", "env", "nohup", "sleep"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    for _ in range(10):
        with own_port() as port:
            pass
        done = runner.run(MOCK, path=str(tools), port=port, arguments=arguments)
        if "can't listen" not in done.stdout:
            break
    return port, done


def process_of(runner: Runner) -> list[int]:
    """Return the processes that were started with a runner's directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.startswith(str(runner.temp).encode()) for word in words):
            found.append(int(path.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="it ends the mock by its process")
class TestMock:
    """The mock answers before the step ends, and goes on after it."""

    def test_it_answers_at_the_urls_of_the_outputs(self, runner: Runner) -> None:
        """Options are one a line; quotes and spaces have no effect."""
        runner.have_wanflow()
        try:
            port, done = run_on_a_free_port(runner, "--polls=1\n\n--credits=5\n")
            assert done.returncode == 0, done.stdout + done.stderr
            outputs = dict(line.split("=", 1) for line in runner.outputs.read_text().splitlines())
            assert outputs["base-url"] == f"http://127.0.0.1:{port}/apiv1"
            connection = HTTPConnection("127.0.0.1", int(port), timeout=30)
            connection.request("GET", "/_mock/account")
            assert json.load(connection.getresponse())
            connection.close()
        finally:
            for number in process_of(runner):
                os.kill(number, signal.SIGTERM)

    def test_one_that_does_not_start_fails_the_step_with_its_reason(self, runner: Runner) -> None:
        """The log is shown, and the step doesn't wait for ever."""
        runner.have_wanflow()
        with own_port() as port:
            done = runner.run(MOCK, port=port, arguments="--polls=$(touch pwned)")
        assert done.returncode == 1
        assert "::error::the mock has not started" in done.stdout
        assert "--polls" in done.stdout
        assert not runner.outputs.exists()
        assert not (runner.work / "pwned").exists()


class TestContract:
    """The suite's exit code is that of the step, and its report is where it was wanted."""

    def test_a_server_without_a_key_is_not_tested(self, runner: Runner) -> None:
        """The words reach the suite, and so does its exit code."""
        runner.have_wanflow()
        url = "http://127.0.0.1:9/apiv1"
        done = runner.run(CONTRACT, url=url, spend_limit="5", arguments="--seed=1")
        assert done.returncode == 4, done.stdout + done.stderr
        assert "key" in done.stdout + done.stderr

    def test_its_options_are_passed_on(self, runner: Runner) -> None:
        """URL first, then the report, the limit, and a line each."""
        bin_ = runner.temp / "wanflow/bin"
        bin_.mkdir(parents=True)
        (bin_ / "wanflow").write_text(
            '#!/bin/sh\nprintf \'%s\\n\' "$@" "key=$WANFLOW_CONTRACT_API_KEY"\nexit 1\n'
        )
        (bin_ / "wanflow").chmod(0o700)
        done = runner.run(
            CONTRACT,
            url="https://a.example/apiv1",
            spend_limit="50",
            api_key="the key",
            arguments="--jobs=2\n--\n-k\na and b",
        )
        assert done.returncode == 1
        assert done.stdout.splitlines() == [
            *("contract", "https://a.example/apiv1", "--report", "contract-report"),
            *("--spend-limit", "50", "--jobs=2", "--", "-k", "a and b", "key=the key"),
        ]
        bare = runner.run(CONTRACT)
        assert bare.stdout.splitlines() == ["contract", "--report", "contract-report", "key="]


def test_the_page_that_shows_it_gives_inputs_that_it_has() -> None:
    """The example of docs/containers.md could be pasted into a workflow."""
    page = (ROOT / "docs/containers.md").read_text("utf-8")
    (shown,) = re.findall(r"^```yaml\n(steps:.*?)^```", page, re.DOTALL | re.MULTILINE)
    used = [s for s in YAML(typ="safe").load(shown)["steps"] if "/wanflow@" in s.get("uses", "")]
    assert {name for step in used for name in step["with"]} <= set(ACTION["inputs"])
    assert [step["with"].get("run", "mock") for step in used] == ["mock", "contract"]
