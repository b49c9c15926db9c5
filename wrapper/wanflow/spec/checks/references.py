"""Check that every reference leads to a node inside the document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow.catalog.document import JsonObject, escape_key, is_array, is_object, pointer
from wanflow.spec.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

_REMEDY = "get the document again as it was published"
_DATA = frozenset({"example", "value", "default", "enum", "const"})


def reference_findings(document: JsonObject, file: str) -> Iterator[Finding]:
    """Yield a finding for each reference that is broken, external or circular."""
    for at, reference in _references(document, ""):
        if (problem := _astray(document, reference)) is not None:
            yield Finding(file, f"{at}/$ref", f"$ref {reference!r} {problem}", _REMEDY)


def _references(node: Any, at: str) -> Iterator[tuple[str, Any]]:
    if is_array(node):
        for index, item in enumerate(node):
            yield from _references(item, f"{at}/{index}")
    elif is_object(node):
        # A property may be called `$ref`; then what stands there is its schema.
        if "$ref" in node and not is_object(node["$ref"]):
            yield at, node["$ref"]
        for key, value in node.items():
            if key not in _DATA:
                yield from _references(value, f"{at}/{escape_key(key)}")


def _astray(document: JsonObject, reference: Any) -> str | None:
    seen: set[str] = set()
    while True:
        if not isinstance(reference, str):
            return "is no text"
        if reference in seen:
            return "leads round in a circle"
        if not reference.startswith("#/"):
            return "leads out of the document"
        seen.add(reference)
        try:
            node = pointer(document, reference[1:])
        except (LookupError, TypeError, ValueError):
            return "leads nowhere"
        if not is_object(node):
            return "leads to something that is no mapping"
        if "$ref" not in node or is_object(node["$ref"]):
            return None
        reference = node["$ref"]
