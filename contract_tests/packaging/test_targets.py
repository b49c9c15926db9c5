"""Laws of the Makefile: the one door for newcomers and CI."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from ruamel.yaml import YAML

if TYPE_CHECKING:
    from pathlib import Path

PROMISED = (
    *("demo", "test", "check", "specs", "generate", "regenerate"),
    *("drift", "contract", "mock", "bench", "build"),
)
RULE = re.compile(r"^([a-z-]+):(?! export)(.*)\n((?:\t.*\n)*)", re.MULTILINE)


class Rule:
    """One target: its name, what it needs first, what `make` says of it, and its recipe."""

    def __init__(self, name: str, head: str, recipe: str) -> None:
        self.name = name
        needs, _, self.summary = head.partition("##")
        self.needs = needs.split()
        self.recipe = recipe.splitlines()


@pytest.fixture(scope="module")
def rules(checkout: Path) -> dict[str, Rule]:
    text = (checkout / "Makefile").read_text()
    found = {match[1]: Rule(*match.groups()) for match in RULE.finditer(text)}
    assert set(PROMISED) <= set(found), "these laws read the Makefile wrongly, or targets are gone"
    return found


def make(checkout: Path, *arguments: str) -> str:
    command = ["make", "--no-print-directory", *arguments]
    done = subprocess.run(command, cwd=checkout, check=True, capture_output=True, text=True)
    return done.stdout


class TestMakefile:
    """`make` alone is the manual."""

    def test_make_alone_lists_every_target_once(
        self, checkout: Path, rules: dict[str, Rule]
    ) -> None:
        """`make` alone lists every target, once, with a line on what it does."""
        lines = make(checkout).splitlines()
        listed = [line.split()[1] for line in lines]
        assert sorted(listed) == sorted(rules)
        assert all(len(line.split()) > 3 for line in lines)

    def test_listing_fits_a_terminal(self, checkout: Path) -> None:
        """The listing is no wider than a terminal of a hundred columns."""
        assert max(map(len, make(checkout).splitlines())) <= 100

    def test_recipes_are_short(self, rules: dict[str, Rule]) -> None:
        """No recipe has more than five lines."""
        assert {name for name, rule in rules.items() if len(rule.recipe) > 5} == set()

    def test_every_target_sets_itself_up(self, rules: dict[str, Rule]) -> None:
        """Every target that runs something of .venv rests on the set-up."""

        def rests(name: str) -> bool:
            return name == "set-up" or any(rests(need) for need in rules[name].needs)

        users = [
            name
            for name, rule in rules.items()
            if any("$(PY)" in line or ".venv/bin" in line for line in rule.recipe)
        ]
        assert len(users) >= len(PROMISED)
        assert [name for name in users if not rests(name)] == []

    def test_test_includes_check_and_drift(self, checkout: Path) -> None:
        """`make test` includes every check, drift among them, and ends with the tests."""
        plan = make(checkout, "--dry-run", "test").splitlines()
        for part in ("setup", "drift", "ruff check", "ruff format --check", "mypy", "pyright"):
            assert any(part in line for line in plan), part
        assert any("lint-imports" in line for line in plan)
        assert "pytest" in plan[-1]

    def test_phony(self, checkout: Path, rules: dict[str, Rule]) -> None:
        """A file that happens to be named like a target does not keep it from running."""
        text = (checkout / "Makefile").read_text()
        phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
        assert phony is not None
        assert sorted(phony[1].split()) == sorted(rules)


class TestContractTarget:
    """`make contract` hands its variables on."""

    def test_variables_reach_pytest(self, checkout: Path) -> None:
        """BASE_URL, SPEND_LIMIT and SEED become options, quoted."""
        told = ["BASE_URL=http://h:1/a b", "SPEND_LIMIT=40", "SEED=7"]
        last = make(checkout, "--dry-run", "contract", *told)
        for option in ("--base-url 'http://h:1/a b'", "--spend-limit '40'", "--seed '7'"):
            assert option in last

    def test_keys_are_not_on_a_command_line(self, checkout: Path) -> None:
        """The keys are on no command line, where every process could read them."""
        told = ["API_KEY=sk-first", "API_KEY2=sk-second"]
        assert "sk-" not in make(checkout, "--dry-run", "contract", *told)

    def test_keys_reach_pytest_by_environment(self, checkout: Path) -> None:
        """The keys are in the environment of what `make contract` runs."""
        names = ["WANFLOW_CONTRACT_API_KEY", "WANFLOW_CONTRACT_API_KEY2"]
        told = ["API_KEY=sk-first", "API_KEY2=sk-second", f"PY=printenv {' '.join(names)} #"]
        printed = make(checkout, "-o", "set-up", "contract", *told)
        assert printed.split() == ["sk-first", "sk-second"]


class TestCI:
    """CI does what a newcomer does."""

    def test_run_is_make_test(self, checkout: Path) -> None:
        """`.ci/run` calls `make test`, from wherever it is started, and nothing else."""
        script = (checkout / ".ci/run").read_text().splitlines()
        commands = [line for line in script if line and not line.startswith("#")]
        assert commands == ['cd "$(dirname "$0")/.." && exec make --no-print-directory test']

    def test_workflows_call_make_only(self, checkout: Path) -> None:
        """Each command of the workflow is a make target, or a look at git."""
        steps = self.steps(checkout)
        commands = [step["run"] for step in steps if "run" in step]
        assert commands
        assert [c for c in commands if not re.match(r"make [a-z]+$|test -z .*git ", c)] == []
        assert "make test" in commands

    def test_workflow_needs_no_secret(self, checkout: Path) -> None:
        """The workflow may read the code, and is given no secret."""
        text = (checkout / ".github/workflows/ci.yml").read_text()
        assert YAML(typ="safe").load(text)["permissions"] == {"contents": "read"}
        assert "secrets." not in text

    def test_actions_are_pinned(self, checkout: Path) -> None:
        """Each action is GitHub's own, at a major version."""
        used = [step["uses"] for step in self.steps(checkout) if "uses" in step]
        assert used
        assert [name for name in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", name)] == []

    @staticmethod
    def steps(checkout: Path) -> list[dict[str, str]]:
        loaded = YAML(typ="safe").load(checkout / ".github/workflows/ci.yml")
        return [step for job in loaded["jobs"].values() for step in job["steps"]]
