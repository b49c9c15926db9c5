"""The findings of `wanflow spec check` for a checkout or one file, for any output format."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from wanflow.spec.build import build, build_from
from wanflow.spec.checks.check import check_merged
from wanflow.spec.diff.output_formats import Entry
from wanflow.spec.diff.parts import bodies_of, models_of, operations_of
from wanflow.spec.diff.silenced import Silenced
from wanflow.spec.errors import (
    Conflict,
    Finding,
    FindingsError,
    OverlayError,
    ProofFailed,
    SpecError,
    ToolError,
    document_errors,
    raise_findings,
)
from wanflow.spec.intake.loader import load_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from wanflow.catalog.document import JsonObject
    from wanflow.spec.checks.example_fixes import ExampleFixes
    from wanflow.spec.checks.prose import Stale, UnencodedRule
    from wanflow.spec.project import Checkout
    from wanflow.spec.proof.tighten import UnappliedAction

    Warned = ExampleFixes | UnappliedAction | UnencodedRule | Stale

_WHERE = re.compile(r"(?P<file>.*?)(?::(?P<line>\d+))?#(?P<pointer>.*)", re.DOTALL)
_FAILURES: tuple[tuple[type[SpecError], str], ...] = (
    (Conflict, "WF602"),
    (ProofFailed, "WF603"),
    (OverlayError, "WF604"),
    (ToolError, "WF605"),
    (SpecError, "WF601"),
)


@frozen
class CheckResult:
    """The findings, and the failure that stops the pipeline, if any."""

    entries: tuple[Entry, ...]
    documents: int = 1
    failure: SpecError | None = field(default=None, repr=False)

    def to_text(self) -> str:
        """Return a line for each warning, and their number.

        Raises:
            SpecFailure: the pipeline can't go on.
        """
        if self.failure is not None:
            raise self.failure
        lines = [f"warning: {entry.id}  {entry.message}" for entry in self.entries]
        counted = f"{len(lines) or 'no'} warning{'s' * (len(lines) != 1)}"
        documents = f"{self.documents} document{'s' * (self.documents != 1)}"
        return "\n".join([*lines, f"{counted} in {documents} and the merged spec"])


def check_project(project: Checkout) -> CheckResult:
    """Check the sources and the merged spec of a checkout."""
    silenced = Silenced.read(project.silenced)

    def warnings() -> tuple[list[Warned], int]:
        built = build(project)
        return built.warnings, len({call.source.name for call in built.merge_result.operations})

    return _examined(warnings, silenced)


def check_file(path: Path) -> CheckResult:
    """Check one document as an import into an empty checkout would, or one merged spec."""

    def warnings() -> tuple[list[Warned], int]:
        source = load_file(path).source
        if is_merged(source.document):
            raise_findings(check_merged(source.text, source.document, path.name))
            return [], 1
        try:
            return build_from([source], []).warnings, 1
        except FindingsError as failure:
            raise_findings(evolve(one, file=path.name, line=None) for one in failure.findings)
            raise

    return _examined(warnings, Silenced())


def _examined(make: Callable[[], tuple[list[Warned], int]], silenced: Silenced) -> CheckResult:
    try:
        with document_errors("the document"):
            warnings, count = make()
    except FindingsError as failure:
        return CheckResult(tuple(_of_findings(failure.findings)), failure=failure)
    except SpecError as failure:
        number = next(number for kind, number in _FAILURES if isinstance(failure, kind))
        return CheckResult((Entry(number, str(failure)),), failure=failure)
    found = [_of_warning(one) for one in warnings]
    places = [(one.id, _place(one)) for one in found]
    stale = [
        Entry(change.id, change.what, change.place)
        for change in silenced.stale(silenced.of_check, places)
    ]
    kept = [one for one in found if not silenced.has(one.id, _place(one))]
    return CheckResult((*kept, *stale), count)


def _of_findings(findings: Iterable[Finding]) -> Iterable[Entry]:
    for one in findings:
        yield Entry(one.id, f"{one.problem}; {one.remedy}", one.file, one.line, one.pointer)


def _of_warning(one: Warned) -> Entry:
    found = _WHERE.fullmatch(one.where)
    if found is None:
        return Entry(one.id, str(one))
    line = int(found["line"]) if found["line"] else None
    return Entry(one.id, str(one), found["file"], line, found["pointer"])


def _place(entry: Entry) -> str:
    return f"{entry.file}#{entry.pointer}"


def is_merged(document: JsonObject) -> bool:
    """Return whether a document is merged: its requests are variants by model."""
    return any(
        models_of(document, schema)
        for node in operations_of(document).values()
        for schema in bodies_of(document, node).values()
    )
