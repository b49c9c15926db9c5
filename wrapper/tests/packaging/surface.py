"""Compare the public names with the last tagged version, and name the version that must follow.

A removed name or changed arguments are breaking; a new name is an addition. Before 1.0.0 a breaking
change raises the second number of the version and an addition the third. `make check` runs this.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import griffe
from attrs import frozen

from wanflow.spec.diff.change_kinds import Severity
from wanflow.spec.regenerate import version_after

ROOT = Path(__file__).parents[3]
MODULES = Path(__file__).parent / "public_modules.txt"
_TAGS = "v[0-9]*"


@frozen
class Surface:
    """The public changes since a tag, as lines, and their level."""

    tag: str
    breaking: list[str]
    added: list[str]

    @property
    def level(self) -> Severity:
        """The highest level of the changes."""
        if self.breaking:
            return Severity.BREAKING
        return Severity.ADDITIVE if self.added else Severity.NONE


def last_tag(root: Path) -> str | None:
    """Return the newest version tag among the ancestors of the checkout, None without one."""
    command = ["git", "describe", "--tags", "--abbrev=0", "--match", _TAGS]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None


def public_modules(path: Path = MODULES) -> list[str]:
    """Read the list of the public modules."""
    lines = path.read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def compare(root: Path, tag: str, modules: list[str]) -> Surface:
    """Compare the public modules of a checkout with those of a tag."""
    package = modules[0].partition(".")[0]
    old = griffe.load_git(package, ref=tag, repo=root, search_paths=["wrapper"])
    new = griffe.load(package, search_paths=[root / "wrapper"])
    breaking: list[str] = []
    added: list[str] = []
    for name in modules:
        before, after = _module(old, name), _module(new, name)
        if before is None or after is None:
            removed = before is not None
            (breaking if removed else added).append(
                f"{name}: the module is {'removed' if removed else 'new'}"
            )
            continue
        broken = griffe.find_breaking_changes(before, after)
        breaking += [_line(name, found) for found in broken]
        added += [f"{name}.{one}: new" for one in sorted(_names(after) - _names(before))]
    return Surface(tag, sorted(set(breaking)), added)


def _module(package: Any, name: str) -> Any:
    inside = name.partition(".")[2]
    try:
        return package[inside] if inside else package
    except KeyError:
        return None


def _names(module: Any) -> set[str]:
    return {name for name, member in module.members.items() if member.is_public}


def _line(module: str, found: Any) -> str:
    """Describe a breaking change, with the module that users import."""
    text = click.unstyle(found.explain(griffe.ExplanationStyle.ONE_LINE))
    return f"{module}: {text.partition(': ')[2] or text}"


def assess(root: Path, surface: Surface) -> tuple[int, list[str]]:
    """Return the exit code and a description; 1 if the project's version is too low."""
    version = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    required = version_after(surface.tag.removeprefix("v"), surface.level)
    lines = [f"breaking  {one}" for one in surface.breaking]
    lines += [f"additive  {one}" for one in surface.added]
    if surface.level is Severity.NONE:
        return 0, [f"surface: the public names are those of {surface.tag}"]
    lines.append(
        f"surface: the changes since {surface.tag} need version {required}; it is {version}"
    )
    return int(_numbers(version) < _numbers(required)), lines


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def main(root: Path = ROOT, modules: Path = MODULES) -> int:
    """Compare the checkout, and return the exit code."""
    tag = last_tag(root)
    if tag is None:
        print(f"surface: NOTHING WAS COMPARED: {root} has no tag {_TAGS}")
        return 0
    code, lines = assess(root, compare(root, tag, public_modules(modules)))
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
