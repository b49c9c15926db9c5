"""Apply overlays to the documents that carry their reasons, and prove that they only tighten.

What depends on a document is no error of its import: an action that it gives no reason for leaves
it alone, and where it nearly does, that is reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from attrs import define, evolve, field, frozen

from wanflow.catalog.document import is_object
from wanflow.spec.errors import OverlayError
from wanflow.spec.overlay.citations import (
    LOOSENS,
    RULES,
    Sources,
    check_action,
    check_founded,
    conditions_hold,
    missing_evidence,
    worded,
)
from wanflow.spec.overlay.overlay import apply_action, apply_at, node_at, pointer_of, select
from wanflow.spec.proof.fitting import Shown, fitted, only_adds
from wanflow.spec.proof.requests import format_body
from wanflow.spec.read.yaml import same
from wanflow.spec.schema.index import answers_of, reached_by, requests_of
from wanflow.spec.schema.value_set import meaning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wanflow.catalog.document import JsonObject
    from wanflow.spec.overlay.overlay import Action, Overlay, Parts

_SCHEMA_PARTS = 3


@frozen
class Unapplied:
    """A rule of an overlay that a document nearly carries the reason for: where, and what lacks."""

    document: str
    where: str
    action: str
    why: str
    id: ClassVar[str] = "WF211"

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.action} isn't applied: {self.why}"


@frozen
class Overlaid:
    """A document as overlays leave it; `unused` names the actions that nothing was about."""

    document: JsonObject = field(repr=False)
    unapplied: list[Unapplied] = field(factory=list[Unapplied])
    unused: list[str] = field(factory=list[str])


def apply_overlays(document: JsonObject, overlays: Iterable[Overlay], origins: Sources) -> Overlaid:
    """Apply overlays one action at a time, each where its reason is, and proved to tighten.

    Raises:
        OverlayFault: an action is wrong whatever document it meets.
    """
    work = _Work(document, origins, Shown.of(document))
    for overlay in overlays:
        for action in overlay.actions:
            check_action(action)
            work.apply(action)
    return Overlaid(work.document, work.unapplied, work.unused)


@define
class _Work:
    """A document on its way through the actions of overlays."""

    document: JsonObject = field(repr=False)
    origins: Sources = field(repr=False)
    shown: Shown = field(repr=False)
    unapplied: list[Unapplied] = field(factory=list[Unapplied])
    unused: list[str] = field(factory=list[str])

    def apply(self, action: Action) -> None:
        """Apply an action wherever it applies."""
        before = self.document
        places = [
            parts
            for parts in select(before, action.target, action.location)
            if conditions_hold(before, action, parts)
        ]
        if action.raw.get("remove") or LOOSENS in action.raw:
            self._whole(action, places)
        else:
            for parts in places:
                self._at(action, parts)
        if self.document is before:
            self.unused.append(action.location)

    def _whole(self, action: Action, places: list[Parts]) -> None:
        """Apply an action that takes something away, or says that it loosens, all in one."""
        if not places:
            return
        changed = apply_action(self.document, action, places)
        loosened = next(_loosened(self.document, changed), None)
        if loosened is None and LOOSENS in action.raw:
            self._leave(action, places[0], "it says that it loosens something, and it doesn't")
        elif loosened is not None and LOOSENS not in action.raw:
            self._leave(action, places[0], f"it loosens {loosened}; {LOOSENS} may say why")
        else:
            self.document = changed

    def _at(self, action: Action, parts: Parts) -> None:
        """Apply an action at one place, or leave the place alone."""
        node = node_at(self.document, parts)
        if _is_schema(parts) and is_object(node) and "update" in action.raw:
            check_founded(action)
            action = worded(action, node)
            why = missing_evidence(node, action, str(parts[2]), self.origins)
            if why is not None:
                self._leave(action, parts, why)
                return
            update = fitted(self.document, node, action.raw["update"])
            if action.raw["update"].keys() & RULES and not update.keys() & RULES:
                self._leave(action, parts, "the schema has a rule of its own in its place")
                return
            action = evolve(action, raw={**action.raw, "update": update})
        try:
            changed = apply_at(self.document, action, parts)
        except OverlayError as fault:
            self._leave(action, parts, str(fault).removeprefix(f"{action.location}: "))
            return
        if not same(node, node_at(changed, parts)):
            self._take(action, parts, changed)

    def _take(self, action: Action, parts: Parts, changed: JsonObject) -> None:
        """Go on with a changed document, if it refuses nothing that is shown and only tightens."""
        old, new = node_at(self.document, parts), node_at(changed, parts)
        why: str | None = None
        if _is_schema(parts) and is_object(old) and is_object(new):
            why = self.shown.against(self.document, changed, str(parts[2]), old, new)
        update: Any = action.raw.get("update")
        proved = _is_schema(parts) and is_object(old) and is_object(update)
        if why is None and not (proved and _positive(parts) and only_adds(old, update)):
            loosened = next(_loosened(self.document, changed), None)
            why = None if loosened is None else f"it loosens {loosened}; {LOOSENS} may say why"
        if why is None:
            self.document = changed
        else:
            self._leave(action, parts, why)

    def _leave(self, action: Action, parts: Parts, why: str) -> None:
        node = node_at(self.document, parts)
        names = self.origins.of_schema(str(parts[2])) if _is_schema(parts) else []
        for name in names:
            where = self.origins.where(name, node if is_object(node) else {})
            self.unapplied.append(Unapplied(name, where, action.location, why))
        if not names:
            self.unapplied.append(Unapplied("", f"#{pointer_of(parts)}", action.location, why))


def _is_schema(parts: Parts) -> bool:
    return parts[:2] == ("components", "schemas") and len(parts) >= _SCHEMA_PARTS


def _positive(parts: Parts) -> bool:
    """Tell whether what a schema refuses, the whole refuses: it stands under no condition."""
    names = iter(parts[_SCHEMA_PARTS:])
    for key in names:
        if key == "properties":
            next(names, None)
        elif key not in {"items", "allOf"} and not isinstance(key, int):
            return False
    return True


def _loosened(before: JsonObject, after: JsonObject) -> Iterator[str]:
    touched = _touched(before, after)
    for schemas_of in (requests_of, answers_of):
        earlier = schemas_of(before)
        for name, schema in schemas_of(after).items():
            was = earlier.get(name)
            if was is None:
                yield f"{name}, which wasn't there"
            elif was != schema or reached_by(after, schema) & touched:
                old, new = meaning(before, was), meaning(after, schema)
                if not old.covers(new):
                    yield f"{name}, which now takes {format_body(old.lacks(new))}"


def _touched(before: JsonObject, after: JsonObject) -> set[str]:
    """Name the schemas that aren't the same object any more; what is shared wasn't touched."""
    old, new = before["components"]["schemas"], after["components"]["schemas"]
    return {name for name in old.keys() | new.keys() if old.get(name) is not new.get(name)}
