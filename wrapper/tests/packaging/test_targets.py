"""The Makefile, which contributors and CI use in the same way."""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.processes

PROMISED = (
    *("demo", "test", "check", "specs", "generate", "regenerate"),
    *("drift", "contract", "mock", "bench", "build"),
)
RULE = re.compile(r"^([a-z-]+):(?! export)(.*)\n((?:\t.*\n)*)", re.MULTILINE)


class Rule:
    """One target: its name, its prerequisites, its summary and its recipe."""

    def __init__(self, name: str, head: str, recipe: str) -> None:
        self.name = name
        needs, _, self.summary = head.partition("##")
        self.needs = needs.split()
        self.recipe = recipe.splitlines()


@pytest.fixture(scope="module")
def rules(checkout: Path) -> dict[str, Rule]:
    text = (checkout / "Makefile").read_text()
    found = {match[1]: Rule(*match.groups()) for match in RULE.finditer(text)}
    assert set(PROMISED) <= set(found), "these tests misread the Makefile, or targets were removed"
    return found


def make(checkout: Path, *arguments: str) -> str:
    command = ["make", "--no-print-directory", *arguments]
    done = subprocess.run(command, cwd=checkout, check=True, capture_output=True, text=True)
    return done.stdout


class TestMakefile:
    """`make` alone lists the targets."""

    def test_make_alone_lists_every_target_once(
        self, checkout: Path, rules: dict[str, Rule]
    ) -> None:
        """Each has one line that says what it does."""
        lines = make(checkout).splitlines()
        listed = [line.split()[1] for line in lines]
        assert sorted(listed) == sorted(rules)
        assert all(len(line.split()) > 3 for line in lines)

    def test_listing_fits_a_terminal(self, checkout: Path) -> None:
        """The list is at most 100 columns wide."""
        assert max(map(len, make(checkout).splitlines())) <= 100

    def test_recipes_are_short(self, rules: dict[str, Rule]) -> None:
        """No recipe has more than five lines."""
        assert {name for name, rule in rules.items() if len(rule.recipe) > 5} == set()

    def test_every_target_sets_itself_up(self, rules: dict[str, Rule]) -> None:
        """Every target that uses .venv depends on set-up."""

        def depends(name: str) -> bool:
            return name == "set-up" or any(depends(need) for need in rules[name].needs)

        users = [
            name
            for name, rule in rules.items()
            if any("$(PY)" in line or ".venv/bin" in line for line in rule.recipe)
        ]
        assert len(users) >= len(PROMISED)
        assert [name for name in users if not depends(name)] == []

    def test_test_includes_check_and_drift(self, checkout: Path) -> None:
        """`make test` includes every check, and the tests."""
        plan = make(checkout, "--dry-run", "test").splitlines()
        for part in ("setup", "drift", "ruff check", "ruff format --check", "mypy", "pyright"):
            assert any(part in line for line in plan), part
        for part in ("lint-imports", "actionlint", "zizmor", ".ci/words"):
            assert any(part in line for line in plan), part
        for part in ("docs_build", "tests.packaging.surface"):
            assert any(part in line for line in plan), part
        assert any("-m pytest" in line for line in plan)

    def test_build_test_runs_all_that_has_its_mark(
        self, checkout: Path, committed: list[str]
    ) -> None:
        """It reads some folders only, which takes less time."""
        *_, command = make(checkout, "--dry-run", "build-test").splitlines()
        mark = "mark." + "builds"
        files = [one for one in committed if one.endswith(".py")]
        marked = [one for one in files if mark in (checkout / one).read_text()]
        assert len(marked) > 5
        assert {str((checkout / one).parent.relative_to(checkout)) for one in marked} <= set(
            command.split()
        )

    @pytest.mark.parametrize(("program", "code"), [("echo", 0), ("ls", 2)])
    def test_a_failed_check_fails_beside_the_tests(
        self, checkout: Path, program: str, code: int
    ) -> None:
        """What check says is printed in any case; another program stands in for its make."""
        command = ["make", "--no-print-directory", "-o", "set-up", "checked", f"MAKE={program}"]
        done = subprocess.run(command, cwd=checkout, check=False, capture_output=True, text=True)
        assert done.returncode == code
        assert "no-print-directory" in done.stdout

    def test_phony(self, checkout: Path, rules: dict[str, Rule]) -> None:
        """A file with the name of a target doesn't keep it from running."""
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
# The variables that each target passes to its commands.
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
    """Variables given to `make` are passed on unchanged, and never expanded or executed."""

    @by_way
    @by_value
    @pytest.mark.parametrize("target", TARGETS)
    def test_values_are_passed_on_unchanged(
        self, checkout: Path, tmp_path: Path, target: str, value: str, way: str
    ) -> None:
        """Characters that are special in a shell or in make have no effect."""
        if way == "command line" and "\n" in value:
            pytest.skip("make accepts no line break on its command line")
        names = [name for name in GIVEN if name in TARGETS[target]]
        recorded = self.environment_of(checkout, tmp_path, target, dict.fromkeys(names, value), way)
        given = [name for name in TARGETS[target] if name in recorded]
        assert {name: recorded[name] for name in TARGETS[target]} == dict.fromkeys(given, value)
        assert not (tmp_path / "pwned").exists()
        assert not (checkout / "pwned").exists()

    @by_way
    def test_the_suite_gets_them_as_its_own_variables(
        self, checkout: Path, tmp_path: Path, way: str
    ) -> None:
        """The suite reads WANFLOW_CONTRACT_…, so another program's BASE_URL has no effect on it."""
        names = ("BASE_URL", "API_KEY", "API_KEY2", "SPEND_LIMIT", "SEED")
        given = {name: f"$(shell touch pwned)$'{name}'" for name in names}
        recorded = self.environment_of(checkout, tmp_path, "contract", given, way)
        for name in names:
            assert recorded[f"WANFLOW_CONTRACT_{name}"] == given[name]

    def test_variables_that_are_not_given_are_empty(self, checkout: Path, tmp_path: Path) -> None:
        """Then the bundled mock is tested, with a random seed."""
        recorded = self.environment_of(checkout, tmp_path, "contract", {}, "environment")
        assert {recorded[f"WANFLOW_CONTRACT_{name}"] for name in ("BASE_URL", "API_KEY")} == {""}

    def test_no_value_is_on_a_command_line(self, checkout: Path) -> None:
        """Other processes can read command lines."""
        values = [f"{name}=sk-secret" for name in GIVEN]
        for target in TARGETS:
            assert "sk-secret" not in make(checkout, "--dry-run", target, *values)

    def test_arguments_are_words(self, checkout: Path) -> None:
        """ARGS is split at spaces, except inside quotes, and no shell reads it."""
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

    def test_arguments_that_cannot_be_split_are_an_error(self, checkout: Path) -> None:
        """An unclosed quote is reported, and nothing is run."""
        command = [sys.executable, ".ci/with-args", sys.executable, "-c", "print('run')"]
        environment = {**os.environ, "ARGS": "'a"}
        done = subprocess.run(
            command, cwd=checkout, env=environment, check=False, capture_output=True, text=True
        )
        assert done.returncode != 0
        assert done.stdout == ""
        assert "ARGS can't be split" in done.stderr

    @staticmethod
    def environment_of(
        checkout: Path, folder: Path, target: str, given: dict[str, str], way: str
    ) -> dict[str, str]:
        """Run a target with a Python that records its environment, and return it."""
        spy = folder / "spy"
        spy.write_text(f"#!{sys.executable}\n{WRITE.format(str(folder / 'environment.json'))}")
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
        recorded: dict[str, str] = json.loads((folder / "environment.json").read_text())
        return recorded


