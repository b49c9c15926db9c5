"""Check documents beyond the rules of an OpenAPI validator; each finding says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from wanflow.spec.checks.examples import example_findings
from wanflow.spec.checks.keywords import keyword_findings
from wanflow.spec.checks.openapi_validator import validate
from wanflow.spec.checks.references import reference_findings
from wanflow.spec.checks.structure import structure_findings
from wanflow.spec.errors import Finding
from wanflow.spec.read.yaml import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wanflow.catalog.document import JsonObject
    from wanflow.spec.read.source import SourceSpec


def check_sources(sources: Iterable[SourceSpec]) -> list[Finding]:
    """Check documents as received; what overlays can fix is checked after they are applied."""
    return [finding for source in sources for finding in _check_source(source)]


def check_merged(text: str, document: JsonObject, file: str) -> list[Finding]:
    """Check a merged spec, given as text and as data."""
    read = read_yaml(text, file)
    findings = [
        *_ambiguous(read.ambiguous, file),
        *validate(document, file),
        *_with_id("WF503", keyword_findings(document, file)),
        *_with_id("WF504", structure_findings(document, file)),
        *_with_id("WF505", example_findings(document, file)),
    ]
    return [evolve(finding, line=read.lines.get(finding.pointer)) for finding in findings]


def _check_source(source: SourceSpec) -> Iterator[Finding]:
    file = f"specs/sources/{source.name}.yaml"
    references = _with_id("WF506", reference_findings(source.document, file))
    findings = [*_ambiguous(source.ambiguous, file), *references]
    findings = findings or [
        *validate(source.document, file),
        *_with_id("WF503", keyword_findings(source.document, file)),
    ]
    for finding in findings:
        yield evolve(finding, line=source.line(finding.pointer))


def _ambiguous(scalars: Iterable[Any], file: str) -> Iterator[Finding]:
    for scalar in scalars:
        problem = f"YAML loaders read {scalar.text} differently"
        remedy = f"write {scalar.remedy}"
        yield Finding(file, scalar.pointer, problem, remedy, scalar.line, "WF501")


def _with_id(number: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Add the id of their kind to findings."""
    return (evolve(finding, id=number) for finding in findings)
