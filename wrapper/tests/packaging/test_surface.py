"""The public names are compared with the last tag, and a version that is too low is an error."""

from __future__ import annotations

import importlib
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.packaging.surface import MODULES, ROOT, main, public_modules

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.processes

BEFORE = '''
"""A package."""

__all__ = ["Thing", "make"]


class Thing:
    """A thing."""

    def use(self, how: str, much: int = 1) -> str:
        """Use it."""
        return how * much


def make(name: str) -> Thing:
    """Make one."""
    return Thing()


def hidden() -> None:
    """Not listed."""
'''


class Repository:
    """A git repository with a package and its version."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.modules = root / "modules.txt"
        self.modules.write_text("# The public ones.\nwanflow\n")
        self.git("init", "--quiet")
        self.write(BEFORE)

    def git(self, *words: str) -> None:
        author = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        command = ["git", *author, *words]
        subprocess.run(command, cwd=self.root, check=True, capture_output=True)

    def write(self, text: str, version: str = "0.1.0", private: str = "") -> None:
        package = self.root / "wrapper" / "wanflow"
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").write_text(text)
        (package / "_private.py").write_text(private)
        (self.root / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "x")

    def compare(self) -> int:
        return main(self.root, self.modules)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


@pytest.fixture
def tagged(repository: Repository) -> Repository:
    repository.git("tag", "v0.1.0")
    return repository


def test_without_a_tag_it_says_that_nothing_was_compared(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """It succeeds, with a warning. A tag that isn't a version doesn't count."""
    repository.git("tag", "nightly")
    assert repository.compare() == 0
    assert "NOTHING WAS COMPARED" in capsys.readouterr().out


def test_without_a_repository_nothing_is_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For example in an unpacked sdist."""
    assert main(tmp_path, MODULES) == 0
    assert "NOTHING WAS COMPARED" in capsys.readouterr().out


BREAKING = {
    "a name removed": (BEFORE.replace("def make(", "def made("), "make"),
    "an argument removed": (BEFORE.replace(", much: int = 1", ""), "much"),
    "an argument required": (BEFORE.replace("(name: str)", "(name: str, size: int)"), "size"),
    "a method removed": (BEFORE.replace("def use(", "def apply("), "use"),
    "another default": (BEFORE.replace("= 1", "= 2"), "much"),
}


@pytest.mark.parametrize(("text", "what"), BREAKING.values(), ids=BREAKING)
def test_a_breaking_change_needs_the_second_number(
    tagged: Repository, capsys: pytest.CaptureFixture[str], text: str, what: str
) -> None:
    """Before 1.0.0. It fails with the old version, and passes with the next."""
    tagged.write(text)
    assert tagged.compare() == 1
    output = capsys.readouterr().out
    assert "breaking  wanflow: " in output
    assert what in output
    assert "need version 0.2.0; it is 0.1.0" in output
    tagged.write(text, "0.2.0")
    assert tagged.compare() == 0


def test_an_addition_needs_the_third_number(
    tagged: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new public name is reported."""
    text = BEFORE.replace('"make"]', '"make", "hidden"]')
    tagged.write(text)
    assert tagged.compare() == 1
    assert "additive  wanflow.hidden: new" in capsys.readouterr().out
    tagged.write(text, "0.1.1")
    assert tagged.compare() == 0


def test_from_1_0_0_on_a_breaking_change_needs_the_first_number(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in Semantic Versioning."""
    repository.git("tag", "v1.2.3")
    repository.write(BEFORE.replace("def make(", "def made("), "1.3.0")
    assert repository.compare() == 1
    assert "need version 2.0.0" in capsys.readouterr().out


def test_private_names_may_change(tagged: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    """A module that isn't listed, or a name that isn't in `__all__`."""
    tagged.write(BEFORE.replace("def hidden", "def hid"), private="x = 1\n")
    assert tagged.compare() == 0
    assert "are those of v0.1.0" in capsys.readouterr().out


@pytest.mark.parametrize("module", public_modules())
def test_the_listed_modules_exist(module: str) -> None:
    """Each can be imported."""
    assert importlib.import_module(module)
    assert (ROOT / "wrapper" / "wanflow").is_dir()
