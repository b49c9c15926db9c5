"""The entry that a regeneration leaves in CHANGELOG.md, under "Unreleased"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wanflow.spec.summary import Summary

HEADING = "## Unreleased"
_TITLE = "# Changelog\n"


def entry_of(summary: Summary) -> str:
    """Write what changed for users as one bullet, with one below it for each change."""
    lines = [f"- Regenerated from the documents: {summary.sentence}."]
    lines += [f"  - {change}" for change in summary.difference.changes]
    return "\n".join(lines)


def with_entry(changelog: str, entry: str) -> str:
    """Return a changelog that has an entry under "Unreleased", once, as the last of its bullets."""
    text = changelog or _TITLE
    if HEADING not in text.splitlines():
        text = _with_heading(text)
    start = text.index(f"{HEADING}\n") + len(HEADING) + 1
    following = re.compile(r"^## ", re.MULTILINE).search(text, start)
    end = following.start() if following else len(text)
    section = text[start:end].rstrip("\n")
    if entry in section:
        return text
    rest = f"\n{text[end:]}" if following else ""
    separator = "\n" if section.rpartition("\n")[2].lstrip().startswith("- ") else "\n\n"
    return f"{text[:start]}{section}{separator if section else chr(10)}{entry}\n{rest}"


def _with_heading(text: str) -> str:
    """Put the heading above the newest version, or at the end where there is none."""
    newest = re.compile(r"^## ", re.MULTILINE).search(text)
    at = newest.start() if newest else len(text)
    below = f"\n{text[at:]}" if newest else ""
    return f"{text[:at].rstrip(chr(10))}\n\n{HEADING}\n{below}"
