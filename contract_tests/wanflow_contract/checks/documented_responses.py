"""What the document promises of each operation's answers, compiled once."""

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
class Promise:
    """One documented answer of an operation: its status, media types, schema and examples."""

    status: int
    media: tuple[str, ...]
    validator: jsonschema_rs.Validator | None = field(repr=False)
    examples: tuple[JsonObject, ...] = field(repr=False)
    description: str = ""

    @property
    def errors(self) -> tuple[JsonObject, ...]:
        """The `error` objects of the examples."""
        return tuple(one["error"] for one in self.examples if isinstance(one.get("error"), dict))


@frozen(slots=False)
class Promised:
    """An operation with all of its documented answers."""

    operation: Operation
    document: JsonObject = field(repr=False)

    @property
    def id(self) -> str:
        """The operation's id."""
        return self.operation.operation_id

    @cached_property
    def answers(self) -> Mapping[int, Promise]:
        """The documented answers by status."""
        found = (
            _promise(self.document, int(status), resolve_ref(self.document, raw))
            for status, raw in self.operation.node["responses"].items()
            if status.isdigit()
        )
        return {one.status: one for one in found}

    @property
    def submits(self) -> bool:
        """Whether the operation takes a request for a model."""
        return "requestBody" in self.operation.node

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What the operation's path looks like once its parameters are filled in."""
        parts = re.split(r"\{[^}]+\}", self.operation.path)
        return re.compile("([^/?#]+)".join(re.escape(part) for part in parts))


@frozen(slots=False)
class Promises:
    """All operations of a document, by id."""

    catalog: Catalog

    @cached_property
    def operations(self) -> Mapping[str, Promised]:
        """Each operation by its id."""
        document = self.catalog.document
        return {one.operation_id: Promised(one, document) for one in self.catalog.operations}

    @property
    def query(self) -> Promised:
        """The operation that reads a task."""
        return self.operations[self.catalog.status_operation.operation_id]

    def at(self, path: str) -> Promised | None:
        """Return the operation whose path a request's path is, whatever the method."""
        found = (one for one in self.operations.values() if one.pattern.fullmatch(path))
        return next(found, None)

    def statuses(self) -> Iterator[tuple[str, int]]:
        """Yield every documented answer as operation id and status."""
        for name, promised in self.operations.items():
            for status in promised.answers:
                yield name, status


@cache
def packaged_promises() -> Promises:
    """Return the promises of the document that this installation carries."""
    return Promises(packaged_catalog())


def _promise(document: JsonObject, status: int, response: JsonObject) -> Promise:
    content = response.get("content", {})
    media = content.get("application/json", {})
    shown = [resolve_ref(document, one).get("value") for one in media.get("examples", {}).values()]
    shown.append(media.get("example"))
    return Promise(
        status=status,
        media=tuple(content),
        validator=_validator(document, media["schema"]) if "schema" in media else None,
        examples=tuple(one for one in shown if isinstance(one, dict)),
        description=str(response.get("description", "")),
    )


def _validator(document: JsonObject, schema: JsonObject) -> jsonschema_rs.Validator:
    root: dict[str, Any] = {
        "$schema": _DRAFT,
        "components": document.get("components", {}),
        "allOf": [schema],
    }
    return validator_for(root)
