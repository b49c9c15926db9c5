"""What CONTRIBUTING.md, SECURITY.md and the forms for issues say is true."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from textwrap import dedent
from typing import Any

import click
import pytest
import yaml

from wanflow.cli.main import COMMANDS

ROOT = Path(__file__).parents[3]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
SECURITY = (ROOT / "SECURITY.md").read_text()
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
FORMS_OF_ISSUES = [path for path in FORMS if path.name != "config.yml"]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
ADVISORIES = f"{DECLARED['Repository']}/security/advisories/new"


def blocks(language: str) -> list[str]:
    """Return the code blocks of CONTRIBUTING.md, also those inside of lists."""
    pattern = rf"^( *)```{language}\n(.*?)^\1```$"
    found = re.findall(pattern, CONTRIBUTING, re.DOTALL | re.MULTILINE)
    assert found
    return [dedent(code) for _, code in found]


COMMAND_LINES = [
    shlex.split(line, comments=True) for code in blocks("sh") for line in code.splitlines()
]


def parse(command: click.Command, name: str, arguments: list[str]) -> None:
    """Parse arguments as the command does, and those of a command inside of it."""
    context = command.make_context(name, list(arguments))
    if isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        inner = command.get_command(context, arguments[0])
        assert inner is not None, f"wanflow {name} has no {arguments[0]}"
        parse(inner, f"{name} {arguments[0]}", arguments[1:])


def check_command(words: list[str], targets: set[str]) -> None:
    """Fail if a command has a part that doesn't exist."""
    while "=" in words[0]:
        name, value = words.pop(0).split("=")
        assert name == "PYTHONPATH"
        assert (ROOT / value).is_dir()
    match words:
        case ["make", target, *variables]:
            assert target in targets
            assert all(re.match(r"(ARGS|UPGRADE)=", one) for one in variables)
        case ["python", "-m", "pytest", *arguments]:
            paths = [one for one in arguments if not one.startswith("-")]
            assert paths
            assert [one for one in paths if not (ROOT / one).exists()] == []
        case ["python", "-m", "self_tests.check_map"]:
            assert (ROOT / "contract_tests/self_tests/check_map.py").is_file()
        case ["wanflow", name, *arguments]:
            parse(COMMANDS[name].load(), name, arguments)
        case _:
            assert words == [".", ".venv/bin/activate"]


