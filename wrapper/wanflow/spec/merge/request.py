"""The request of a submission as one variant of many: pinned to its models, named after them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow.catalog.deprecation import NOTES
from wanflow.catalog.document import JsonObject, resolve_ref
from wanflow.spec.errors import Conflict, InvalidDocument
from wanflow.spec.merge.decisions import DecisionKind, DecisionLog
from wanflow.spec.merge.naming import request_name, unused
from wanflow.spec.schema.equality import canonical_key
from wanflow.spec.schema.operations import SCHEMAS, SourceOperation, describe_pair, model_values

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wanflow.spec.merge.components import ComponentMerger
    from wanflow.spec.schema.operations import SourceOperation

_PLAIN = frozenset({"type", "properties", "required", "description", "title", "example"})
_CHOICES = ("oneOf", "anyOf")


def flatten_all_of(call: SourceOperation) -> JsonObject:
    """Return a call's request schema with its `allOf` written out.

    Only where that says the same: the parts are objects of properties, and a property of two parts
    is the same in both. What comes out is proved against its source like any other request.

    Raises:
        Refused: it is a choice between schemas, or its parts aren't plain objects.
    """
    assert call.request is not None
    schema = resolve_ref(call.source.document, call.request)
    if any(word in schema for word in _CHOICES) and "properties" not in schema:
        raise InvalidDocument(
            f"{call.source.where(call.pointer)}: the request is a choice between schemas; "
            "each model's request must be one object of properties"
        )
    if "allOf" not in schema:
        return schema
    parts = [resolve_ref(call.source.document, part) for part in schema["allOf"]]
    own = {key: value for key, value in schema.items() if key != "allOf"}
    return _joined([*parts, own], call)


def _joined(parts: list[JsonObject], call: SourceOperation) -> JsonObject:
    joined: JsonObject = {"type": "object", "required": [], "properties": {}}
    for part in parts:
        if strange := sorted(part.keys() - _PLAIN):
            raise InvalidDocument(
                f"{call.source.where(call.pointer)}: a part of the request's allOf has "
                f"{', '.join(strange)}, so the parts can't be written as one object"
            )
        for name, rule in part.get("properties", {}).items():
            if canonical_key(joined["properties"].setdefault(name, rule)) != canonical_key(rule):
                raise InvalidDocument(
                    f"{call.source.where(call.pointer)}: two parts of the request's allOf have "
                    f"different rules for {name}"
                )
        joined["required"] += [n for n in part.get("required", ()) if n not in joined["required"]]
        joined |= {key: part[key] for key in ("description", "title", "example") if key in part}
    return joined


def one_document_a_model(calls: Iterable[SourceOperation]) -> None:
    """Refuse a model that two operations claim.

    Raises:
        Contradiction: names both documents and where.
    """
    claimed: dict[str, SourceOperation] = {}
    for call in calls:
        for model in call.models:
            first = claimed.setdefault(model, call)
            if first is not call:
                raise Conflict(f"the model {model} is in two places: {describe_pair(first, call)}")


def named_requests(calls: Iterable[SourceOperation]) -> dict[str, SourceOperation]:
    """Return the calls that submit a model by the name of their request.

    Where models come to one name, as `wan2.5` and `wan25` do, the later ones get a number.
    """
    named: dict[str, SourceOperation] = {}
    submitting = [call for call in calls if call.models and call.request is not None]
    taken: set[str] = set()
    for call in sorted(submitting, key=lambda call: (call.models, call.path, call.method)):
        name = unused(request_name(list(call.models), call.source.name), taken)
        taken.add(name)
        named[name] = call
    return named


def rename_requests(
    calls: Iterable[SourceOperation], components: ComponentMerger
) -> dict[str, SourceOperation]:
    """Name the request of every submission after its model; return the calls by that name."""
    named = named_requests(calls)
    components.reserve({call.key: name for name, call in named.items()})
    for name, call in named.items():
        if call.request is not None and "$ref" in call.request:
            components.rename(call.source, call.request["$ref"].removeprefix(SCHEMAS), name)
    return named


def bind_to_models(call: SourceOperation, decisions: DecisionLog, at: str) -> JsonObject:
    """Return a submission's request schema, bound to the models it names.

    A document may name its model by a default or an example alone, and not require it; among
    other models' requests it can only be told by it, so `model` becomes a closed, required list.
    """
    schema = flatten_all_of(call)
    properties: JsonObject = schema.get("properties", {})
    rule = resolve_ref(call.source.document, properties.get("model", {}))
    required = list(schema.get("required", ()))
    if not ("enum" in rule or "const" in rule):
        source = "its default" if model_values(rule) else "its request example"
        decisions.add(
            DecisionKind.PINNED, at, f"to {', '.join(call.models)} by {source}", [call.source.name]
        )
        rule = {**rule, "enum": list(call.models)}
    if "model" not in required:
        decisions.add(
            DecisionKind.PINNED, at, "`model` is required from now on", [call.source.name]
        )
        required.insert(0, "model")
    whole = {**schema, "required": required}
    whole["properties"] = {**properties, "model": {"type": "string", **rule}}
    if "description" not in schema and "description" in call.source.document["info"]:
        whole["description"] = call.source.document["info"]["description"]
        text = "what its document's `info` says of the model"
        decisions.add(DecisionKind.DERIVED, f"{at}/description", text, [call.source.name])
    return {**whole, **{key: call.node[key] for key in NOTES if key in call.node}}
