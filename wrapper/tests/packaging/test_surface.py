"""What users import is compared with the last tag, and a version that is too low is told."""

from __future__ import annotations

import importlib
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.packaging.surface import MODULES, ROOT, main, public_modules

if TYPE_CHECKING:
    from pathlib import Path

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
    """Isn't listed."""
'''


class Repository:
    """A repository with a package, its version, and maybe a tag."""

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

    def judge(self) -> int:
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
    """Loudly, and it passes; another kind of tag is no version."""
    repository.git("tag", "nightly")
    assert repository.judge() == 0
    assert "NOTHING WAS COMPARED" in capsys.readouterr().out


def test_what_is_no_repository_passes_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As an unpacked sdist is."""
    assert main(tmp_path, MODULES) == 0
    assert "NOTHING WAS COMPARED" in capsys.readouterr().out


BREAKING = {
    "a name gone": (BEFORE.replace("def make(", "def made("), "make"),
    "an argument gone": (BEFORE.replace(", much: int = 1", ""), "much"),
    "an argument required": (BEFORE.replace("(name: str)", "(name: str, size: int)"), "size"),
    "a method gone": (BEFORE.replace("def use(", "def apply("), "use"),
    "another default": (BEFORE.replace("= 1", "= 2"), "much"),
}


@pytest.mark.parametrize(("text", "what"), BREAKING.values(), ids=BREAKING)
def test_what_breaks_asks_for_the_middle_number(
    tagged: Repository, capsys: pytest.CaptureFixture[str], text: str, what: str
) -> None:
    """Under 0.x; with the version as it was it fails, with the next it passes."""
    tagged.write(text)
    assert tagged.judge() == 1
    said = capsys.readouterr().out
    assert "breaking  wanflow: " in said
    assert what in said
    assert "asks for version 0.2.0; it is 0.1.0" in said
    tagged.write(text, "0.2.0")
    assert tagged.judge() == 0


def test_what_is_added_asks_for_the_last_number(
    tagged: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new public name is a line, and the version follows."""
    text = BEFORE.replace('"make"]', '"make", "hidden"]')
    tagged.write(text)
    assert tagged.judge() == 1
    assert "additive  wanflow.hidden: new" in capsys.readouterr().out
    tagged.write(text, "0.1.1")
    assert tagged.judge() == 0


def test_from_1_0_0_on_the_first_number_is_asked_for(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Semantic Versioning has it."""
    repository.git("tag", "v1.2.3")
    repository.write(BEFORE.replace("def make(", "def made("), "1.3.0")
    assert repository.judge() == 1
    assert "asks for version 2.0.0" in capsys.readouterr().out


def test_what_is_private_may_change(tagged: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    """A module that isn't listed, and a name that `__all__` leaves out."""
    tagged.write(BEFORE.replace("def hidden", "def hid"), private="x = 1\n")
    assert tagged.judge() == 0
    assert "as in v0.1.0" in capsys.readouterr().out


@pytest.mark.parametrize("module", public_modules())
def test_the_list_names_modules_that_are_there(module: str) -> None:
    """Each can be imported, and says by `__all__` or its names what is public."""
    assert importlib.import_module(module)
    assert (ROOT / "wrapper" / "wanflow").is_dir()
