"""What a newer schema has a word for and the older one hadn't: parameters that are new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow.spec.document import Json, is_object
from wanflow.spec.yaml_text import escape

if TYPE_CHECKING:
    from collections.abc import Iterator


def grown(old: Any, new: Any) -> Any:
    """Return the older schema with the rules that only the newer one has for a property.

    An open object lets any property through, so by the letter every new parameter refuses what
    passed before: a value of another type under a name that nobody knew. Whoever kept to the
    older document never sent that name.
    """
    if not is_object(old) or not is_object(new):
        return old
    whole: Json = dict(old)
    if "items" in old and "items" in new:
        whole["items"] = grown(old["items"], new["items"])
    before, after = _properties(old), _properties(new)
    if after and old.get("additionalProperties", True) is True:
        common = {name: grown(rule, after.get(name)) for name, rule in before.items()}
        whole["properties"] = {**after, **common}
    return whole


def news(old: Any, new: Any, at: str = "") -> Iterator[str]:
    """List the pointers of the properties that only the newer schema names."""
    if not is_object(old) or not is_object(new):
        return
    if "items" in old and "items" in new:
        yield from news(old["items"], new["items"], f"{at}/items")
    before, after = _properties(old), _properties(new)
    for name, rule in after.items():
        place = f"{at}/{escape(name)}"
        if name not in before:
            yield place
        else:
            yield from news(before[name], rule, place)


def _properties(schema: Json) -> Json:
    properties: Json = schema.get("properties", {})
    return properties
