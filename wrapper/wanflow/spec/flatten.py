"""Write a request that is put together of several schemas as the one object that it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow.spec.document import Json, resolve
from wanflow.spec.failures import Refused
from wanflow.spec.likeness import key_of

if TYPE_CHECKING:
    from wanflow.spec.call import Call

_PLAIN = frozenset({"type", "properties", "required", "description", "title", "example"})
_CHOICES = ("oneOf", "anyOf")


def flat_request(call: Call) -> Json:
    """Return a call's request schema with its `allOf` written out.

    Only where that says the same: the parts are objects of properties, and a property of two parts
    is the same in both. What comes out is proved against its source like any other request.

    Raises:
        Refused: it is a choice between schemas, or its parts aren't plain objects.
    """
    assert call.request is not None
    schema = resolve(call.source.document, call.request)
    if any(word in schema for word in _CHOICES) and "properties" not in schema:
        raise Refused(
            f"{call.source.where(call.pointer)}: the request is a choice between schemas; "
            "each model's request must be one object of properties"
        )
    if "allOf" not in schema:
        return schema
    parts = [resolve(call.source.document, part) for part in schema["allOf"]]
    own = {key: value for key, value in schema.items() if key != "allOf"}
    return _joined([*parts, own], call)


def _joined(parts: list[Json], call: Call) -> Json:
    joined: Json = {"type": "object", "required": [], "properties": {}}
    for part in parts:
        if strange := sorted(part.keys() - _PLAIN):
            raise Refused(
                f"{call.source.where(call.pointer)}: a part of the request's allOf has "
                f"{', '.join(strange)}, so the parts can't be written as one object"
            )
        for name, rule in part.get("properties", {}).items():
            if key_of(joined["properties"].setdefault(name, rule)) != key_of(rule):
                raise Refused(
                    f"{call.source.where(call.pointer)}: two parts of the request's allOf have "
                    f"different rules for {name}"
                )
        joined["required"] += [n for n in part.get("required", ()) if n not in joined["required"]]
        joined |= {key: part[key] for key in ("description", "title", "example") if key in part}
    return joined
