"""What a request may say, and yet won't do what it seems to: worth a warning, and no error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wanflow.spec.document import is_object
from wanflow.spec.keywords import EFFECTIVE_WHEN, RESTS_ON

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wanflow.spec.catalog import Model


def advice(model: Model, body: Mapping[str, Any]) -> list[str]:
    """List what of a request will have no effect, each with the documents' sentence."""
    return list(_of_object(model, body, model.schema, body, ""))


def _of_object(
    model: Model, body: Mapping[str, Any], schema: Any, part: Mapping[str, Any], prefix: str
) -> Iterator[str]:
    for name, rule in schema.get("properties", {}).items():
        if name not in part or not is_object(rule):
            continue
        for other, wanted in rule.get(EFFECTIVE_WHEN, {}).items():
            if _value(model, body, other) != wanted:
                yield _sentence(prefix + name, other, wanted, rule)
        inner: Any = part[name]
        if is_object(inner):
            yield from _of_object(model, body, rule, inner, f"{prefix}{name}.")


def _value(model: Model, body: Mapping[str, Any], name: str) -> Any:
    return body[name] if name in body else model.parameters.get(name, {}).get("default")


def _sentence(name: str, other: str, wanted: Any, rule: Mapping[str, Any]) -> str:
    rests = rule.get(RESTS_ON, {}).get(EFFECTIVE_WHEN)
    quote = f' (the documents: "{rests}")' if rests else ""
    return f"{name} has no effect unless {other} is {json.dumps(wanted)}{quote}"
