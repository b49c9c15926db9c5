"""Mend request examples that leave out what their own schema requires, by an overlay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema_rs
from attrs import frozen

from wanflow.spec.call import JSON_MEDIA
from wanflow.spec.document import Json, resolve
from wanflow.spec.keywords import KEYWORDS
from wanflow.spec.meaning import expand
from wanflow.spec.merge import merge
from wanflow.spec.overlay import Overlay, parse_overlay
from wanflow.spec.places import operations_of
from wanflow.spec.rests import Origins
from wanflow.spec.tighten import overlaid
from wanflow.spec.yaml_text import write_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.spec.source import Source

_WHY = (
    "The published example leaves out what its schema requires; each value is what the document "
    "shows for the property itself."
)


@frozen
class Mended:
    """An overlay that mends examples, as a file to write."""

    file: str
    text: str
    overlay: Overlay


def mending_overlay(sources: list[Source], overlays: list[Overlay]) -> Mended | None:
    """Write the overlay that mends what can be mended; None where nothing need be.

    An example is mended by the document's own word alone: the example, the default or the first
    allowed value of each property that it lacks.
    """
    merged = merge(sources)
    document = overlaid(merged.document, overlays, Origins.of(merged))
    actions = list(_actions(document))
    if not actions:
        return None
    number = max((int(o.name[:2]) for o in overlays if o.name[:2].isdigit()), default=0) + 1
    file = f"{number:02d}-examples-of-new-documents.yaml"
    data = {
        "overlay": "1.1.0",
        "info": {"title": "Request examples that break their own schema", "version": "1.0.0"},
        "actions": actions,
    }
    return Mended(file, write_yaml(data), parse_overlay(data, file))


def _actions(document: Json) -> Iterator[Json]:
    for path, method, node in operations_of(document):
        media = node.get("requestBody", {}).get("content", {}).get(JSON_MEDIA, {})
        mapping = media.get("schema", {}).get("discriminator", {}).get("mapping", {})
        for name, example in media.get("examples", {}).items():
            value = example.get("value", {})
            reference = mapping.get(value.get("model"))
            if reference and (missing := _missing(document, reference, value)):
                place = f"{_quoted(path)}.{method}.requestBody.content{_quoted(JSON_MEDIA)}"
                target = f"$.paths{place}.examples{_quoted(name)}.value"
                yield {"target": target, "description": _WHY, "update": missing}


def _missing(document: Json, reference: str, value: Json) -> Json:
    """Return the properties that make an example whole; nothing where that isn't enough."""
    schema = resolve(document, {"$ref": reference})
    rule = expand(document, schema, ())
    validator = jsonschema_rs.validator_for(rule, validate_formats=True, keywords=KEYWORDS)
    if validator.is_valid(value):
        return {}
    lacking = [name for name in schema.get("required", ()) if name not in value]
    added = {name: _shown(rule["properties"].get(name, {})) for name in lacking}
    return added if validator.is_valid({**value, **added}) else {}


def _shown(rule: Json) -> Any:
    """Return what a document shows as a value of a property."""
    for key in ("example", "default", "const"):
        if key in rule:
            return rule[key]
    for key in ("examples", "enum"):
        if rule.get(key):
            return rule[key][0]
    inside: Json = rule.get("properties", {})
    return {name: _shown(inside.get(name, {})) for name in rule.get("required", ())} or None


def _quoted(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{escaped}']"
