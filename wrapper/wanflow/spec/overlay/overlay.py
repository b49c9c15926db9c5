"""Apply OpenAPI Overlay 1.1 files, strictly: an action that doesn't do what it says is an error.

Stricter than the specification asks: a target that selects nothing, a value of another type than
the node it meets, and an action that changes nothing are all errors here, so that an overlay whose
document moved on is noticed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jsonpath
from attrs import field, frozen

from wanflow.catalog.document import is_array, is_object
from wanflow.spec.errors import OverlayError
from wanflow.spec.read.yaml import escape, read_yaml, same

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wanflow.catalog.document import JsonObject

_ROOT = {"overlay": str, "info": dict, "extends": str, "actions": list}
_INFO = {"title": str, "version": str, "description": str}
_ACTION = {"target": str, "description": str, "remove": bool, "copy": str, "update": object}
_VERSIONS = ("1.0.", "1.1.")

Parts = tuple[str | int, ...]
"""Where a node stands: the keys and indexes that lead to it."""


@frozen
class Action:
    """One action of an overlay; `place` names it for a person: file and position."""

    location: str
    target: str
    raw: JsonObject = field(repr=False)

    @property
    def description(self) -> str:
        """What the action is for, as its author says."""
        return " ".join(str(self.raw.get("description", "")).split())


@frozen
class Overlay:
    """One overlay file, read and valid."""

    name: str
    actions: tuple[Action, ...]


def read_overlays(folder: Path) -> list[Overlay]:
    """Read every overlay of a folder, in the order of their names."""
    return [
        parse_overlay(read_yaml(path.read_text("utf-8"), path.name).data, path.name)
        for path in sorted(folder.glob("*.yaml"))
    ]


def parse_overlay(data: Any, name: str) -> Overlay:
    """Check that data is a valid overlay, as the specification's own schema would.

    Raises:
        OverlayFault: says which field is wrong.
    """
    if not is_object(data):
        raise OverlayError(f"{name} is no overlay: its top is no mapping")
    _check_fields(data, _ROOT, ("overlay", "info", "actions"), name)
    if not data["overlay"].startswith(_VERSIONS) or not data["overlay"].split(".")[2].isdigit():
        raise OverlayError(f"{name}: overlay {data['overlay']!r} is no version 1.0.x or 1.1.x")
    _check_fields(data["info"], _INFO, ("title", "version"), f"{name}, info")
    if not data["actions"]:
        raise OverlayError(f"{name}: there are no actions")
    for earlier, later in _pairs(data["actions"]):
        if same(earlier, later):
            raise OverlayError(f"{name}: an action is there twice, for {earlier.get('target')!r}")
    return Overlay(
        name, tuple(_action(raw, f"{name}, action {i}") for i, raw in enumerate(data["actions"], 1))
    )


def apply_overlay(document: JsonObject, overlay: Overlay) -> JsonObject:
    """Return the document as an overlay leaves it; the one given stays as it is."""
    for action in overlay.actions:
        document = apply_action(document, action)
    return document


def apply_action(
    document: JsonObject, action: Action, places: list[Parts] | None = None
) -> JsonObject:
    """Return the document as one action leaves it, at the places given or all that it selects.

    The one given stays as it is; what the action doesn't touch is shared between the two.

    Raises:
        OverlayFault: nothing is selected, types clash, or nothing changes.
    """
    places = targets(document, action) if places is None else places
    if action.raw.get("remove"):
        return _removed(document, places, action)
    value = _value(document, action)
    for parts in places:
        changed = _changed(document, value, action, parts)
        if same(node_at(document, parts), node_at(changed, parts)):
            raise OverlayError(f"{action.location}: it changes nothing at {pointer_of(parts)}")
        document = changed
    return document


def apply_at(document: JsonObject, action: Action, parts: Parts) -> JsonObject:
    """Return the document as an action's update or copy leaves it at one place.

    Raises:
        OverlayFault: types clash.
    """
    return _changed(document, _value(document, action), action, parts)


def _changed(document: JsonObject, value: Any, action: Action, parts: Parts) -> JsonObject:
    new = _merged(node_at(document, parts), value, action.location, parts)
    changed: JsonObject = _replaced(document, parts, new)
    return changed


def targets(document: JsonObject, action: Action) -> list[Parts]:
    """Find what an action is about, each place once, in the document's order.

    Raises:
        OverlayFault: nothing is selected.
    """
    found = select(document, action.target, action.location)
    if not found:
        raise OverlayError(f"{action.location}: nothing matches {action.target}")
    return found


def select(document: JsonObject, path: str, place: str) -> list[Parts]:
    """Find the nodes that a JSONPath (RFC 9535) selects, as their keys and indexes.

    Raises:
        OverlayFault: it is no JSONPath.
    """
    try:
        found = _compiled(path).finditer(document)
        return list(dict.fromkeys(match.parts for match in found))
    except jsonpath.JSONPathError as error:
        reason = str(error).splitlines()[0]
        raise OverlayError(f"{place}: {path!r} is no JSONPath ({reason})") from error


def pointer_of(parts: Parts) -> str:
    """Write a place as a JSON pointer."""
    return "".join(f"/{escape(str(part))}" for part in parts)


@lru_cache(maxsize=256)
def _compiled(path: str) -> Any:
    return jsonpath.compile(path, strict=True)


def _action(raw: Any, place: str) -> Action:
    if not is_object(raw):
        raise OverlayError(f"{place}: an action must be a mapping")
    _check_fields(raw, _ACTION, ("target",), place)
    if not raw["target"].startswith("$"):
        raise OverlayError(f"{place}: the target {raw['target']!r} must begin with $")
    if "update" in raw and "copy" in raw:
        raise OverlayError(
            f"{place}: it has both `update` and `copy`; one of them would be ignored"
        )
    return Action(place, raw["target"], raw)


def _check_fields(data: Any, known: dict[str, Any], needed: tuple[str, ...], place: str) -> None:
    if not is_object(data):
        raise OverlayError(f"{place} must be a mapping")
    for name in needed:
        if name not in data:
            raise OverlayError(f"{place}: `{name}` is missing")
    for name, value in data.items():
        if name not in known and not name.startswith("x-"):
            raise OverlayError(f"{place}: `{name}` is no field of an overlay")
        if name in known and not isinstance(value, known[name]):
            raise OverlayError(f"{place}: `{name}` must be a {_WORD[known[name]]}")


_WORD = {str: "text", dict: "mapping", list: "list", bool: "true or false"}


def _pairs(actions: list[Any]) -> Iterator[tuple[Any, Any]]:
    for index, earlier in enumerate(actions):
        for later in actions[index + 1 :]:
            yield earlier, later


def _value(document: JsonObject, action: Action) -> Any:
    if "copy" not in action.raw:
        if "update" not in action.raw:
            raise OverlayError(f"{action.location}: it has no `update`, `copy` or `remove: true`")
        return action.raw["update"]
    found = select(document, action.raw["copy"], action.location)
    if len(found) != 1:
        raise OverlayError(f"{action.location}: copy must select one node, not {len(found)}")
    return node_at(document, found[0])


def _merged(old: Any, new: Any, place: str, parts: Parts) -> Any:
    if is_object(old) and is_object(new):
        merged = dict(old)
        for key, value in new.items():
            inside = key in merged
            merged[key] = _merged(merged[key], value, place, (*parts, key)) if inside else value
        return merged
    if is_array(old):
        return [*old, *(new if is_array(new) else [new])]
    if is_object(old) or is_object(new) or is_array(new):
        at = pointer_of(parts)
        raise OverlayError(f"{place}: {at} is {_kind(old)}, and the update has {_kind(new)}")
    return new


def _kind(value: Any) -> str:
    if is_object(value):
        return "a mapping"
    return "a list" if is_array(value) else "a scalar"


def _removed(document: JsonObject, places: list[Parts], action: Action) -> JsonObject:
    # From the last place to the first: what is inside goes before what holds it, and a list's
    # later entries before its earlier ones, so that every place stays true.
    for parts in reversed(places):
        if not parts:
            raise OverlayError(f"{action.location}: the whole document can't be removed")
        parent = node_at(document, parts[:-1])
        rest = [
            (key, value)
            for key, value in (parent.items() if is_object(parent) else enumerate(parent))
            if key != parts[-1]
        ]
        left = dict(rest) if is_object(parent) else [value for _, value in rest]
        document = _replaced(document, parts[:-1], left)
    return document


def _replaced(node: Any, parts: Parts, value: Any) -> Any:
    """Copy a node with another value at a place; only the way there is copied."""
    if not parts:
        return value
    copied: Any = dict(node) if is_object(node) else [*node]
    copied[parts[0]] = _replaced(copied[parts[0]], parts[1:], value)
    return copied


def node_at(document: Any, parts: Parts) -> Any:
    """Return what stands at a place."""
    node = document
    for part in parts:
        node = node[part]
    return node
