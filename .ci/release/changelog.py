"""The changelog's sections, and the version that it, the project and the tag agree on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UNRELEASED = "Unreleased"
HEADING = re.compile(r"^## (.*)$", re.MULTILINE)
RELEASED = re.compile(r"(\d+\.\d+\.\d+) \(\d{4}-\d\d-\d\d\)")


class ReleaseError(Exception):
    """The release would be wrong; the message says what is, and what to do."""


def version_of(root: Path) -> str:
    """Return the version that pyproject.toml declares."""
    return str(tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"])


def sections(text: str) -> dict[str, str]:
    """Return the text of each section by its version, in the order of the changelog."""
    found: dict[str, str] = {}
    _, *parts = HEADING.split(text)
    for heading, body in zip(parts[::2], parts[1::2], strict=True):
        released = RELEASED.fullmatch(heading)
        if heading != UNRELEASED and not released:
            message = "is neither `Unreleased` nor `1.2.3 (2026-01-31)`"
            raise ReleaseError(f"CHANGELOG.md: the heading {heading!r} {message}")
        version = released[1] if released else UNRELEASED
        if version in found:
            raise ReleaseError(f"CHANGELOG.md has two sections for {version}: make one of them")
        found[version] = body.strip()
    return found


def notes(text: str, version: str, tag: str = "") -> str:
    """Return the first section: it must be this version's, or without a tag Unreleased."""
    if tag and tag != f"v{version}":
        raise ReleaseError(f"the tag is {tag}, and pyproject.toml has {version}: tag v{version}")
    found = sections(text)
    head = next(iter(found), "nothing")
    allowed = [version] if tag else [version, UNRELEASED]
    if head not in allowed:
        wanted = " or ".join(allowed)
        raise ReleaseError(f"CHANGELOG.md begins with {head}: its first section must be {wanted}")
    if not found[head]:
        raise ReleaseError(f"CHANGELOG.md: the section {head} is empty: say what changed")
    return found[head]
