"""The examples and claims of the README and of the pages that it rests on are correct."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from wanflow import AsyncClient, Client, Ledger
from wanflow.cli import main
from wanflow.mock import MockServer

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
PYTHON = [code for language, code in BLOCKS if language == "python"]
LIBRARY = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "docs/library.md").read_text(), re.DOTALL | re.MULTILINE
)


@pytest.mark.processes
def test_the_first_example_runs_as_pasted(tmp_path: Path) -> None:
    """In an empty directory, it saves a valid video file, without an account."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WANFLOW_")}
    done = subprocess.run(
        [sys.executable, "-c", PYTHON[0]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    files = list((tmp_path / "out").iterdir())
    assert [file.suffix for file in files] == [".mp4"]
    assert files[0].read_bytes()[4:8] == b"ftyp"
    assert files[0].name in done.stdout


def test_the_example_of_errors_runs_sync_and_async(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its two functions work against the mock."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(LIBRARY[0], "library.md", "exec"), names)
    poster, posters = names["poster"], names["posters"]
    assert callable(poster)
    assert callable(posters)
    with MockServer() as mock:
        with Client(mock.api_key, mock.base_url) as client:
            poster(client)

        async def run() -> None:
            async with AsyncClient(mock.api_key, mock.base_url) as client:
                await posters(client)

        asyncio.run(run())
    assert len(list((tmp_path / "out").glob("*.png"))) == 2


def test_the_example_of_many_tasks_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both tasks are waited for, and resuming finds nothing unfinished."""
    names: dict[str, object] = {}
    exec(compile(LIBRARY[1], "library.md", "exec"), names)
    series = names["series"]
    assert callable(series)
    with (
        MockServer() as mock,
        Ledger(tmp_path / "jobs.db") as ledger,
        Client(mock.api_key, mock.base_url, ledger=ledger) as client,
    ):
        series(client)
    assert capsys.readouterr().out.count("task-unified-") == 2


@pytest.mark.processes
def test_the_example_of_a_test_passes_as_a_test(tmp_path: Path) -> None:
    """pytest collects it, the installed plugin has its fixture, and it passes."""
    (tmp_path / "test_example.py").write_text(PYTHON[1])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_every_command_of_the_readme_exists() -> None:
    """Each make target is in the Makefile, and each wanflow command has --help."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`?make ([a-z-]+)", TEXT))
    assert named
    assert named <= targets
    shell = "\n".join(code for language, code in BLOCKS if language == "sh")
    commands = {
        *re.findall(r"^wanflow ([a-z]+)", shell, re.M),
        *re.findall(r"`wanflow ([a-z]+)", TEXT),
    }
    assert commands
    for command in sorted(commands):
        done = CliRunner().invoke(main, [command, "--help"])
        assert done.exit_code == 0, f"wanflow {command}: {done.output}"


def test_the_readme_is_short_and_leads_with_the_problem_and_an_example() -> None:
    """Less than 150 lines; the first block is the example, in the first 25."""
    lines = TEXT.splitlines()
    assert len(lines) < 150
    assert lines.index("```python") < 25
    assert "costs money" in " ".join(lines[: lines.index("```python")])


def test_the_layout_and_the_models_that_the_readme_names_exist() -> None:
    """The directories exist, and the models are in the spec."""
    from wanflow.catalog.catalog import packaged_catalog

    for folder in ("specs", "generated", "wrapper", "contract_tests", "benchmarks"):
        assert f"\n{folder}/" in TEXT
        assert (ROOT / folder).is_dir()
    models = set(re.findall(r"wan2\.[a-z0-9-]+", TEXT))
    assert models
    assert models <= set(packaged_catalog().models)


CI_PAGE = (ROOT / "docs/contract-ci.md").read_text()
EXAMPLE = next(
    found
    for code in re.findall(r"^```yaml\n(.*?)^```", CI_PAGE, re.DOTALL | re.MULTILINE)
    if "regenerate" in (found := yaml.safe_load(code)).get("jobs", {})
)


@pytest.mark.parametrize("name", ["contract", "mutants", "regenerate"])
def test_a_workflow_accepts_the_inputs_of_the_example(name: str) -> None:
    """It can be called, has each input and secret, and gets the permissions it needs."""
    job = EXAMPLE["jobs"][name]
    path = job["uses"].partition("/wanflow/")[2].partition("@")[0]
    assert path.endswith(f"/{name}.yml")
    flow = yaml.safe_load((ROOT / path).read_text())
    called = flow[True]["workflow_call"] or {}  # YAML 1.1 reads the key `on` as true
    for kind, word in (("inputs", "with"), ("secrets", "secrets")):
        assert set(job.get(word, {})) <= set(called.get(kind, {})), kind
    # A called workflow has the permissions of its caller's job; every job may read.
    given = job.get("permissions", {"contents": "read"})
    for called_job in flow["jobs"].values():
        assert called_job["permissions"].items() <= given.items()


def test_the_example_runs_each_workflow_as_described() -> None:
    """The suite on each pull request, the mutants only weekly, and regenerate after a push."""
    when = EXAMPLE[True]
    assert {"pull_request", "push", "schedule"} == set(when)
    ((minute, hour, day, month, weekday),) = (one["cron"].split() for one in when["schedule"])
    assert (day, month) == ("*", "*")
    assert all(one.isdigit() for one in (minute, hour, weekday))
    ifs = {name: job.get("if") for name, job in EXAMPLE["jobs"].items()}
    only = {"mutants": "schedule", "regenerate": "push"}
    assert ifs == {"contract": None} | {
        name: f"github.event_name == '{event}'" for name, event in only.items()
    }
