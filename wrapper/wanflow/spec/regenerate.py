"""Regenerate spec and client, and summarize the changes: models, compatibility, next version."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from attrs import field, frozen

from wanflow.spec.build import BuildResult, build
from wanflow.spec.checks.prose import UnencodedRule, count_text
from wanflow.spec.diff.change import Diff
from wanflow.spec.diff.change_kinds import Severity
from wanflow.spec.diff.diff import compare
from wanflow.spec.errors import SpecError
from wanflow.spec.generate.generate import generate_once, settings_of
from wanflow.spec.project import AtomicReplace, temp_sibling
from wanflow.spec.read.git_revision import read_working_document
from wanflow.spec.read.yaml import json_equal
from wanflow.spec.schema.index import requests_of
from wanflow.spec.schema.value_set import inline_references

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wanflow.catalog.document import JsonObject
    from wanflow.spec.project import Checkout

HEADING = "## Unreleased"
_TITLE = "# Changelog\n"


def entry_of(summary: ChangeSummary) -> str:
    """Return a changelog entry: one bullet, with a sub-bullet for each change."""
    lines = [f"- Regenerated from the documents: {summary.sentence}."]
    lines += [f"  - {change}" for change in summary.difference.changes]
    return "\n".join(lines)


def with_entry(changelog: str, entry: str) -> str:
    """Return the changelog with an entry added under "Unreleased", unless it is there already."""
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
    """Add the heading above the newest version, or at the end."""
    newest = re.compile(r"^## ", re.MULTILINE).search(text)
    at = newest.start() if newest else len(text)
    below = f"\n{text[at:]}" if newest else ""
    return f"{text[:at].rstrip(chr(10))}\n\n{HEADING}\n{below}"


@frozen
class ChangeSummary:
    """The difference between two merged specs, by models; `first` if there was none before."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    difference: Diff = field(repr=False)
    first: bool = False

    @property
    def severity(self) -> Severity:
        """That of the difference; a first spec is an addition, though it is compared with none."""
        return Severity.ADDITIVE if self.first and self.added else self.difference.severity

    @property
    def nothing(self) -> bool:
        """Whether nothing changed."""
        models = (*self.added, *self.changed, *self.removed)
        return not models and not self.difference.changes

    @property
    def sentence(self) -> str:
        """The summary in one clause."""
        parts = [
            f"{len(names)} model{'s' * (len(names) > 1)} {what} ({', '.join(names)})"
            for what, names in (
                ("added", self.added),
                ("changed", self.changed),
                ("removed", self.removed),
            )
            if names
        ]
        return f"{', '.join(parts) or 'no model changed'}; {_WHOM[self.severity]}"


_WHOM = {
    Severity.NONE: "nothing that a program notices",
    Severity.INFO: "nothing that a program notices",
    Severity.ADDITIVE: "nothing that breaks",
    Severity.WARNING: "nothing that breaks yet",
    Severity.BREAKING: "breaking",
}


def summarize(old: JsonObject | None, new: JsonObject) -> ChangeSummary:
    """Compare a merged spec with the previous one; without one, everything is new."""
    before = requests_of(old) if old is not None else {}
    after = requests_of(new)
    changed = [
        name
        for name in before.keys() & after.keys()
        if old is not None
        and not json_equal(
            inline_references(old, before[name], ()), inline_references(new, after[name], ())
        )
    ]
    return ChangeSummary(
        tuple(sorted(after.keys() - before.keys())),
        tuple(sorted(changed)),
        tuple(sorted(before.keys() - after.keys())),
        compare(old, new) if old is not None else Diff(()),
        first=old is None,
    )


def next_version(pyproject: Path, level: Severity) -> str:
    """Return the next version of a project, or its kind if the project has no version."""
    try:
        version = tomllib.loads(pyproject.read_text("utf-8"))["project"]["version"]
        if level is Severity.NONE:
            return f"{version}, unchanged"
        return version_after(version, level)
    except (OSError, KeyError, ValueError):
        return _RAISED[level]


def version_after(version: str, level: Severity) -> str:
    """Return the next version, by Semantic Versioning.

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
    Severity.NONE: "no new version",
    Severity.INFO: "a patch version",
    Severity.ADDITIVE: "a minor version",
    Severity.WARNING: "a minor version",
    Severity.BREAKING: "a major version",
}


@frozen
class RegenerateResult:
    """The result of a regeneration: changed files, changes, warnings, next version."""

    files: list[str]
    summary: ChangeSummary = field(repr=False)
    version: str
    warnings: list[str] = field(repr=False, factory=list[str])

    def to_text(self) -> str:
        """Return the summary as text."""
        warnings = [f"warning: {warning}" for warning in self.warnings]
        if not self.files:
            return "\n".join(["nothing changed: spec and client are up to date", *warnings])
        counted = f"{len(self.files)} file{'s' * (len(self.files) > 1)} changed"
        lines = [f"{counted}; {self.summary.sentence}"]
        lines += [f"  {change}" for change in self.summary.difference.changes]
        return "\n".join([*lines, *warnings, f"next version: {self.version}"])


def regenerate(project: Checkout) -> RegenerateResult:
    """Regenerate spec, report, client and changelog entry; a failure leaves all unchanged.

    Raises:
        SpecFailure: of the kind of what went wrong.
    """
    built = build(project)
    summary = summarize(_before(project), built.document)
    with temp_sibling(project.client) as folder:
        made = generate_once(built.document, built.text, settings_of(project), folder)
        changed = AtomicReplace(_texts(project, built, summary), {project.client: made}).commit()
    files = [project.relative(path) for path in changed]
    version = next_version(project.root / "pyproject.toml", summary.severity)
    return RegenerateResult(files, summary, version, list(_warnings(built)))


def _warnings(built: BuildResult) -> Iterator[str]:
    """Yield the warnings, and the number of sentences that no rule expresses."""
    yield from (f"{one.id}  {one}" for one in built.warnings if not isinstance(one, UnencodedRule))
    if built.unencoded:
        yield count_text(len(built.unencoded), "and no keyword expresses {them}")


def _texts(project: Checkout, built: BuildResult, summary: ChangeSummary) -> dict[Path, str]:
    texts = {project.spec: built.text, project.report: built.report}
    if not summary.nothing:
        path = project.changelog
        before = path.read_text("utf-8") if path.is_file() else ""
        texts[path] = with_entry(before, entry_of(summary))
    return texts


def _before(project: Checkout) -> JsonObject | None:
    """Read the previous spec; None if there is none to compare with."""
    try:
        return read_working_document(project)
    except (OSError, SpecError):
        return None
