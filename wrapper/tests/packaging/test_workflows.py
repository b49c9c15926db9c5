"""The workflows: inputs are declared, commands exist, permissions are minimal."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.fuzz.mutation import SEEDS

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / ".github/workflows").glob("*.y*ml"))
SECRET = re.compile(r"secrets\.|secrets\[|github\.token|toJSON\((?:secrets|github)\)")
GUARD = re.compile(r"\$\{\{(.*?)\}\}")
TEMPLATE = ROOT / "wrapper/wanflow/spec/templates/specs.yml"  # written by `wanflow spec init`
PIN = re.compile(r"([a-z0-9-]+/[a-z0-9/-]+)@[0-9a-f]{40} # (v\d+\.\d+\.\d+)")
WRITING = {"contents": "write", "pull-requests": "write"}
PERMISSIONS = {
    ("release.yml", "publish"): {"id-token": "write"},
    ("release.yml", "announce"): {"contents": "write"},
    ("regenerate.yml", "regenerate"): WRITING,
    ("specs.yml", "regenerate"): WRITING,
    ("upgrade.yml", "upgrade"): WRITING,
}
TARGETS = [path.name for path in SEEDS.iterdir()]
ACTIONLINT, ZIZMOR = (Path(sys.executable).with_name(name) for name in ("actionlint", "zizmor"))
assert len(FILES) >= 4, "workflows are missing"

by_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
by_any_file = pytest.mark.parametrize("path", [*FILES, TEMPLATE], ids=lambda path: path.name)


def load(path: Path) -> dict[str, Any]:
    return YAML(typ="safe").load(path)


def steps(path: Path) -> list[dict[str, Any]]:
    found = [step for job in load(path)["jobs"].values() for step in job["steps"]]
    assert found
    return found


@by_any_file
def test_its_permissions_are_minimal(path) -> None:
    """A workflow has none; a job may read, and write only what it opens or publishes."""
    flow = load(path)
    assert flow["permissions"] == {}
    for name, job in flow["jobs"].items():
        assert job["permissions"] == PERMISSIONS.get((path.name, name), {"contents": "read"})


@by_any_file
def test_no_run_hangs_or_meets_another(path) -> None:
    """Every job has a timeout, and of runs with the same inputs one waits, or is cancelled."""
    flow = load(path)
    for job in flow["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 360
    group = flow["concurrency"]["group"]
    assert isinstance(flow["concurrency"]["cancel-in-progress"], bool)
    called = flow["on"].get("workflow_call")
    assert called is None or "github.workflow" not in group, "there it is the caller's group"


def test_a_paid_run_and_a_push_are_never_cancelled() -> None:
    """A cancelled run would leave paid tasks, half a release, or a branch that nobody sees."""
    for path in (
        TEMPLATE,
        *(one for one in FILES if one.stem in {"contract", "regenerate", "release", "upgrade"}),
    ):
        assert load(path)["concurrency"]["cancel-in-progress"] is False


@by_any_file
def test_no_checkout_leaves_its_token_behind(path) -> None:
    """What is installed and run later can't read it from .git."""
    checkouts = [one for one in steps(path) if one.get("uses", "").startswith("actions/checkout@")]
    publishing = [job for job in PERMISSIONS if job in {(path.name, n) for n in load(path)["jobs"]}]
    assert len(checkouts) >= len(load(path)["jobs"]) - len(publishing)
    for one in checkouts:
        assert one["with"]["persist-credentials"] is False


@by_any_file
def test_secrets_are_in_the_environment_of_the_steps_that_need_them(path) -> None:
    """No other step, and none that installs packages, has a key or a token."""
    flow = load(path)
    outside = [flow.get("env"), *(job.get("env") for job in flow["jobs"].values())]
    assert not SECRET.search(str(outside))
    with_secrets = [step for step in steps(path) if SECRET.search(str(step))]
    for step in with_secrets:
        assert not SECRET.search(str({**step, "env": {}}))
        needed = r"^make contract$|\bgh (pr|release) create\b"
        assert re.search(needed, step["run"], re.MULTILINE)
        assert "set-up" not in step["run"]
    before = [step.get("run") for step in steps(path)]
    if "make contract" in before and with_secrets:
        assert before.index("make set-up") < before.index("make contract")


def actions_used(node: Any) -> list[str]:
    """Return each `uses` of a workflow or a composite action, wherever it stands."""
    if isinstance(node, list):
        return [found for one in node for found in actions_used(one)]
    if not isinstance(node, dict):
        return []
    own = [node["uses"]] if isinstance(node.get("uses"), str) else []
    return own + actions_used(list(node.values()))


def unpinned(text: str) -> list[str]:
    """Return the uses that aren't pinned by a commit with its version as a comment."""
    used = Counter(actions_used(YAML(typ="safe").load(text)))
    pinned = re.findall(rf"^ *(?:- )?uses: (?={PIN.pattern}$)(\S+)", text, re.MULTILINE)
    used.subtract(name for _, _, name in pinned)
    # Those with ./ are of this repository, at the same commit.
    return [name for name, more in used.items() if more and not name.startswith("./")]


