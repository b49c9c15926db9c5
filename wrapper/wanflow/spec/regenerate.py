"""The whole line in one go: check, merge, prove, overlay, generate, compare, and note it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from wanflow.spec.build import Built, build
from wanflow.spec.changelog import entry_of, with_entry
from wanflow.spec.failures import SpecFailure
from wanflow.spec.generate import generate, settings_of
from wanflow.spec.project import folder_beside
from wanflow.spec.prose import Unsaid, counted
from wanflow.spec.replacement import Replacement
from wanflow.spec.revision import working_document
from wanflow.spec.summary import Summary, next_version, summarize

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wanflow.spec.document import Json
    from wanflow.spec.project import Project


@frozen
class Regenerated:
    """What a regeneration changed, and what follows from it."""

    files: list[str]
    summary: Summary = field(repr=False)
    version: str
    warnings: list[str] = field(repr=False, factory=list[str])

    def for_people(self) -> str:
        """Write the summary that a regeneration ends with."""
        warnings = [f"warning: {warning}" for warning in self.warnings]
        if not self.files:
            return "\n".join(
                ["nothing changed: spec and client are what the sources make", *warnings]
            )
        counted = f"{len(self.files)} file{'s' * (len(self.files) > 1)} changed"
        lines = [f"{counted}; {self.summary.sentence}"]
        lines += [f"  {change}" for change in self.summary.difference.changes]
        return "\n".join([*lines, *warnings, f"the version that follows: {self.version}"])


def regenerate(project: Project) -> Regenerated:
    """Make spec, report, client and changelog entry anew; a failure leaves all as they were.

    Raises:
        SpecFailure: of the kind of what went wrong.
    """
    built = build(project)
    summary = summarize(_before(project), built.document)
    with folder_beside(project.client) as folder:
        made = generate(built.document, built.text, settings_of(project), folder)
        changed = Replacement(_texts(project, built, summary), {project.client: made}).commit()
    files = [project.shown(path) for path in changed]
    level = summary.difference.level
    version = next_version(project.root / "pyproject.toml", level)
    return Regenerated(files, summary, version, list(_warnings(built)))


def _warnings(built: Built) -> Iterator[str]:
    """List the warnings, and count the sentences that nothing expresses."""
    yield from (str(one) for one in built.warnings if not isinstance(one, Unsaid))
    if built.unsaid:
        yield counted(len(built.unsaid), "that nothing expresses")


def _texts(project: Project, built: Built, summary: Summary) -> dict[Path, str]:
    texts = {project.spec: built.text, project.report: built.report}
    if not summary.nothing:
        path = project.changelog
        before = path.read_text("utf-8") if path.is_file() else ""
        texts[path] = with_entry(before, entry_of(summary))
    return texts


def _before(project: Project) -> Json | None:
    """Read the document that is replaced; None where there is none to compare with."""
    try:
        return working_document(project)
    except (OSError, SpecFailure):
        return None
