"""Apply OpenAPI Overlay 1.1 files, with stricter rules than the specification.

A target that selects nothing, a value of another type than the node, and an action that changes
nothing are errors here, so that an overlay that no longer fits its spec is noticed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jsonpath
from attrs import field, frozen

from wanflow.catalog.document import is_array, is_object
from wanflow.catalog.violation import pointer_to
from wanflow.spec.errors import OverlayError, document_errors
from wanflow.spec.read.yaml import json_equal, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wanflow.catalog.document import JsonObject

_ROOT_FIELDS = {"overlay": str, "info": dict, "extends": str, "actions": list}
_INFO_FIELDS = {"title": str, "version": str, "description": str}
_ACTION_FIELDS = {"target": str, "description": str, "remove": bool, "copy": str, "update": object}
_VERSIONS = ("1.0.", "1.1.")

NodePath = tuple[str | int, ...]
"""The path of a node: keys and indexes."""


@frozen
class Action:
    """One action of an overlay; `location` is its file and number, for messages."""

    location: str
    target: str
    raw: JsonObject = field(repr=False)

    @property
    def description(self) -> str:
        """The description, on one line."""
        return " ".join(str(self.raw.get("description", "")).split())


@frozen
class Overlay:
    """A valid overlay file."""

    name: str
    actions: tuple[Action, ...]


@document_errors("an overlay")
def read_overlays(directory: Path) -> list[Overlay]:
    """Read every overlay of a directory, in the order of their names."""
    return [
        parse_overlay(read_yaml(path.read_text("utf-8"), path.name).data, path.name)
        for path in sorted(directory.glob("*.yaml"))
    ]


def parse_overlay(data: Any, name: str) -> Overlay:
    """Parse an overlay, with the checks of the specification's own schema.

    Raises:
        OverlayError: names the invalid field.
    """
    if not is_object(data):
        raise OverlayError(f"{name} is not an overlay: its root is not a mapping")
    _check_fields(data, _ROOT_FIELDS, ("overlay", "info", "actions"), name)
    if not data["overlay"].startswith(_VERSIONS) or not data["overlay"].split(".")[2].isdigit():
        raise OverlayError(f"{name}: overlay {data['overlay']!r} is not a version 1.0.x or 1.1.x")
    _check_fields(data["info"], _INFO_FIELDS, ("title", "version"), f"{name}, info")
    if not data["actions"]:
        raise OverlayError(f"{name}: there are no actions")
    for earlier, later in _pairs(data["actions"]):
        if json_equal(earlier, later):
            raise OverlayError(f"{name}: there are two equal actions for {earlier.get('target')!r}")
    return Overlay(
        name,
        tuple(
            _parse_action(raw, f"{name}, action {i}") for i, raw in enumerate(data["actions"], 1)
        ),
    )


def apply_action(
    document: JsonObject, action: Action, paths: list[NodePath] | None = None
) -> JsonObject:
    """Return a copy of the document with an action applied, at given nodes or all selected ones.

    Unchanged nodes are shared with the original.

    Raises:
        OverlayError: nothing is selected, types don't match, or nothing changes.
    """
    paths = targets(document, action) if paths is None else paths
    if action.raw.get("remove"):
        return _remove(document, paths, action)
    value = _update_value(document, action)
    for parts in paths:
        changed = _updated(document, value, action, parts)
        if json_equal(node_at(document, parts), node_at(changed, parts)):
            raise OverlayError(f"{action.location}: it changes nothing at {pointer_to(parts)}")
        document = changed
    return document


def apply_at(document: JsonObject, action: Action, parts: NodePath) -> JsonObject:
    """Return a copy of the document with an action's update or copy applied at one node.

    Raises:
        OverlayError: types don't match.
    """
    return _updated(document, _update_value(document, action), action, parts)


def _updated(document: JsonObject, value: Any, action: Action, parts: NodePath) -> JsonObject:
    new = _merge(node_at(document, parts), value, action.location, parts)
    changed: JsonObject = _replace(document, parts, new)
    return changed


def targets(document: JsonObject, action: Action) -> list[NodePath]:
    """Return the paths of the nodes that an action selects, each once, in document order.

    Raises:
        OverlayError: nothing is selected.
    """
    found = select(document, action.target, action.location)
    if not found:
        raise OverlayError(f"{action.location}: nothing matches {action.target}")
    return found


def select(document: JsonObject, path: str, location: str) -> list[NodePath]:
    """Return the paths of the nodes that a JSONPath (RFC 9535) selects.

    Raises:
        OverlayError: it isn't a valid JSONPath.
    """
    try:
        found = _compiled(path).finditer(document)
        return list(dict.fromkeys(match.parts for match in found))
    except jsonpath.JSONPathError as error:
        reason = str(error).splitlines()[0]
        raise OverlayError(f"{location}: {path!r} is not a valid JSONPath ({reason})") from error


@lru_cache(maxsize=256)
def _compiled(path: str) -> Any:
    return jsonpath.compile(path, strict=True)


def _parse_action(raw: Any, location: str) -> Action:
    if not is_object(raw):
        raise OverlayError(f"{location}: an action must be a mapping")
    _check_fields(raw, _ACTION_FIELDS, ("target",), location)
    if not raw["target"].startswith("$"):
        raise OverlayError(f"{location}: the target {raw['target']!r} must begin with $")
    if "update" in raw and "copy" in raw:
        raise OverlayError(
            f"{location}: it has both `update` and `copy`; one of them would be ignored"
        )
    return Action(location, raw["target"], raw)


def _check_fields(data: Any, known: dict[str, Any], needed: tuple[str, ...], location: str) -> None:
    if not is_object(data):
        raise OverlayError(f"{location} must be a mapping")
    for name in needed:
        if name not in data:
            raise OverlayError(f"{location}: `{name}` is missing")
    for name, value in data.items():
        if name not in known and not name.startswith("x-"):
            raise OverlayError(f"{location}: `{name}` is not a field of an overlay")
        if name in known and not isinstance(value, known[name]):
            raise OverlayError(f"{location}: `{name}` must be a {_TYPE_NAMES[known[name]]}")


_TYPE_NAMES = {str: "text", dict: "mapping", list: "list", bool: "true or false"}


def _pairs(actions: list[Any]) -> Iterator[tuple[Any, Any]]:
    for index, earlier in enumerate(actions):
        for later in actions[index + 1 :]:
            yield earlier, later


def _update_value(document: JsonObject, action: Action) -> Any:
    if "copy" not in action.raw:
        if "update" not in action.raw:
            raise OverlayError(f"{action.location}: it has no `update`, `copy` or `remove: true`")
        return action.raw["update"]
    found = select(document, action.raw["copy"], action.location)
    if len(found) != 1:
        raise OverlayError(f"{action.location}: copy must select one node, not {len(found)}")
    return node_at(document, found[0])


def _merge(old: Any, new: Any, location: str, parts: NodePath) -> Any:
    if is_object(old) and is_object(new):
        merged = dict(old)
        for key, value in new.items():
            inside = key in merged
            merged[key] = _merge(merged[key], value, location, (*parts, key)) if inside else value
        return merged
    if is_array(old):
        return [*old, *(new if is_array(new) else [new])]
    if is_object(old) or is_object(new) or is_array(new):
        at = pointer_to(parts)
        raise OverlayError(f"{location}: {at} is {_kind(old)}, and the update has {_kind(new)}")
    return new


def _kind(value: Any) -> str:
    if is_object(value):
        return "a mapping"
    return "a list" if is_array(value) else "a scalar"


def _remove(document: JsonObject, paths: list[NodePath], action: Action) -> JsonObject:
    # In reverse order: nested nodes before their parents, and later entries of a list before
    # earlier ones, so that the remaining paths stay valid.
    for parts in reversed(paths):
        if not parts:
            raise OverlayError(f"{action.location}: the whole document can't be removed")
        parent = node_at(document, parts[:-1])
        rest = [
            (key, value)
            for key, value in (parent.items() if is_object(parent) else enumerate(parent))
            if key != parts[-1]
        ]
        left = dict(rest) if is_object(parent) else [value for _, value in rest]
        document = _replace(document, parts[:-1], left)
    return document


def _replace(node: Any, parts: NodePath, value: Any) -> Any:
    """Copy a node with another value at a path; only the nodes on the path are copied."""
    if not parts:
        return value
    copied: Any = dict(node) if is_object(node) else [*node]
    copied[parts[0]] = _replace(copied[parts[0]], parts[1:], value)
    return copied


def node_at(document: Any, parts: NodePath) -> Any:
    """Return the node at a path."""
    node = document
    for part in parts:
        node = node[part]
    return node