@pytest.mark.processes
def test_each_action_is_one_of_github_and_pinned_by_commit(committed: list[str]) -> None:
    """No third-party action is used, but the one of the package index that publishes there."""
    names = [
        name
        for name in committed
        if re.search(r"^\.github/workflows/|(^|/)action\.ya?ml$|/templates/specs\.yml$", name)
    ]
    assert len(names) > len(FILES)
    for name in names:
        text = (ROOT / name).read_text()
        assert unpinned(text) == [], f"{name}: pin it as in `owner/action@40 digits # v1.2.3`"
        owners = {one.partition("/")[0] for one in actions_used(YAML(typ="safe").load(text))}
        publishing = {"pypa"} if name.endswith("/release.yml") else set()
        assert owners <= {".", "actions", "github"} | publishing


def test_an_action_has_one_version_everywhere() -> None:
    """Also in the workflow that users get."""
    pins: dict[str, set[str]] = {}
    for path in (*FILES, TEMPLATE):
        for found in PIN.finditer(path.read_text()):
            pins.setdefault(found[1], set()).add(found[0])
    assert pins
    assert [versions for versions in pins.values() if len(versions) > 1] == []


@by_any_file
def test_a_step_uses_an_action_or_runs_a_command(path) -> None:
    """And not both, which GitHub refuses."""
    for step in steps(path):
        assert ("uses" in step) != ("run" in step)


@pytest.mark.parametrize("place", ["jobs: {a: {uses: '%s'}}", "runs:\n  steps:\n    - uses: %s"])
@pytest.mark.parametrize(
    "uses",
    [
        "actions/checkout@v6",
        "actions/checkout@main",
        f"actions/checkout@{'a' * 40}",
        f"actions/checkout@{'a' * 39} # v6.0.2",
        f"actions/checkout@{'A' * 40} # v6.0.2",
        f"actions/checkout@{'a' * 40} # v6",
        f"actions/checkout@{'a' * 40} # v6.0.2\n    - uses: actions/checkout@{'a' * 40}",
    ],
)
def test_what_is_no_pin(place: str, uses: str) -> None:
    """A tag, a branch, a commit without a version, a short one, and half a version."""
    assert unpinned(place % uses)


@pytest.mark.processes
@pytest.mark.parametrize("name", ["regenerate.yml", "upgrade.yml", TEMPLATE.name])
def test_a_push_gets_its_token_from_the_environment_of_its_step(name: str, tmp_path) -> None:
    """git asks `gh`, which has it from GH_TOKEN; nothing is written to .git/config."""
    path = next(one for one in (*FILES, TEMPLATE) if one.name == name)
    (step,) = [one for one in steps(path) if "git push" in str(one) or " push " in str(one)]
    assert step["env"]["GH_TOKEN"] == "${{ github.token }}"
    (options,) = re.findall(r"^git (-c .*) push ", step["run"], re.MULTILINE)
    answer = "username=x-access-token\\npassword=$GH_TOKEN\\n"
    (tmp_path / "gh").write_text(
        f'#!/bin/sh\ntest "$*" = "auth git-credential get" && printf "{answer}"'
    )
    (tmp_path / "gh").chmod(0o700)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "GIT_TERMINAL_PROMPT": "0",
        "GH_TOKEN": "the-token",
    }
    done = subprocess.run(
        ["bash", "-c", f"git {options} credential fill"],
        input="protocol=https\nhost=github.com\n\n",
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "password=the-token" in done.stdout.splitlines()


@pytest.mark.processes
@pytest.mark.parametrize(
    ("tool", "right", "wrong"),
    [
        (ACTIONLINT, "runs-on: ubuntu-latest", "run-on: ubuntu-latest"),
        (ACTIONLINT, "inputs.seed }}", "inputs.sead }}"),
        (ZIZMOR, "contents: read", "contents: write"),
        (ZIZMOR, "run: make set-up", "run: make set-up ${{ inputs.seed }}"),
        (ZIZMOR, "persist-credentials: false", "fetch-depth: 1"),
        (ZIZMOR, "@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2", "@v6"),
    ],
)
def test_the_tools_of_make_check_find_what_is_wrong(
    tmp_path: Path, tool: Path, right: str, wrong: str
) -> None:
    """Each accepts the workflow, and refuses it with the mistake."""
    settings = str(ROOT / ".github/zizmor.yml")
    options = {
        ACTIONLINT: ["-shellcheck=", "-pyflakes="],
        ZIZMOR: ["--offline", "--quiet", "--persona", "pedantic", "--config", settings],
    }
    text = (ROOT / ".github/workflows/contract.yml").read_text()
    assert right in text
    codes = []
    for content in (text, text.replace(right, wrong, 1)):
        (tmp_path / "flow.yml").write_text(content)
        done = subprocess.run(
            [tool, *options[tool], "flow.yml"], cwd=tmp_path, check=False, capture_output=True
        )
        codes.append(done.returncode)
    assert codes[0] == 0
    assert codes[1] != 0


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


@by_any_file
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


@pytest.mark.processes
@by_any_file
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


def test_every_target_is_fuzzed_weekly_by_one_job() -> None:
    """In one job they would take longer than it may."""
    job = load(ROOT / ".github/workflows/slow.yml")["jobs"]["fuzz"]
    assert "make fuzz" in [step.get("run") for step in job["steps"]]
    assert job["env"] == {"ARGS": "${{ matrix.targets }}", "SECONDS": "${{ matrix.seconds }}"}
    slow = job["strategy"]["matrix"]["include"]
    parts = [*job["strategy"]["matrix"]["targets"], *(one["targets"] for one in slow)]
    assert len(parts) > 1
    assert all(one["seconds"] / 60 + 30 < job["timeout-minutes"] for one in slow)
    assert sorted(name for part in parts for name in part.split()) == sorted(TARGETS)


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
