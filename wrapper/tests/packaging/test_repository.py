"""The committed files have no machine name and no secret, and there is one version."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

import wanflow

if TYPE_CHECKING:
    from pathlib import Path

# Written so that this file doesn't match itself.
MACHINES = re.compile(
    r"(?<![\w.*-])/(?:[h]ome|[r]oot|[U]sers|[w]ork)/\w"
    r"|py[p]i\.(?:org|python)|python[h]osted|registry\.[n]pm"
)
KEYS = re.compile(r"\bsk-[A-Za-z0-9]{20,}|\bgh[pousr]_[A-Za-z0-9]{20,}|-----BEGIN [A-Z ]*PRIVATE")


@pytest.fixture(scope="module")
def texts(checkout: Path, committed: list[str]) -> dict[str, str]:
    """Committed text files by path, without the source specs, which are received."""
    own = [path for path in committed if not path.startswith("specs/sources/")]
    return {path: (checkout / path).read_text(errors="replace") for path in own}


class TestWhatIsCommitted:
    """The repository depends on no machine."""

    @pytest.mark.processes
    def test_no_machine(self, texts: dict[str, str]) -> None:
        """No file names a home directory or the host of a package index."""
        found = {path: MACHINES.findall(text) for path, text in texts.items()}
        assert {path: hits for path, hits in found.items() if hits} == {}

    @pytest.mark.parametrize("parts", [("", "home", "x", "y"), ("see ", "work", "y")])
    def test_a_machine_would_be_noticed(self, parts: tuple[str, ...]) -> None:
        """The test above can fail."""
        assert MACHINES.search("/".join(parts))

    @pytest.mark.processes
    def test_no_secret(self, texts: dict[str, str]) -> None:
        """No file has what could be a key."""
        assert [path for path, text in texts.items() if KEYS.search(text)] == []

    @pytest.mark.processes
    def test_no_output(self, committed: list[str]) -> None:
        """No output of a make target, and no cache, is committed."""
        output = re.compile(r"(^|/)(out|dist|build|__pycache__|\.venv|\.[a-z_]+_cache)/|\.pyc$")
        assert [path for path in committed if output.search(path)] == []

    def test_scripts_can_be_run(self, checkout: Path) -> None:
        """The scripts of `.ci` are executable."""
        scripts = [path for path in (checkout / ".ci").iterdir() if path.suffix != ".toml"]
        assert scripts
        assert [script.name for script in scripts if not script.stat().st_mode & 0o111] == []


class TestVersion:
    """There is one version."""

    def test_strings_agree(self, checkout: Path) -> None:
        """pyproject.toml, the package and its metadata have the same version."""
        declared = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]["version"]
        assert {declared, wanflow.__version__, version("wanflow")} == {declared}

    def test_changelog_begins_with_it(self, checkout: Path) -> None:
        """The changelog's first entry is this version or Unreleased."""
        entries = re.findall(r"^## \[?([^\]\s]+)", (checkout / "CHANGELOG.md").read_text(), re.M)
        assert entries[0] in {"Unreleased", wanflow.__version__}
