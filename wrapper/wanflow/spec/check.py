"""Check documents beyond what a validator of OpenAPI looks at, and say what to do about it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from attrs import evolve

from wanflow.spec.examples import example_findings
from wanflow.spec.finding import Finding
from wanflow.spec.structure import structure_findings
from wanflow.spec.vocabulary import vocabulary_findings
from wanflow.spec.yaml_text import escape, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wanflow.spec.document import Json
    from wanflow.spec.source import Source


def check_sources(sources: Iterable[Source]) -> list[Finding]:
    """Check documents as received: what overlays can mend is looked at when they have."""
    return [finding for source in sources for finding in _check_source(source)]


def check_merged(text: str, document: Json, file: str) -> list[Finding]:
    """Check a finished document, given as its text and as its data."""
    read = read_yaml(text, file)
    findings = [
        *_ambiguous(read.ambiguous, file),
        *_invalid(document, file),
        *vocabulary_findings(document, file),
        *structure_findings(document, file),
        *example_findings(document, file),
    ]
    return [evolve(finding, line=read.lines.get(finding.pointer)) for finding in findings]


def _check_source(source: Source) -> Iterator[Finding]:
    file = f"specs/sources/{source.name}.yaml"
    findings = [
        *_ambiguous(source.ambiguous, file),
        *_invalid(source.document, file),
    ]
    for finding in findings:
        yield evolve(finding, line=source.lines.get(finding.pointer))


def _ambiguous(scalars: Iterable[Any], file: str) -> Iterator[Finding]:
    for scalar in scalars:
        problem = f"YAML loaders read {scalar.text} differently"
        yield Finding(file, scalar.pointer, problem, f"write {scalar.remedy}", scalar.line)


def _invalid(document: Json, file: str) -> Iterator[Finding]:
    """Find what openapi-spec-validator finds."""
    for error in _spec_validator()(document).iter_errors():
        at = "".join(f"/{escape(str(part))}" for part in error.absolute_path)
        yield Finding(file, at, " ".join(str(error.message).split())[:300], "see OpenAPI 3.1")


@cache
def _spec_validator() -> Any:
    # It takes half a second to import, and only a check needs it.
    from openapi_spec_validator import OpenAPIV31SpecValidator  # noqa: PLC0415

    return OpenAPIV31SpecValidator
