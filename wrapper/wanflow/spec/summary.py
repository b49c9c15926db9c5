"""What a regeneration did: models added, changed and removed, whom it breaks, the next version."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from attrs import field, frozen

from wanflow.spec.change import Difference
from wanflow.spec.change_kinds import Level
from wanflow.spec.diff import compare
from wanflow.spec.meaning import expand
from wanflow.spec.places import requests_of
from wanflow.spec.yaml_text import same

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow.spec.document import Json


@frozen
class Summary:
    """The difference between two finished documents in the terms of the product."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    difference: Difference = field(repr=False)

    @property
    def nothing(self) -> bool:
        """Whether nothing changed at all."""
        models = (*self.added, *self.changed, *self.removed)
        return not models and not self.difference.changes

    @property
    def sentence(self) -> str:
        """The whole in one clause."""
        parts = [
            f"{len(names)} model{'s' * (len(names) > 1)} {what} ({', '.join(names)})"
            for what, names in (
                ("added", self.added),
                ("changed", self.changed),
                ("removed", self.removed),
            )
            if names
        ]
        return f"{', '.join(parts) or 'no model changed'}; {_WHOM[self.difference.level]}"


_WHOM = {
    Level.NONE: "nothing that a program notices",
    Level.INFO: "nothing that a program notices",
    Level.ADDITIVE: "nothing that breaks",
    Level.WARNING: "nothing that breaks yet",
    Level.BREAKING: "breaking",
}


def summarize(old: Json | None, new: Json) -> Summary:
    """Compare a finished document with its predecessor; without one, everything is new."""
    before = requests_of(old) if old is not None else {}
    after = requests_of(new)
    changed = [
        name
        for name in before.keys() & after.keys()
        if old is not None and not same(expand(old, before[name], ()), expand(new, after[name], ()))
    ]
    return Summary(
        tuple(sorted(after.keys() - before.keys())),
        tuple(sorted(changed)),
        tuple(sorted(before.keys() - after.keys())),
        compare(old, new) if old is not None else Difference(()),
    )


def next_version(pyproject: Path, level: Level) -> str:
    """Say which version of a project follows a change, in words where it has no version."""
    try:
        version = tomllib.loads(pyproject.read_text("utf-8"))["project"]["version"]
        if level is Level.NONE:
            return f"{version} as it is"
        return version_after(version, level)
    except (OSError, KeyError, ValueError):
        return _RAISED[level]


def version_after(version: str, level: Level) -> str:
    """Say which version follows a change, by Semantic Versioning.

    Before 1.0.0, a breaking change raises the middle number and any other the last one.

    Raises:
        ValueError: the version isn't three numbers.
    """
    major, minor, patch = (int(part) for part in version.split("."))
    raised = {
        "no new version": version,
        "a major version": f"{major + 1}.0.0" if major else f"0.{minor + 1}.0",
        "a minor version": f"{major}.{minor + 1}.0" if major else f"0.{minor}.{patch + 1}",
        "a patch version": f"{major}.{minor}.{patch + 1}",
    }
    return raised[_RAISED[level]]


_RAISED = {
    Level.NONE: "no new version",
    Level.INFO: "a patch version",
    Level.ADDITIVE: "a minor version",
    Level.WARNING: "a minor version",
    Level.BREAKING: "a major version",
}
