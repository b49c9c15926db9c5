"""The workflows: inputs are declared, commands exist, permissions are minimal."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
GUARD = re.compile(r"\$\{\{(.*?)\}\}")
PERMISSIONS = {"regenerate.yml": {"contents": "write", "pull-requests": "write"}}
assert len(FILES) >= 4, "workflows are missing"

by_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def load(path: Path) -> dict[str, Any]:
    return YAML(typ="safe").load(path)


def steps(path: Path) -> list[dict[str, Any]]:
    found = [step for job in load(path)["jobs"].values() for step in job["steps"]]
    assert found
    return found


@by_file
def test_its_permissions_are_minimal(path) -> None:
    """Only the workflow that opens pull requests may write. Every job has a timeout."""
    flow = load(path)
    assert flow["permissions"] == PERMISSIONS.get(path.name, {"contents": "read"})
    for job in flow["jobs"].values():
        assert "permissions" not in job
        assert 0 < job["timeout-minutes"] <= 360
    checkouts = [one for one in steps(path) if one.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    for one in checkouts if path.name not in PERMISSIONS else ():
        assert one["with"]["persist-credentials"] is False


@by_file
def test_each_action_is_one_of_github_and_pinned(path) -> None:
    """No third-party action is used, and none without a version."""
    for step in steps(path):
        assert ("uses" in step) != ("run" in step)
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/none@v1"))


@by_file
def test_each_input_and_secret_is_declared_and_used(path) -> None:
    """Every expression is declared, and everything declared is used."""
    called = load(path)["on"].get("workflow_call") or {}
    text = "\n".join(GUARD.findall(path.read_text()))
    for kind in ("inputs", "secrets"):
        declared = called.get(kind, {})
        used = set(re.findall(rf"\b{kind}\.([a-z0-9-]+)", text))
        assert used == set(declared), kind
    for one in called.get("inputs", {}).values():
        assert {"type", "description", "default"} <= one.keys()


@by_file
def test_no_expression_is_inserted_into_a_command(path) -> None:
    """Commands get values by the environment, so a quote in a value has no effect."""
    for step in steps(path):
        assert not GUARD.search(step.get("run", ""))


@by_file
def test_each_command_exists(path) -> None:
    """Each make target exists, and each uploaded file is made by one."""
    makefile = (ROOT / "Makefile").read_text()
    for step in steps(path):
        for target in re.findall(r"\bmake ([a-z-]+)", step.get("run", "")):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    uploaded = {one["with"]["path"] for one in steps(path) if "upload" in one.get("uses", "")}
    for name in uploaded:
        assert name in makefile or (ROOT / name).exists()


@by_file
def test_each_command_is_valid_shell_syntax(path) -> None:
    """bash parses it."""
    for step in steps(path):
        subprocess.run(["bash", "-n", "-c", step.get("run", "")], check=True)


@pytest.mark.parametrize("name", ["mutants", "slow"])
def test_what_make_test_leaves_out_runs_weekly(name: str) -> None:
    """And can be called by other workflows, as the contract suite can."""
    path = ROOT / f".github/workflows/{name}.yml"
    assert f"make {name}" in [step.get("run") for step in steps(path)]
    weekly = load(path)["on"]
    (only,) = weekly["schedule"]
    minute, hour, day, month, weekday = only["cron"].split()
    assert (day, month) == ("*", "*")
    assert min(minute.isdigit(), hour.isdigit(), weekday.isdigit())
    assert "workflow_call" in weekly
    assert "workflow_call" in load(ROOT / ".github/workflows/contract.yml")["on"]
    assert "schedule" not in load(ROOT / ".github/workflows/contract.yml")["on"]


def test_published_specs_are_fetched_every_day() -> None:
    """If one can't be fetched, the job fails after it has proposed the other changes."""
    path = ROOT / ".github/workflows/regenerate.yml"
    (only,) = load(path)["on"]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* \*", only["cron"])
    commands = [step.get("run", "") for step in steps(path)]
    fetching, proposing, failing = (
        next(number for number, command in enumerate(commands) if word in command)
        for word in ("wanflow spec watch", "gh pr create", "-ne 9")
    )
    assert fetching < proposing < failing
    (step,) = [one for one in steps(path) if "wanflow spec watch" in one.get("run", "")]
    assert step["env"] == {"WANFLOW_SPEC_INDEX": "${{ inputs.index }}"}


class WorkflowRunner:
    """Runs the commands of a workflow like GitHub, in a clone, with a `gh` that records calls."""

    def __init__(self, folder: Path) -> None:
        self.remote, self.clone = folder / "remote.git", folder / "clone"
        self.bin, self.temp, self.gh_calls = (
            folder / "bin",
            folder / "temp",
            folder / "gh_calls.txt",
        )
        for one in (self.bin, self.temp):
            one.mkdir()
        (self.bin / "gh").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {self.gh_calls}\n')
        (self.bin / "gh").chmod(0o700)
        self.do("git", "clone", "--quiet", "--bare", str(ROOT), str(self.remote), where=folder)
        self.do("git", "clone", "--quiet", str(self.remote), str(self.clone), where=folder)
        for name, value in (("user.name", "a"), ("user.email", "a@example.com")):
            self.do("git", "config", name, value)

    def do(self, *command: str, where: Path | None = None, **environment: str) -> str:
        path = f"{self.bin}:{os.environ['PATH']}"
        done = subprocess.run(
            command,
            cwd=where or self.clone,
            env={**os.environ, "PATH": path, "RUNNER_TEMP": str(self.temp), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, name: str, **environment: str) -> None:
        """Run each command of a workflow as `shell: bash` does."""
        for step in steps(ROOT / ".github/workflows" / name):
            if "run" in step:
                self.do("bash", "-eo", "pipefail", "-c", step["run"], **environment)


@pytest.mark.slow  # the clone runs the set-up
def test_a_changed_document_opens_a_pull_request(tmp_path) -> None:
    """The regenerated files are on a branch, and the report is the text of the pull request."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("this is not a git checkout: nothing can be cloned")
    runner = WorkflowRunner(tmp_path)
    runner.run("regenerate.yml", BRANCH="regenerate/0")
    assert not runner.gh_calls.exists(), "nothing changed, so there is no pull request"
    source = sorted((runner.clone / "specs/sources").glob("*text-to-video.yaml"))[0]
    newer = tmp_path / source.name
    newer.write_text(source.read_text().replace("maxLength: 2000", "maxLength: 1999"))
    assert newer.read_text() != source.read_text()
    runner.do(".venv/bin/wanflow", "spec", "import", str(newer))
    runner.do("git", "add", "--all")
    runner.do("git", "commit", "--quiet", "--message", "A newer source spec")
    runner.run("regenerate.yml", BRANCH="regenerate/1")
    calls = runner.gh_calls.read_text().splitlines()
    assert calls[:2] == ["pr", "create"]
    report = Path(calls[calls.index("--body-file") + 1]).read_text()
    assert re.search(r"breaking  WF\d+  POST", report)
    pushed = ("git", "show", "--stat", "--format=%s", "regenerate/1")
    changed = runner.do(*pushed, where=runner.remote)
    assert "specs/openapi.yaml" in changed
    assert "generated/wanflow_client" in changed