SHOW = "import json, sys; print(json.dumps(sys.argv[1:]))"
WRITE = """
import json, os
with open({!r}, "w") as file:
    json.dump(dict(os.environ), file)
"""


class TestSuite:
    """The suite reads the server to test from the environment."""

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("SEED", "x"),
            pytest.param("SPEND_LIMIT", "much", marks=pytest.mark.slow),
            pytest.param("SPEND_LIMIT", "nan", marks=pytest.mark.slow),
            ("SPEND_LIMIT", "-1"),
        ],
    )
    def test_an_invalid_number_is_rejected(self, checkout: Path, variable: str, value: str) -> None:
        """The error names the option, and nothing is tested."""
        done = self.pytest(checkout, variable, value)
        assert done.returncode == 4
        assert f"--{variable.lower().replace('_', '-')}" in done.stderr

    def test_whitespace_around_the_base_url_is_ignored(self, checkout: Path) -> None:
        """As with the option."""
        done = self.pytest(checkout, "BASE_URL", " http://127.0.0.1:9/x'y \n")
        assert "an API key is needed" in done.stdout + done.stderr

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


MARKS = """
import inspect, sys, pytest

class Marks:
    def pytest_collection_finish(self, session):
        for item in session.items:
            code = inspect.getsource(item.function)
            if {"tab", "browser"} & {*item.fixturenames} or "Browser(" in code:
                name = item.nodeid.partition("[")[0]
                print("BROWSER", name, *{mark.name for mark in item.iter_markers()})

sys.exit(pytest.main(["--collect-only", "-qq", *sys.argv[1:]], plugins=[Marks()]))
"""


