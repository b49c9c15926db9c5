"""The request of a submission as one variant of many: pinned to its models, named after them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow.spec.call import SCHEMAS, Call, both, named_by
from wanflow.spec.decisions import Decisions, Kind
from wanflow.spec.deprecation import NOTES
from wanflow.spec.document import Json, resolve
from wanflow.spec.failures import Contradiction
from wanflow.spec.flatten import flat_request
from wanflow.spec.naming import request_name, unused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wanflow.spec.components import Components


def one_document_a_model(calls: Iterable[Call]) -> None:
    """Refuse a model that two operations claim.

    Raises:
        Contradiction: names both documents and where.
    """
    claimed: dict[str, Call] = {}
    for call in calls:
        for model in call.models:
            first = claimed.setdefault(model, call)
            if first is not call:
                raise Contradiction(f"the model {model} is in two places: {both(first, call)}")


def named_requests(calls: Iterable[Call]) -> dict[str, Call]:
    """Return the calls that submit a model by the name of their request.

    Where models come to one name, as `wan2.5` and `wan25` do, the later ones get a number.
    """
    named: dict[str, Call] = {}
    submitting = [call for call in calls if call.models and call.request is not None]
    taken: set[str] = set()
    for call in sorted(submitting, key=lambda call: (call.models, call.path, call.method)):
        name = unused(request_name(list(call.models), call.source.name), taken)
        taken.add(name)
        named[name] = call
    return named


def rename_requests(calls: Iterable[Call], components: Components) -> dict[str, Call]:
    """Name the request of every submission after its model; return the calls by that name."""
    named = named_requests(calls)
    components.reserve({call.key: name for name, call in named.items()})
    for name, call in named.items():
        if call.request is not None and "$ref" in call.request:
            components.rename(call.source, call.request["$ref"].removeprefix(SCHEMAS), name)
    return named


def pinned(call: Call, decisions: Decisions, at: str) -> Json:
    """Return a submission's request schema, bound to the models it names.

    A document may name its model by a default or an example alone, and not require it; among
    other models' requests it can only be told by it, so `model` becomes a closed, required list.
    """
    schema = flat_request(call)
    properties: Json = schema.get("properties", {})
    rule = resolve(call.source.document, properties.get("model", {}))
    required = list(schema.get("required", ()))
    if not ("enum" in rule or "const" in rule):
        source = "its default" if named_by(rule) else "its request example"
        decisions.add(
            Kind.PINNED, at, f"to {', '.join(call.models)} by {source}", [call.source.name]
        )
        rule = {**rule, "enum": list(call.models)}
    if "model" not in required:
        decisions.add(Kind.PINNED, at, "`model` is required from now on", [call.source.name])
        required.insert(0, "model")
    whole = {**schema, "required": required}
    whole["properties"] = {**properties, "model": {"type": "string", **rule}}
    if "description" not in schema and "description" in call.source.document["info"]:
        whole["description"] = call.source.document["info"]["description"]
        text = "what its document's `info` says of the model"
        decisions.add(Kind.DERIVED, f"{at}/description", text, [call.source.name])
    return {**whole, **{key: call.node[key] for key in NOTES if key in call.node}}