@pytest.mark.parametrize("words", COMMAND_LINES, ids=" ".join)
def test_each_command_exists(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each target, test, subcommand and option does."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    monkeypatch.chdir(tmp_path)
    Path("new-model.yaml").touch()
    check_command(list(words), targets)


@pytest.mark.parametrize(
    "line",
    [
        "make nothing",
        "make test FOO=1",
        "python -m pytest wrapper/tests/nothing",
        "wanflow spec nothing",
        "wanflow spec diff --nothing",
        "rm -rf .venv",
    ],
)
def test_a_wrong_command_would_be_noticed(line: str) -> None:
    """The test above can fail."""
    with pytest.raises((AssertionError, KeyError, click.ClickException)):
        check_command(shlex.split(line), {"test"})


def test_the_example_of_a_check_is_one_of_the_suite() -> None:
    """So it is shown as it must be written today, and the commands beside it name it."""
    (code,) = blocks("python")
    folder = ROOT / "contract_tests/wanflow_contract/checks/definitions"
    assert any(code in path.read_text() for path in folder.glob("*.py"))
    name = re.search(r'"([a-z-]+)"', code)
    assert name is not None
    assert f"--only {name[1]} " in CONTRIBUTING
    assert f"explain {name[1]} " in CONTRIBUTING


def test_the_example_of_an_overlay_is_one_of_the_project() -> None:
    """The pipeline applies it."""
    (code,) = blocks("yaml")
    (action,) = yaml.safe_load(code)
    overlays = [yaml.safe_load(path.read_text()) for path in (ROOT / "specs/overlays").glob("*")]
    assert action in [one for overlay in overlays for one in overlay["actions"]]


@pytest.mark.parametrize("text", [CONTRIBUTING, SECURITY], ids=["CONTRIBUTING", "SECURITY"])
def test_each_file_and_target_that_is_named_exists(text: str) -> None:
    """The links, the paths in backquotes, and the make targets."""
    links = re.findall(r"\]\((?!https:)([^)#]+)", text)
    paths = re.findall(r"`((?:wrapper|contract_tests|specs|generated|\.ci|\.github)/[^`*]*)`", text)
    assert links or paths
    missing = [name for name in (*links, *paths) if not (ROOT / name).exists()]
    assert missing == []
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets


def test_each_promise_about_keys_names_its_tests() -> None:
    """They are there, and each of these files has a test that names a key or a secret."""
    promises = re.findall(r"^\| ([^|]+) \| (`[^|]+`) \|$", SECURITY, re.MULTILINE)
    assert len(promises) >= 10
    for promise, files in promises:
        for name in re.findall(r"`([^`]+)`", files):
            tests = re.findall(r"def (test_\w+)", (ROOT / name).read_text())
            assert any("key" in test or "secret" in test for test in tests), promise


def test_a_vulnerability_is_reported_privately() -> None:
    """SECURITY.md and the list of forms name the same private place; every issue has a form."""
    settings = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/config.yml").read_text())
    assert settings["blank_issues_enabled"] is False
    assert [link["url"] for link in settings["contact_links"]] == [ADVISORIES]
    assert ADVISORIES in SECURITY


def test_there_is_a_form_for_each_kind_of_issue() -> None:
    """For a bug, a deviation of a server, and a document; and a template of pull requests."""
    assert [path.stem for path in FORMS_OF_ISSUES] == ["bug", "deviation", "document"]
    template = (ROOT / ".github/PULL_REQUEST_TEMPLATE.md").read_text()
    assert "`make test`" in template
    assert "API key" in template


@pytest.mark.parametrize("path", FORMS_OF_ISSUES, ids=lambda path: path.stem)
def test_a_form_is_one_that_github_shows(path: Path) -> None:
    """By GitHub's schema: a form with a mistake isn't offered. It asks that no key be in it."""
    form: dict[str, Any] = yaml.safe_load(path.read_text())
    assert form.keys() <= {"name", "description", "title", "labels", "assignees", "body"}
    assert all(isinstance(form[key], str) and form[key] for key in ("name", "description"))
    fields = [one for one in form["body"] if one["type"] != "markdown"]
    assert len({one["id"] for one in fields}) == len(fields)
    assert len({one["attributes"]["label"] for one in fields}) == len(fields)
    for one in form["body"]:
        check_field(one)
    (secrets,) = [one for one in fields if one["type"] == "checkboxes"]
    (option,) = secrets["attributes"]["options"]
    assert option["required"] is True
    assert "API key" in option["label"]


def check_field(one: dict[str, Any]) -> None:
    """Fail if a field has what GitHub doesn't know, or lacks what it needs."""
    attributes = {
        "markdown": {"value"},
        "input": {"label", "description", "placeholder", "value"},
        "textarea": {"label", "description", "placeholder", "value", "render"},
        "dropdown": {"label", "description", "multiple", "options", "default"},
        "checkboxes": {"label", "description", "options"},
    }[one["type"]]
    assert one.keys() <= {"type", "id", "attributes", "validations"}
    assert one["attributes"].keys() <= attributes
    assert one["attributes"]["value" if one["type"] == "markdown" else "label"]
    assert one.get("validations", {}).keys() <= {"required"}
    if one["type"] == "dropdown":
        options = one["attributes"]["options"]
        assert all(isinstance(option, str) for option in options)
        assert len(set(options)) == len(options)


def test_updates_are_configured_for_all_that_is_pinned() -> None:
    """Packages, the actions of every workflow, and the base images, a week after a release."""
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    places = {
        one["package-ecosystem"]: one.get("directories", [one.get("directory")]) for one in updates
    }
    assert places == {
        "pip": ["/"],
        "github-actions": ["/", "/wrapper/wanflow/spec/templates"],
        "docker": ["/container/base"],
    }
    for one in updates:
        assert one["schedule"]["interval"] in {"daily", "weekly"}
        assert one["cooldown"]["default-days"] >= 7
    assert "make lock UPGRADE=--upgrade" in (ROOT / ".github/workflows/upgrade.yml").read_text()
    for folder in (folder for folders in places.values() for folder in folders):
        assert (ROOT / folder.removeprefix("/")).is_dir()


def test_the_base_image_that_is_updated_is_the_one_that_is_used() -> None:
    """Dependabot reads no variable, so the image stands in a file of its own, too."""
    folder = ROOT / "container"
    (updated,) = re.findall(r"^FROM (\S+)$", (folder / "base/Dockerfile").read_text(), re.MULTILINE)
    used = re.findall(r"^ARG BASE=(\S+)$", (folder / "Dockerfile").read_text(), re.MULTILINE)
    used += re.findall(r"PYTHON_IMAGE:-([^}]+)}", (folder / "compose.yaml").read_text())
    assert used == [updated, updated]
