"""List every node by which two documents differ, whatever it means, with the kind of change.

No difference is lost: a node that no rule names is a change of the last kind.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.catalog.deprecation import (
    DATE_KEYS,
    FLAG_KEYS,
    REPLACEMENT_KEYS,
    VALUE_LIST_KEYS,
    deprecation_of,
)
from wanflow.catalog.document import JsonObject, escape_key, is_array, is_object
from wanflow.catalog.schema_walk import SCHEMA_KEYWORDS, SCHEMA_LIST_KEYWORDS, SCHEMA_MAP_KEYWORDS
from wanflow.spec.diff.change import Change
from wanflow.spec.proof.requests import format_body

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMED = frozenset(
    {
        *("paths", "webhooks", "responses", "headers", "links", "callbacks", "content"),
        *("securitySchemes", "variables", "encoding", "requestBodies", "pathItems"),
        *("examples", "mapping", "parameters"),
    }
)
"""Keys of OpenAPI's objects whose value maps names of any kind to objects."""


class _Missing:
    """A node that one of the documents doesn't have."""


MISSING = _Missing()


@frozen
class Step:
    """One step from a node to a node below it: what the upper one is, and the key.

    `role` is `schema`, `schemas` (names to schemas), `list`, `object`, `data`, or the key whose
    value maps names to objects. `nodes` are the two upper nodes.
    """

    role: str
    key: str
    nodes: tuple[Any, Any]


@frozen
class Difference:
    """One node that differs: the path to it, and its value in each document."""

    steps: tuple[Step, ...]
    before: Any
    after: Any

    @property
    def pointer(self) -> str:
        """Its pointer; named list entries are identified by name."""
        return "".join(f"/{escape_key(step.key)}" for step in self.steps)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that lead to it."""
        return tuple(step.key for step in self.steps)

    @property
    def last(self) -> Step:
        """The step that ends at it."""
        return self.steps[-1]

    def inside(self, role: str) -> bool:
        """Whether it is a part of something that a key names."""
        return any(step.role == role for step in self.steps)


def document_changes(old: JsonObject, new: JsonObject) -> Iterator[Change]:
    """Yield every node in which two documents differ."""
    for found in _differences("object", old, new, ()):
        yield Change(kind_of(found), f"#{found.pointer}", _what(found))


def _differences(
    role: str, before: Any, after: Any, steps: tuple[Step, ...]
) -> Iterator[Difference]:
    if _text(before) == _text(after):
        return
    one, other = _children(role, before), _children(role, after)
    if one is None or other is None:
        yield Difference(steps, before, after)
        return
    for key in dict.fromkeys([*one, *other]):
        step = Step(role, key, (before, after))
        below = one.get(key, MISSING), other.get(key, MISSING)
        yield from _differences(_role(role, key, below), *below, (*steps, step))
    if is_array(before) and [k for k in one if k in other] != [k for k in other if k in one]:
        yield Difference((*steps, Step("order", "(order)", (before, after))), [*one], [*other])


def _children(role: str, node: Any) -> dict[str, Any] | None:
    """Return a node's children by key; None for a node that is compared as a whole."""
    if role == "data":
        return None
    if is_object(node):
        return node
    if role != "list" or not is_array(node):
        return None
    names = [_name(item) for item in node]
    if not names or None in names or len(set(names)) < len(names):
        return None
    return dict(zip([str(name) for name in names], node, strict=True))


def _name(item: Any) -> str | None:
    """Return the name of a list entry, to identify it at any position."""
    if not is_object(item):
        return None
    if "in" in item and "name" in item:
        return f"{item['in']} parameter {item['name']}"
    named: Any = next((item[key] for key in ("$ref", "url", "name", "const") if key in item), None)
    return None if named is None else str(named)


def _role(role: str, key: str, nodes: tuple[Any, Any]) -> str:
    """Return the role of the node under a key."""
    if role in {"schema", "schemas"}:
        return _schema_role(key) if role == "schema" else "schema"
    if role == "list":
        return "schema" if _is_schema(nodes) else "object"
    if role == "examples" or key == "example" or (role == "object" and key.startswith("x-")):
        return "data"
    return _object_role(key, nodes) if role == "object" else _BELOW_NAMED.get(role, "object")


_BELOW_NAMED = {"callbacks": "paths"}


