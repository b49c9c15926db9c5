"""Read any OpenAPI 3 as plain 3.1, so that everything after it speaks one dialect.

Documents that say 3.1 often keep words of 3.0 (`nullable`, bounds that are said to be exclusive),
or name JSON with a parameter (`application/json; charset=utf-8`). Both are read as they are meant.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from wanflow.spec.document import Json, is_array, is_object
from wanflow.spec.schema_tree import map_schemas
from wanflow.spec.yaml_text import escape

_BOUNDS = (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum"))
_DATA = frozenset({"example", "examples", "value"})
_BRANCHES = ("oneOf", "anyOf")
_NOTES = frozenset({"title", "description", "default", "example", "examples", "deprecated"})
_JSON = "application/json"
_ANY_MEDIA = frozenset({"*/*", "application/*"})


def upgraded(document: Json) -> Json:
    """Return a document as OpenAPI 3.1."""
    older = str(document["openapi"]).startswith("3.0")
    whole: Json = _outside(document, (), older=older)
    return {**whole, "openapi": "3.1.0"} if older else whole


def plain_place(pointer: str) -> str:
    """Return where a node of a received document is in the upgraded one."""
    parts = pointer.split("/")
    for index in range(1, len(parts)):
        if parts[index - 1] == "content":
            media = parts[index].replace("~1", "/").replace("~0", "~")
            parts[index] = escape(_media(media))
    return "/".join(parts)


def _outside(node: Any, at: tuple[str, ...], *, older: bool) -> Any:
    """Copy what isn't in a schema, and upgrade the schemas met on the way."""
    if is_array(node):
        return [_outside(item, (*at, ""), older=older) for item in node]
    if not is_object(node):
        return node
    if at and at[-1] == "content" and all(is_object(value) for value in node.values()):
        node = _contents(node)
    return {key: _child(key, value, at, older=older) for key, value in node.items()}


def _child(key: str, value: Any, at: tuple[str, ...], *, older: bool) -> Any:
    if key == "schema" or at == ("components", "schemas"):
        return _schema(value, older=older)
    return value if key in _DATA else _outside(value, (*at, key), older=older)


def _contents(contents: Json) -> Json:
    """Name JSON plainly where no other entry has that name."""
    named = {_media(kind): media for kind, media in contents.items()}
    return named if len(named) == len(contents) else contents


def _media(kind: str) -> str:
    plain = kind.partition(";")[0].strip().lower()
    return _JSON if plain == _JSON or plain in _ANY_MEDIA else kind


def _schema(node: Any, *, older: bool) -> Any:
    if not is_object(node):
        return node
    change = partial(_schema, older=older)
    whole = {key: map_schemas(key, value, change) for key, value in node.items()}
    return _nullable(_exclusive(whole), older=older)


def _exclusive(node: Json) -> Json:
    """Turn `exclusiveMinimum: true` beside `minimum` into a bound of its own."""
    for flag, bound in _BOUNDS:
        if isinstance(node.get(flag), bool):
            strict = node.pop(flag)
            if strict and bound in node:
                node[flag] = node.pop(bound)
    return node


def _nullable(node: Json, *, older: bool) -> Json:
    """Turn `nullable: true` into one more type or branch.

    3.0 ignores it where no type stands beside it, and there so does this.
    """
    if not isinstance(node.get("nullable"), bool) or not node.pop("nullable"):
        return node
    named = node.get("type")
    if isinstance(named, str) or is_array(named):
        kinds = named if is_array(named) else [named]
        node["type"] = kinds if "null" in kinds else [*kinds, "null"]
        return _with_null_listed(node)
    if older:
        return node
    return _with_null_branch(node)


def _with_null_listed(node: Json) -> Json:
    """Let a closed list of values hold null too."""
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if is_array(node.get("enum")) and None not in node["enum"]:
        node["enum"] = [*node["enum"], None]
    return node


def _with_null_branch(node: Json) -> Json:
    """Let a schema without a type admit null: by one more branch, or beside what it refers to."""
    for word in _BRANCHES:
        if is_array(node.get(word)):
            node[word] = [*node[word], {"type": "null"}]
            return _with_null_listed(node)
    if "$ref" in node or "allOf" in node:
        notes = {key: value for key, value in node.items() if key in _NOTES}
        rule = {key: value for key, value in node.items() if key not in _NOTES}
        return {**notes, "anyOf": [rule, {"type": "null"}]}
    return _with_null_listed(node)