class TestCI:
    """CI runs the make targets."""

    def test_run_is_make_test_with_a_browser(self, checkout: Path) -> None:
        """`.ci/run` installs what some tests need, and calls make, from any directory."""
        script = (checkout / ".ci/run").read_text().splitlines()
        commands = [line for line in script if line and not line.startswith("#")]
        where, *installed, test = commands[0].split(" && ")
        assert commands[1:] == []
        assert where == 'cd "$(dirname "$0")/.."'
        assert installed == [".ci/browser", ".ci/shells", ".ci/postgres"]
        *command, make_test = test.split(" --no-print-directory ")
        parts = ("image", "queue", "build", "spec", "mock", "suite", "process", "client")
        assert command == ["exec make"]
        assert make_test == " ".join([*(f"{part}-test" for part in parts), "test"])

    def test_each_test_in_a_browser_is_run(self, checkout: Path, committed: list[str]) -> None:
        """`.ci/run` installs a browser for it: `make process-test` chooses it by its marks."""
        texts = {one: (checkout / one).read_text() for one in committed if one.endswith(".py")}
        using = [
            one for one in texts if re.search("^from .* import .*\\bBrowser$", texts[one], re.M)
        ]
        pages = [one for one in texts if "/mock/page/test_" in one]
        command = [sys.executable, "-c", MARKS, "-p", "no:cacheprovider", *using, *pages]
        done = subprocess.run(command, cwd=checkout, check=True, capture_output=True, text=True)
        items = [line.split() for line in done.stdout.splitlines() if line.startswith("BROWSER")]
        assert {name.partition("::")[0] for _, name, *_ in items} == {*using, *pages}
        for _, name, *marks in items:
            assert "processes" in marks, name
            assert not {"slow", "builds", "postgres"} & {*marks}, name

    def test_workflows_call_make_only(self, checkout: Path) -> None:
        """Each command is a make target, checks what was left or answered, or tries a wheel where
        there may be no make."""
        steps = self.steps(checkout)
        commands = [step["run"] for step in steps if "run" in step]
        assert commands
        allowed = r"make [a-z-]+$|test -z .*git |test .*curl |python \.ci/release try "
        allowed += r"|sudo \.ci/postgres$"
        assert [c for c in commands if not re.match(allowed, c)] == []

    @pytest.mark.parametrize("name", ["test", "release-check", "platforms", "httpx"])
    def test_each_change_is_checked_by(self, checkout: Path, name: str) -> None:
        """None of them is left to the one who makes a change."""
        assert f"make {name}" in [step.get("run") for step in self.steps(checkout)]

    def test_every_target_of_tests_is_run_here_and_there(
        self, checkout: Path, rules: dict[str, Rule]
    ) -> None:
        """By `.ci/run`, and for each change by the workflow."""
        parts = {name for name in rules if name.endswith("-test")}
        assert len(parts) >= 5
        assert parts <= set((checkout / ".ci/run").read_text().split())
        commands = [step.get("run") for step in self.steps(checkout)]
        assert [name for name in sorted(parts) if f"make {name}" not in commands] == []
        assert commands.index("sudo .ci/postgres") < commands.index("make queue-test")

    def test_what_make_test_leaves_out_is_run_by_another_target(self, checkout: Path) -> None:
        """Each directory that it ignores is another target's, which chooses by the same marks."""
        lines = (checkout / "Makefile").read_text().replace("\\\n", "").splitlines()
        recipes = [
            line.partition("$(IN_SECONDS)")[2] for line in lines if " -m $(IN_SECONDS)" in line
        ]
        ignored = [re.findall(r"--ignore (\S+)", one) for one in recipes]
        chosen = {one.strip() for one, left in zip(recipes, ignored, strict=True) if not left}
        assert len(recipes) > len(chosen) > 0
        assert chosen == {one for left in ignored for one in left}

    def test_workflow_needs_no_secret(self, checkout: Path) -> None:
        """The workflow gets no secret."""
        assert "secrets." not in (checkout / ".github/workflows/ci.yml").read_text()

    @staticmethod
    def steps(checkout: Path) -> list[dict[str, str]]:
        reader: Any = YAML(typ="safe")
        loaded = reader.load(checkout / ".github/workflows/ci.yml")
        return [step for job in loaded["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("before", [signal.SIG_IGN, signal.SIG_DFL, signal.default_int_handler])
def test_tests_in_the_background_can_be_interrupted(checkout: Path, before: Any) -> None:
    """A shell that starts them with `&` lets them ignore Ctrl-C; anything else stays."""
    own = signal.signal(signal.SIGINT, before)
    try:
        runpy.run_path(str(checkout / "conftest.py"))
        after = signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, own)
    assert after is (signal.default_int_handler if before is signal.SIG_IGN else before)
