"""Apply OpenAPI Overlay 1.1 files, strictly: an action that doesn't do what it says is an error.

Stricter than the specification asks: a target that selects nothing, a value of another type than
the node it meets, and an action that changes nothing are all errors here, so that an overlay whose
document moved on is noticed.
"""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jsonpath
from attrs import field, frozen

from wanflow.spec.document import is_array, is_object
from wanflow.spec.failures import OverlayFault
from wanflow.spec.yaml_text import escape, read_yaml, same

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wanflow.spec.document import Json

_ROOT = {"overlay": str, "info": dict, "extends": str, "actions": list}
_INFO = {"title": str, "version": str, "description": str}
_ACTION = {"target": str, "description": str, "remove": bool, "copy": str, "update": object}
_VERSIONS = ("1.0.", "1.1.")
_ABSENT = object()


@frozen
class Action:
    """One action of an overlay; `place` names it for a person: file and position."""

    place: str
    target: str
    raw: Json = field(repr=False)

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
        raise OverlayFault(f"{name} is no overlay: its top is no mapping")
    _check_fields(data, _ROOT, ("overlay", "info", "actions"), name)
    if not data["overlay"].startswith(_VERSIONS) or not data["overlay"].split(".")[2].isdigit():
        raise OverlayFault(f"{name}: overlay {data['overlay']!r} is no version 1.0.x or 1.1.x")
    _check_fields(data["info"], _INFO, ("title", "version"), f"{name}, info")
    if not data["actions"]:
        raise OverlayFault(f"{name}: there are no actions")
    for earlier, later in _pairs(data["actions"]):
        if same(earlier, later):
            raise OverlayFault(f"{name}: an action is there twice, for {earlier.get('target')!r}")
    return Overlay(
        name, tuple(_action(raw, f"{name}, action {i}") for i, raw in enumerate(data["actions"], 1))
    )


def apply_overlay(document: Json, overlay: Overlay) -> Json:
    """Return the document as an overlay leaves it; the one given stays as it is."""
    for action in overlay.actions:
        document = apply_action(document, action)
    return document


def apply_action(document: Json, action: Action) -> Json:
    """Return the document as one action leaves it; the one given stays as it is.

    Raises:
        OverlayFault: nothing is selected, types clash, or nothing changes.
    """
    changed = copy.deepcopy(document)
    found = select(changed, action.target, action.place)
    if not found:
        raise OverlayFault(f"{action.place}: nothing matches {action.target}")
    if action.raw.get("remove"):
        return _remove(changed, found, action)
    value = _value(changed, action)
    for match in found:
        _put(changed, match.parts, _merged(match.obj, value, action.place, match.parts))
    if same(changed, document):
        raise OverlayFault(f"{action.place}: it changes nothing; {action.target} is so already")
    return changed


def select(document: Json, path: str, place: str) -> list[jsonpath.JSONPathMatch]:
    """Find the nodes that a JSONPath (RFC 9535) selects.

    Raises:
        OverlayFault: it is no JSONPath.
    """
    try:
        return list(_compiled(path).finditer(document))
    except jsonpath.JSONPathError as error:
        reason = str(error).splitlines()[0]
        raise OverlayFault(f"{place}: {path!r} is no JSONPath ({reason})") from error


def pointer_of(match: jsonpath.JSONPathMatch) -> str:
    """Write where a match stands as a JSON pointer."""
    return "".join(f"/{escape(str(part))}" for part in match.parts)


@lru_cache(maxsize=256)
def _compiled(path: str) -> Any:
    return jsonpath.compile(path, strict=True)


def _action(raw: Any, place: str) -> Action:
    if not is_object(raw):
        raise OverlayFault(f"{place}: an action must be a mapping")
    _check_fields(raw, _ACTION, ("target",), place)
    if not raw["target"].startswith("$"):
        raise OverlayFault(f"{place}: the target {raw['target']!r} must begin with $")
    if "update" in raw and "copy" in raw:
        raise OverlayFault(
            f"{place}: it has both `update` and `copy`; one of them would be ignored"
        )
    return Action(place, raw["target"], raw)


def _check_fields(data: Any, known: dict[str, Any], needed: tuple[str, ...], place: str) -> None:
    if not is_object(data):
        raise OverlayFault(f"{place} must be a mapping")
    for name in needed:
        if name not in data:
            raise OverlayFault(f"{place}: `{name}` is missing")
    for name, value in data.items():
        if name not in known and not name.startswith("x-"):
            raise OverlayFault(f"{place}: `{name}` is no field of an overlay")
        if name in known and not isinstance(value, known[name]):
            raise OverlayFault(f"{place}: `{name}` must be a {_WORD[known[name]]}")


_WORD = {str: "text", dict: "mapping", list: "list", bool: "true or false"}


def _pairs(actions: list[Any]) -> Iterator[tuple[Any, Any]]:
    for index, earlier in enumerate(actions):
        for later in actions[index + 1 :]:
            yield earlier, later


def _value(document: Json, action: Action) -> Any:
    if "copy" not in action.raw:
        if "update" not in action.raw:
            raise OverlayFault(f"{action.place}: it has no `update`, `copy` or `remove: true`")
        return action.raw["update"]
    found = select(document, action.raw["copy"], action.place)
    if len(found) != 1:
        raise OverlayFault(f"{action.place}: copy must select one node, not {len(found)}")
    return copy.deepcopy(found[0].obj)


def _merged(old: Any, new: Any, place: str, parts: tuple[Any, ...]) -> Any:
    if is_object(old) and is_object(new):
        merged = dict(old)
        for key, value in new.items():
            before = merged.get(key, _ABSENT)
            merged[key] = (
                copy.deepcopy(value)
                if before is _ABSENT
                else _merged(before, value, place, (*parts, key))
            )
        return merged
    if is_array(old):
        return [*old, *copy.deepcopy(new if is_array(new) else [new])]
    if is_object(old) or is_object(new) or is_array(new):
        at = "".join(f"/{escape(str(part))}" for part in parts)
        raise OverlayFault(f"{place}: {at} is {_kind(old)}, and the update has {_kind(new)}")
    return new


def _kind(value: Any) -> str:
    return "a mapping" if is_object(value) else "a list" if is_array(value) else "a scalar"


def _remove(document: Json, found: list[jsonpath.JSONPathMatch], action: Action) -> Json:
    # From the last match to the first: what is inside goes before what holds it, and a list's
    # later entries before its earlier ones, so that every place stays true.
    for parts in reversed(dict.fromkeys(match.parts for match in found)):
        if not parts:
            raise OverlayFault(f"{action.place}: the whole document can't be removed")
        del _at(document, parts[:-1])[parts[-1]]
    return document


def _put(document: Json, parts: tuple[Any, ...], value: Any) -> None:
    if not parts:
        document.clear()
        document.update(value)
        return
    _at(document, parts[:-1])[parts[-1]] = value


def _at(document: Any, parts: tuple[Any, ...]) -> Any:
    node = document
    for part in parts:
        node = node[part]
    return node
