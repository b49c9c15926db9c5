"""The documented responses of each operation, compiled once."""

from __future__ import annotations

import re
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.catalog.catalog import Catalog, Operation, packaged_catalog
from wanflow.catalog.document import JsonObject, resolve_ref
from wanflow.catalog.patterns import validator_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import jsonschema_rs

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


@frozen
class DocumentedResponse:
    """One documented response of an operation: its status, media types, schema and examples.

    `source` is the place of the schema in the document, empty if it is part of the operation.
    """

    status: int
    media: tuple[str, ...]
    validator: jsonschema_rs.Validator | None = field(repr=False)
    examples: tuple[JsonObject, ...] = field(repr=False)
    description: str = ""
    source: str = ""

    @property
    def errors(self) -> tuple[JsonObject, ...]:
        """The `error` objects of the examples."""
        return tuple(one["error"] for one in self.examples if isinstance(one.get("error"), dict))


@frozen(slots=False)
class OperationContract:
    """An operation with all of its documented responses."""

    operation: Operation
    document: JsonObject = field(repr=False)

    @property
    def id(self) -> str:
        """The operation's id."""
        return self.operation.operation_id

    @cached_property
    def responses(self) -> Mapping[int, DocumentedResponse]:
        """The documented responses by status."""
        found = (
            _documented_response(self.document, int(status), resolve_ref(self.document, raw))
            for status, raw in self.operation.node["responses"].items()
            if status.isdigit()
        )
        return {one.status: one for one in found}

    @property
    def is_submission(self) -> bool:
        """Whether the operation submits a task."""
        return "requestBody" in self.operation.node

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """A pattern of the operation's path with its parameters filled in."""
        parts = re.split(r"\{[^}]+\}", self.operation.path)
        return re.compile("([^/?#]+)".join(re.escape(part) for part in parts))


@frozen(slots=False)
class Contract:
    """All operations of a spec."""

    catalog: Catalog

    @cached_property
    def operations(self) -> Mapping[str, OperationContract]:
        """Each operation by its id."""
        document = self.catalog.document
        return {
            one.operation_id: OperationContract(one, document) for one in self.catalog.operations
        }

    @property
    def status_operation(self) -> OperationContract:
        """The operation that returns a task's status."""
        return self.operations[self.catalog.status_operation.operation_id]

    def operation_at(self, path: str) -> OperationContract | None:
        """Return the operation that a path, with or without a query, belongs to.

        One with an encoded slash belongs to none: many servers decode it before they route.
        """
        plain = path.partition("?")[0]
        if "%2f" in plain.lower():
            return None
        found = (one for one in self.operations.values() if one.pattern.fullmatch(plain))
        return next(found, None)

    def statuses(self) -> Iterator[tuple[str, int]]:
        """Yield every documented response as operation id and status."""
        for name, contract in self.operations.items():
            for status in contract.responses:
                yield name, status


@cache
def packaged_contract() -> Contract:
    """Return the contract of the packaged spec."""
    return Contract(packaged_catalog())


def _documented_response(
    document: JsonObject, status: int, response: JsonObject
) -> DocumentedResponse:
    content = response.get("content", {})
    media = content.get("application/json", {})
    shown = [resolve_ref(document, one).get("value") for one in media.get("examples", {}).values()]
    shown.append(media.get("example"))
    return DocumentedResponse(
        status=status,
        media=tuple(content),
        validator=_validator(document, media["schema"]) if "schema" in media else None,
        examples=tuple(one for one in shown if isinstance(one, dict)),
        description=str(response.get("description", "")),
        source=str(media.get("schema", {}).get("$ref", "")),
    )


def _validator(document: JsonObject, schema: JsonObject) -> jsonschema_rs.Validator:
    root: dict[str, Any] = {
        "$schema": _DRAFT,
        "components": document.get("components", {}),
        "allOf": [schema],
    }
    return validator_for(root)
