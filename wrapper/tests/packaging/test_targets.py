"""Laws of the Makefile: the one door for newcomers and CI."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
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


HOSTILE = (
    "'; touch pwned; '",
    '"; touch pwned; "',
    "$(shell touch pwned)",
    "$(touch pwned)",
    "`touch pwned`",
    "${HOME}$$x$y",
    "a # b",
    "a;b|c&d>e<f*?[g]~",
    "\\ \\n %s %",
    "line\nbreak",
    "-x",
)
GIVEN = (
    *("BASE_URL", "API_KEY", "API_KEY2", "SPEND_LIMIT", "SEED"),
    *("SEEDS", "JOBS", "ROUNDS", "ARGS", "UPGRADE", "PYTHON"),
)
# What each target hands on, in the environment of what it runs.
TARGETS = {
    "contract": GIVEN,
    "mutants": ("SEEDS", "JOBS", "ARGS"),
    "clean-seeds": ("SEEDS", "ARGS"),
    "crash": ("ROUNDS", "WANFLOW_CRASH_ROUNDS"),
    "mock": ("ARGS",),
}
by_way = pytest.mark.parametrize("way", ["command line", "environment"])
by_value = pytest.mark.parametrize("value", HOSTILE)


class TestValues:
    """What `make` is given is a value: it is neither expanded, nor run, nor changed."""

    @by_way
    @by_value
    @pytest.mark.parametrize("target", TARGETS)
    def test_it_arrives_as_it_was_given(
        self, checkout: Path, tmp_path: Path, target: str, value: str, way: str
    ) -> None:
        """Quotes, dollars and whatever else a shell or make would read are letters."""
        if way == "command line" and "\n" in value:
            pytest.skip("make takes no line break on its command line")
        names = [name for name in GIVEN if name in TARGETS[target]]
        seen = self.seen(checkout, tmp_path, target, dict.fromkeys(names, value), way)
        asked = [name for name in TARGETS[target] if name in seen]
        assert {name: seen[name] for name in TARGETS[target]} == dict.fromkeys(asked, value)
        assert not (tmp_path / "pwned").exists()
        assert not (checkout / "pwned").exists()

    @by_way
    def test_the_suite_has_them_by_its_own_names(
        self, checkout: Path, tmp_path: Path, way: str
    ) -> None:
        """BASE_URL of another program never aims the suite, which reads WANFLOW_CONTRACT_…"""
        names = ("BASE_URL", "API_KEY", "API_KEY2", "SPEND_LIMIT", "SEED")
        given = {name: f"$(shell touch pwned)$'{name}'" for name in names}
        seen = self.seen(checkout, tmp_path, "contract", given, way)
        for name in names:
            assert seen[f"WANFLOW_CONTRACT_{name}"] == given[name]

    def test_what_is_not_given_is_empty(self, checkout: Path, tmp_path: Path) -> None:
        """Then the bundled mock is tested, with a seed of chance's own."""
        seen = self.seen(checkout, tmp_path, "contract", {}, "environment")
        assert {seen[f"WANFLOW_CONTRACT_{name}"] for name in ("BASE_URL", "API_KEY")} == {""}

    def test_no_value_is_on_a_command_line(self, checkout: Path) -> None:
        """Every process could read it there."""
        told = [f"{name}=sk-secret" for name in GIVEN]
        for target in TARGETS:
            assert "sk-secret" not in make(checkout, "--dry-run", target, *told)

    def test_arguments_are_words(self, checkout: Path) -> None:
        """ARGS is cut at blanks, quotes hold a word together, and no shell reads it."""
        words = ["-k", "a and b", "$HOME", ";", "*"]
        command = [sys.executable, ".ci/with-args", sys.executable, "-c", SHOW]
        text = "-k 'a and b' $HOME ';' *"
        done = subprocess.run(
            command,
            cwd=checkout,
            env={**os.environ, "ARGS": text},
            check=True,
            capture_output=True,
            text=True,
        )
        assert json.loads(done.stdout) == words

    def test_arguments_that_are_no_words_get_a_sentence(self, checkout: Path) -> None:
        """A quote without an end is told, and nothing is run."""
        command = [sys.executable, ".ci/with-args", sys.executable, "-c", "print('run')"]
        environment = {**os.environ, "ARGS": "'a"}
        done = subprocess.run(
            command, cwd=checkout, env=environment, check=False, capture_output=True, text=True
        )
        assert done.returncode != 0
        assert done.stdout == ""
        assert "ARGS can't be read" in done.stderr

    @staticmethod
    def seen(
        checkout: Path, folder: Path, target: str, given: dict[str, str], way: str
    ) -> dict[str, str]:
        """Run a target with a Python that writes down its environment, and return that."""
        spy = folder / "spy"
        spy.write_text(f"#!{sys.executable}\n{WRITE.format(str(folder / 'seen.json'))}")
        spy.chmod(0o700)
        clean = {name: text for name, text in os.environ.items() if name not in GIVEN}
        command = ["make", "-f", checkout / "Makefile", "-o", "set-up", target, f"PY={spy}"]
        by_words = way == "command line"
        if by_words:
            command += [f"{name}={text}" for name, text in given.items()]
        subprocess.run(
            command,
            cwd=folder,
            env=clean if by_words else {**clean, **given},
            check=True,
            capture_output=True,
        )
        seen: dict[str, str] = json.loads((folder / "seen.json").read_text())
        return seen


SHOW = "import json, sys; print(json.dumps(sys.argv[1:]))"
WRITE = """
import json, os
with open({!r}, "w") as file:
    json.dump(dict(os.environ), file)
"""


class TestSuite:
    """The suite reads what it is aimed at from the environment."""

    @pytest.mark.parametrize(
        ("variable", "value"),
        [("SEED", "x"), ("SPEND_LIMIT", "much"), ("SPEND_LIMIT", "nan"), ("SPEND_LIMIT", "-1")],
    )
    def test_what_is_no_number_is_refused(self, checkout: Path, variable: str, value: str) -> None:
        """It says which option is wrong, and tests nothing."""
        done = self.pytest(checkout, variable, value)
        assert done.returncode == 4
        assert f"--{variable.lower().replace('_', '-')}" in done.stderr

    def test_an_address_is_aimed_at(self, checkout: Path) -> None:
        """The address of the environment is that of the option, without blanks around it."""
        done = self.pytest(checkout, "BASE_URL", " http://127.0.0.1:9/x'y \n")
        assert "a key is needed" in done.stdout + done.stderr

    @staticmethod
    def pytest(checkout: Path, variable: str, value: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        return subprocess.run(
            [*command, "contract_tests/wanflow_contract/test_auth.py"],
            cwd=checkout,
            env={**os.environ, f"WANFLOW_CONTRACT_{variable}": value},
            check=False,
            capture_output=True,
            text=True,
        )


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
