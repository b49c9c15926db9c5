"""The merged spec of one file, for the mock: of a merged spec, or of one document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow.catalog.catalog import Catalog
from wanflow.catalog.document import JsonObject, load_packaged
from wanflow.spec.build import build_from
from wanflow.spec.checks.check import check_merged
from wanflow.spec.diff.parts import operations_of
from wanflow.spec.errors import FindingsError, InvalidDocument, raise_findings
from wanflow.spec.examine import is_merged
from wanflow.spec.intake.loader import load_file
from wanflow.spec.new_project import TASK_QUERY, task_query_document
from wanflow.spec.read.source import source_from_text
from wanflow.spec.read.yaml import write_yaml

if TYPE_CHECKING:
    from pathlib import Path

_MAX_LISTED = 200


def spec_of_file(path: Path) -> JsonObject:
    """Return the merged spec of a file; a document without the task query gets the installed one.

    Raises:
        SpecError: it is neither a merged spec nor a document that can be merged.
        OSError: the file can't be read.
    """
    source = load_file(path).source
    if is_merged(source.document):
        raise_findings(check_merged(source.text, source.document, path.name))
        return source.document
    operations = operations_of(source.document)
    if not any("requestBody" in node for node in operations.values()):
        listed = ", ".join(operations)[:_MAX_LISTED] or "none"
        raise InvalidDocument(
            f"{path.name} has no operation that submits a request for a model, only {listed}"
        )
    sources = [source]
    if not _has_task_query(source.document):
        query = write_yaml(task_query_document(load_packaged()))
        sources.append(source_from_text(query, TASK_QUERY))
    try:
        return build_from(sources, []).document
    except FindingsError as failure:
        first = failure.findings[0]
        raise InvalidDocument(f"{path.name}: {first.problem}, at #{first.pointer}") from failure


def _has_task_query(document: JsonObject) -> bool:
    try:
        return bool(Catalog(document).status_operation)
    except (LookupError, StopIteration):
        return False
