"""Turn each request into a variant of the merged request, named after and bound to its models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow.catalog.deprecation import DEPRECATION_KEYS
from wanflow.catalog.document import JsonObject, resolve_ref
from wanflow.spec.errors import Conflict, InvalidDocument
from wanflow.spec.merge.decisions import DecisionKind, DecisionLog
from wanflow.spec.merge.naming import request_name, unique_name
from wanflow.spec.schema.equality import canonical_key
from wanflow.spec.schema.operations import SCHEMAS, SourceOperation, describe_pair, model_values

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wanflow.spec.merge.components import ComponentMerger

_OBJECT_KEYWORDS = frozenset({"type", "properties", "required", "description", "title", "example"})
_CHOICES = ("oneOf", "anyOf")


def flatten_all_of(operation: SourceOperation) -> JsonObject:
    """Return the request schema of an operation with its `allOf` flattened.

    That needs plain objects as parts, and equal schemas for a property of two parts. The result is
    proved against its source like any other request.

    Raises:
        InvalidDocument: the request is a union, or its parts aren't plain objects.
    """
    assert operation.request is not None
    schema = resolve_ref(operation.source.document, operation.request)
    if any(keyword in schema for keyword in _CHOICES) and "properties" not in schema:
        raise InvalidDocument(
            f"{operation.source.where(operation.pointer)}: the request is a union of schemas; "
            "the request of a model must be one object"
        )
    if "allOf" not in schema:
        return schema
    parts = [resolve_ref(operation.source.document, part) for part in schema["allOf"]]
    own = {key: value for key, value in schema.items() if key != "allOf"}
    return _join([*parts, own], operation)


def _join(parts: list[JsonObject], operation: SourceOperation) -> JsonObject:
    joined: JsonObject = {"type": "object", "required": [], "properties": {}}
    for part in parts:
        if unsupported := sorted(part.keys() - _OBJECT_KEYWORDS):
            raise InvalidDocument(
                f"{operation.source.where(operation.pointer)}: a part of the request's allOf has "
                f"{', '.join(unsupported)}, so the parts can't be merged into one object"
            )
        for name, rule in part.get("properties", {}).items():
            if canonical_key(joined["properties"].setdefault(name, rule)) != canonical_key(rule):
                raise InvalidDocument(
                    f"{operation.source.where(operation.pointer)}: two parts of the request's "
                    f"allOf have different schemas for {name}"
                )
        joined["required"] += [n for n in part.get("required", ()) if n not in joined["required"]]
        joined |= {key: part[key] for key in ("description", "title", "example") if key in part}
    return joined


def require_unique_models(operations: Iterable[SourceOperation]) -> None:
    """Check that each model has one operation.

    Raises:
        Conflict: two have the same model; names both locations.
    """
    claimed: dict[str, SourceOperation] = {}
    for operation in operations:
        for model in operation.models:
            first = claimed.setdefault(model, operation)
            if first is not operation:
                raise Conflict(
                    f"the model {model} is defined twice: {describe_pair(first, operation)}"
                )


def requests_by_name(operations: Iterable[SourceOperation]) -> dict[str, SourceOperation]:
    """Return the submissions by the name of their request schema.

    If models give the same name, such as `wan2.5` and `wan25`, later ones get a number.
    """
    named: dict[str, SourceOperation] = {}
    submitting = [
        operation for operation in operations if operation.models and operation.request is not None
    ]
    taken: set[str] = set()
    for operation in sorted(
        submitting, key=lambda operation: (operation.models, operation.path, operation.method)
    ):
        name = unique_name(request_name(list(operation.models), operation.source.name), taken)
        taken.add(name)
        named[name] = operation
    return named


def rename_requests(
    operations: Iterable[SourceOperation], components: ComponentMerger
) -> dict[str, SourceOperation]:
    """Name the request schema of every submission after its model; return them by that name."""
    named = requests_by_name(operations)
    components.reserve_request_names({operation.key: name for name, operation in named.items()})
    for name, operation in named.items():
        if operation.request is not None and "$ref" in operation.request:
            components.rename(
                operation.source, operation.request["$ref"].removeprefix(SCHEMAS), name
            )
    return named


def bind_to_models(operation: SourceOperation, decisions: DecisionLog, at: str) -> JsonObject:
    """Return the request schema of a submission, bound to its models.

    A source spec may name its model only in a default or an example, and not require it. In the
    merged union the model is the discriminator, so `model` becomes a required enum.
    """
    schema = flatten_all_of(operation)
    properties: JsonObject = schema.get("properties", {})
    rule = resolve_ref(operation.source.document, properties.get("model", {}))
    required = list(schema.get("required", ()))
    if not ("enum" in rule or "const" in rule):
        source = "its default" if model_values(rule) else "its request example"
        decisions.add(
            DecisionKind.PINNED,
            at,
            f"to {', '.join(operation.models)} by {source}",
            [operation.source.name],
        )
        rule = {**rule, "enum": list(operation.models)}
    if "model" not in required:
        decisions.add(DecisionKind.PINNED, at, "`model` becomes required", [operation.source.name])
        required.insert(0, "model")
    bound = {**schema, "required": required}
    bound["properties"] = {**properties, "model": {"type": "string", **rule}}
    if "description" not in schema and "description" in operation.source.document["info"]:
        bound["description"] = operation.source.document["info"]["description"]
        text = "the description in `info` of its source"
        decisions.add(DecisionKind.DERIVED, f"{at}/description", text, [operation.source.name])
    return {
        **bound,
        **{key: operation.node[key] for key in DEPRECATION_KEYS if key in operation.node},
    }