def _schema_role(key: str) -> str:
    if key in SCHEMA_KEYWORDS:
        return "schema"
    roles = dict.fromkeys(SCHEMA_LIST_KEYWORDS, "list") | dict.fromkeys(
        SCHEMA_MAP_KEYWORDS, "schemas"
    )
    return (roles | {"discriminator": "object"}).get(key, "data")


def _object_role(key: str, nodes: tuple[Any, Any]) -> str:
    if key == "schema":
        return "schema"
    if key == "schemas":
        return "schemas"
    if any(is_array(node) for node in nodes):
        return "list"
    return key if key in _NAMED else "object"


def _is_schema(nodes: tuple[Any, Any]) -> bool:
    """Return whether list entries are schemas, not parameters, servers or tags."""
    node: JsonObject = next((node for node in nodes if is_object(node)), JsonObject())
    return not ({"in", "url", "name"} & node.keys())


def kind_of(found: Difference) -> str:
    """Return the id of the kind of change that a differing node is."""
    key, role = found.last.key, found.last.role
    for word in ("callbacks", "webhooks", "links", "headers"):
        if role == word and MISSING in (found.before, found.after):
            return _PARTS[word][0 if found.before is MISSING else 1]
    if key in FLAG_KEYS:
        return _deprecated(found)
    if key in DATE_KEYS or key in REPLACEMENT_KEYS:
        return "WF203"
    for word in ("callbacks", "webhooks", "links", "headers"):
        if found.inside(word):
            return _PARTS[word][2]
    return _in_schema(found) if role == "schema" else _outside(found)


_PARTS = {
    "callbacks": ("WF320", "WF123", "WF206"),
    "webhooks": ("WF320", "WF123", "WF206"),
    "links": ("WF319", "WF122", "WF205"),
    "headers": ("WF318", "WF121", "WF204"),
}


def _deprecated(found: Difference) -> str:
    if found.after in (MISSING, False, None):
        return "WF321" if found.before not in (MISSING, False, None) else "WF408"
    schema = found.last.role == "schema" and is_object(found.last.nodes[1])
    return "WF202" if schema and "const" in found.last.nodes[1] else "WF201"


def _in_schema(found: Difference) -> str:
    key = found.last.key
    if key in VALUE_LIST_KEYS:
        return "WF202"
    if key in {"description", "title"}:
        return "WF402" if any("enum" in n for n in found.last.nodes if is_object(n)) else "WF401"
    if key.startswith("x-"):
        return "WF407"
    return _KEYWORDS.get(key, "WF406")


_KEYWORDS = {
    **dict.fromkeys(("example", "examples"), "WF403"),
    **dict.fromkeys(("contentEncoding", "contentMediaType", "contentSchema"), "WF207"),
    **dict.fromkeys(("format", "readOnly", "writeOnly", "xml"), "WF207"),
}


def _outside(found: Difference) -> str:
    key, role = found.last.key, found.last.role
    if key.startswith("x-"):
        return "WF407"
    if found.inside("variables") or role == "variables":
        return "WF208"
    if role in {"schemas", "mapping"} or (role == "list" and found.inside("schema")):
        return "WF406"
    if key == "required":
        return "WF308" if "requestBody" in found.keys[-2:] else "WF307"
    top = _TOP.get(found.keys[0])
    return top or ("WF403" if role == "examples" else _KEYS.get(key, "WF408"))


_TOP = {"info": "WF404", "openapi": "WF404", "tags": "WF405", "jsonSchemaDialect": "WF208"}
_KEYS = {
    **dict.fromkeys(("description", "summary", "title"), "WF401"),
    **dict.fromkeys(("style", "explode", "allowReserved", "allowEmptyValue", "encoding"), "WF124"),
    **dict.fromkeys(("contentType",), "WF124"),
    **dict.fromkeys(("example", "examples"), "WF403"),
    "propertyName": "WF125",
    "tags": "WF405",
    "variables": "WF208",
    "webhooks": "WF206",
}


def _what(found: Difference) -> str:
    """Describe a difference; for a deprecation, with the document's own text."""
    deprecation = deprecation_of(found.last.nodes[1]) if found.last.key in FLAG_KEYS else None
    if deprecation is not None:
        return deprecation.describe("it")
    if found.before is MISSING:
        return f"new: {format_body(found.after)}"
    if found.after is MISSING:
        return f"gone: {format_body(found.before)}"
    return f"{format_body(found.after)}, not {format_body(found.before)}"


def _text(node: Any) -> str:
    return "" if node is MISSING else json.dumps(node, sort_keys=True, default=repr)
