"""Versions that pages, workflows and containers name agree with each other and the project."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PAGES = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "action.yml"]
CONTAINERS = [path for path in (ROOT / "container").rglob("*") if path.is_file()]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TEMPLATE = ROOT / "wrapper/wanflow/spec/templates/specs.yml"
SUPPORTED = {
    found[1]
    for one in PROJECT["classifiers"]
    if (found := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", one))
}


def named(pattern: str, paths: list[Path]) -> dict[str, list[str]]:
    """Return what a pattern's group is in these files, and where."""
    found: dict[str, list[str]] = {}
    for path in paths:
        for hit in re.findall(pattern, path.read_text("utf-8", "replace")):
            found.setdefault(hit, []).append(path.relative_to(ROOT).as_posix())
    return found


def test_pages_pin_each_action_as_the_workflows_do() -> None:
    """A reader who pastes a step gets what is tested."""
    step = r"uses: ((?:actions|github|pypa)/\S+@.*)"
    ours = set(named(step, [*WORKFLOWS, TEMPLATE]))
    shown = named(step, PAGES)
    assert shown
    assert {one: where for one, where in shown.items() if one not in ours} == {}


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(r"library/python:([\w.-]+)", id="the image of Python in containers"),
        pytest.param(r"(?:image: |image '|python-version: \")(?:python:)?(3\.\d+)", id="in pages"),
        pytest.param(r"(?:library/postgres:|PostgreSQL database \(tested with )(\d+)", id="SQL"),
        pytest.param(r"motoserver/moto:([\d.]+)", id="the S3 server"),
    ],
)
def test_what_is_named_in_several_places_is_one_version(pattern: str) -> None:
    """Otherwise one of them was forgotten."""
    found = named(pattern, [*PAGES, *CONTAINERS])
    assert len(found) == 1, found


def test_pages_and_containers_use_a_supported_python() -> None:
    """One of those that are tested."""
    pattern = r"(?:library/python:|image: python:|image 'python:|python-version: \")(3\.\d+)"
    found = named(pattern, [*PAGES, *CONTAINERS, TEMPLATE])
    assert found
    assert set(found) <= SUPPORTED


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_job_installs_the_python_that_its_commands_use(path: Path) -> None:
    """`make` takes `PYTHON` from the environment of the job."""
    for name, job in YAML(typ="safe").load(path.read_text())["jobs"].items():
        program = job.get("env", {}).get("PYTHON", "")
        for step in job.get("steps", ()):
            installed = step.get("with", {}).get("python-version")
            if program and installed:
                assert program == f"python{installed}" or "matrix." in program, name


def test_pages_name_the_version_of_the_project() -> None:
    """The tag of the action, and the range for `pip`."""
    major, minor, _ = PROJECT["version"].split(".")
    assert set(named(r"OWNER/wanflow@v([\d.]+)", PAGES)) == {PROJECT["version"]}
    assert set(named(r"wanflow~=([\d.]+)", PAGES)) == {f"{major}.{minor}.0"}
