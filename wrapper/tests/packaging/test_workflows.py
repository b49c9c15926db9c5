"""The workflows: what they are given is declared, what they run is there, and they may little."""

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
MAY = {"regenerate.yml": {"contents": "write", "pull-requests": "write"}}
assert len(FILES) >= 4, "the workflows are gone"

by_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def load(path: Path) -> dict[str, Any]:
    return YAML(typ="safe").load(path)


def steps(path: Path) -> list[dict[str, Any]]:
    found = [step for job in load(path)["jobs"].values() for step in job["steps"]]
    assert found
    return found


@by_file
def test_it_may_no_more_than_it_must(path) -> None:
    """Rights are named, and only what opens pull requests may write; no job runs for ever."""
    flow = load(path)
    assert flow["permissions"] == MAY.get(path.name, {"contents": "read"})
    for job in flow["jobs"].values():
        assert "permissions" not in job
        assert 0 < job["timeout-minutes"] <= 360
    checkouts = [one for one in steps(path) if one.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    for one in checkouts if path.name not in MAY else ():
        assert one["with"]["persist-credentials"] is False


@by_file
def test_each_action_is_githubs_own_and_pinned(path) -> None:
    """Nothing of others is run, and nothing that has no version."""
    for step in steps(path):
        assert ("uses" in step) != ("run" in step)
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/none@v1"))


@by_file
def test_each_input_and_secret_is_declared_and_used(path) -> None:
    """An expression names what there is, and nothing is declared in vain."""
    called = load(path)["on"].get("workflow_call") or {}
    text = "\n".join(GUARD.findall(path.read_text()))
    for kind in ("inputs", "secrets"):
        declared = called.get(kind, {})
        used = set(re.findall(rf"\b{kind}\.([a-z0-9-]+)", text))
        assert used == set(declared), kind
    for one in called.get("inputs", {}).values():
        assert {"type", "description", "default"} <= one.keys()


@by_file
def test_no_value_is_pasted_into_a_command(path) -> None:
    """A command gets what is given by its environment, where a quote in it does nothing."""
    for step in steps(path):
        assert not GUARD.search(step.get("run", ""))


@by_file
def test_each_command_is_there(path) -> None:
    """Each make target exists, and so does each file that is kept."""
    makefile = (ROOT / "Makefile").read_text()
    for step in steps(path):
        for target in re.findall(r"\bmake ([a-z-]+)", step.get("run", "")):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    kept = {one["with"]["path"] for one in steps(path) if "upload" in one.get("uses", "")}
    for name in kept:
        assert name in makefile or (ROOT / name).exists()


@by_file
def test_the_shell_understands_each_command(path) -> None:
    """No command is broken off."""
    for step in steps(path):
        subprocess.run(["bash", "-n", "-c", step.get("run", "")], check=True)


def test_what_is_said_to_be_weekly_is() -> None:
    """The mutants run once a week by themselves, and can be called; the laws can be called."""
    weekly = load(ROOT / ".github/workflows/mutants.yml")["on"]
    (only,) = weekly["schedule"]
    minute, hour, day, month, weekday = only["cron"].split()
    assert (day, month) == ("*", "*")
    assert min(minute.isdigit(), hour.isdigit(), weekday.isdigit())
    assert "workflow_call" in weekly
    assert "workflow_call" in load(ROOT / ".github/workflows/contract.yml")["on"]
    assert "schedule" not in load(ROOT / ".github/workflows/contract.yml")["on"]


def test_published_documents_are_asked_again_every_day() -> None:
    """On a schedule and when called; a failure to ask ends red, after what changed was proposed."""
    path = ROOT / ".github/workflows/regenerate.yml"
    (only,) = load(path)["on"]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* \*", only["cron"])
    commands = [step.get("run", "") for step in steps(path)]
    asking, proposing, failing = (
        next(number for number, command in enumerate(commands) if word in command)
        for word in ("wanflow.spec watch", "gh pr create", "-ne 9")
    )
    assert asking < proposing < failing
    (step,) = [one for one in steps(path) if "wanflow.spec watch" in one.get("run", "")]
    assert step["env"] == {"WANFLOW_SPEC_INDEX": "${{ inputs.index }}"}


class Runner:
    """What GitHub does with the commands of a workflow, in a clone, with a `gh` that notes."""

    def __init__(self, folder: Path) -> None:
        self.remote, self.clone = folder / "remote.git", folder / "clone"
        self.bin, self.temp, self.asked = folder / "bin", folder / "temp", folder / "asked.txt"
        for one in (self.bin, self.temp):
            one.mkdir()
        (self.bin / "gh").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {self.asked}\n')
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


@pytest.mark.slow  # a clone sets itself up
def test_a_changed_document_opens_a_pull_request(tmp_path) -> None:
    """What changed is regenerated on a branch, and the report of it is the request's text."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("this is no git checkout: nothing can be cloned")
    runner = Runner(tmp_path)
    runner.run("regenerate.yml", BRANCH="regenerate/0")
    assert not runner.asked.exists(), "nothing changed, nothing is asked"
    source = sorted((runner.clone / "specs/sources").glob("*text-to-video.yaml"))[0]
    newer = tmp_path / source.name
    newer.write_text(source.read_text().replace("maxLength: 2000", "maxLength: 1999"))
    assert newer.read_text() != source.read_text()
    runner.do(".venv/bin/wanflow", "spec", "import", str(newer))
    runner.do("git", "add", "--all")
    runner.do("git", "commit", "--quiet", "--message", "A newer document")
    runner.run("regenerate.yml", BRANCH="regenerate/1")
    asked = runner.asked.read_text().splitlines()
    assert asked[:2] == ["pr", "create"]
    report = Path(asked[asked.index("--body-file") + 1]).read_text()
    assert re.search(r"breaking  WF\d+  POST", report)
    pushed = ("git", "show", "--stat", "--format=%s", "regenerate/1")
    changed = runner.do(*pushed, where=runner.remote)
    assert "specs/openapi.yaml" in changed
    assert "generated/wanflow_client" in changed
