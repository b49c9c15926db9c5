"""Apply overlays where their citations are found, and prove that they only restrict.

An action is skipped where the source spec doesn't contain its citation, so that no overlay prevents
an import. If the text has changed, a warning is reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from attrs import define, evolve, field, frozen

from wanflow.catalog.document import is_object
from wanflow.catalog.violation import pointer_to
from wanflow.spec.errors import OverlayError
from wanflow.spec.overlay.citations import (
    LOOSENS,
    RULES,
    Sources,
    check_action,
    choose_citations,
    conditions_hold,
    missing_citation,
    require_citations,
)
from wanflow.spec.overlay.overlay import apply_action, apply_at, node_at, select
from wanflow.spec.proof.fitting import RequestExamples, fit_update, only_restricts
from wanflow.spec.proof.requests import format_body
from wanflow.spec.read.yaml import json_equal
from wanflow.spec.schema.index import requests_of, responses_of
from wanflow.spec.schema.operations import reachable_names
from wanflow.spec.schema.value_set import value_set_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wanflow.catalog.document import JsonObject
    from wanflow.spec.overlay.overlay import Action, NodePath, Overlay

_SCHEMA_PARTS = 3


@frozen
class UnappliedAction:
    """An overlay action that wasn't applied to a source spec, although it selects it, and why."""

    document: str
    where: str
    action: str
    reason: str
    id: ClassVar[str] = "WF211"

    def __str__(self) -> str:
        prefix = f"{self.where}: " if self.where else ""
        return f"{prefix}{self.action} is not applied: {self.reason}"


@frozen
class OverlayResult:
    """The spec with overlays applied; `unused` lists the actions that changed nothing."""

    document: JsonObject = field(repr=False)
    unapplied: list[UnappliedAction] = field(factory=list[UnappliedAction])
    unused: list[str] = field(factory=list[str])


def apply_overlays(
    document: JsonObject, overlays: Iterable[Overlay], sources: Sources
) -> OverlayResult:
    """Apply overlays, each action where its citation is found and where it only restricts.

    Raises:
        OverlayError: an action is invalid.
    """
    work = _OverlayRun(document, sources, RequestExamples.of(document))
    for overlay in overlays:
        for action in overlay.actions:
            check_action(action)
            work.apply(action)
    return OverlayResult(work.document, work.unapplied, work.unused)


@define
class _OverlayRun:
    """Applies overlay actions to a spec, one after the other."""

    document: JsonObject = field(repr=False)
    sources: Sources = field(repr=False)
    examples: RequestExamples = field(repr=False)
    unapplied: list[UnappliedAction] = field(factory=list[UnappliedAction])
    unused: list[str] = field(factory=list[str])

    def apply(self, action: Action) -> None:
        """Apply an action at each node that it selects."""
        before = self.document
        paths = [
            parts
            for parts in select(before, action.target, action.location)
            if conditions_hold(before, action, parts)
        ]
        if action.raw.get("remove") or LOOSENS in action.raw:
            self._apply_everywhere(action, paths)
        else:
            for parts in paths:
                self._apply_at(action, parts)
        if self.document is before:
            self.unused.append(action.location)

    def _apply_everywhere(self, action: Action, paths: list[NodePath]) -> None:
        """Apply an action that removes something or is marked as loosening, at all nodes."""
        if not paths:
            return
        changed = apply_action(self.document, action, paths)
        loosened = next(_loosened(self.document, changed), None)
        if loosened is None and LOOSENS in action.raw:
            self._record_unapplied(
                action, paths[0], "it is marked as loosening, but loosens nothing"
            )
        elif loosened is not None and LOOSENS not in action.raw:
            self._record_unapplied(
                action, paths[0], f"it loosens {loosened}; give the reason in {LOOSENS}"
            )
        else:
            self.document = changed

    def _apply_at(self, action: Action, parts: NodePath) -> None:
        """Apply an action at one node, or record why not."""
        node = node_at(self.document, parts)
        if _is_schema(parts) and is_object(node) and "update" in action.raw:
            require_citations(action)
            action = choose_citations(action, node)
            reason = missing_citation(node, action, str(parts[2]), self.sources)
            if reason is not None:
                self._record_unapplied(action, parts, reason)
                return
            update = fit_update(self.document, node, action.raw["update"])
            if action.raw["update"].keys() & RULES and not update.keys() & RULES:
                self._record_unapplied(action, parts, "the schema has its own constraint instead")
                return
            action = evolve(action, raw={**action.raw, "update": update})
        try:
            changed = apply_at(self.document, action, parts)
        except OverlayError as error:
            self._record_unapplied(action, parts, str(error).removeprefix(f"{action.location}: "))
            return
        if not json_equal(node, node_at(changed, parts)):
            self._accept(action, parts, changed)

    def _accept(self, action: Action, parts: NodePath, changed: JsonObject) -> None:
        """Accept a changed spec if it only restricts and rejects no example."""
        old, new = node_at(self.document, parts), node_at(changed, parts)
        reason: str | None = None
        if _is_schema(parts) and is_object(old) and is_object(new):
            reason = self.examples.reason_against(self.document, changed, str(parts[2]), old, new)
        update: Any = action.raw.get("update")
        proved = _is_schema(parts) and is_object(old) and is_object(update)
        if reason is None and not (
            proved and _is_unconditional(parts) and only_restricts(old, update)
        ):
            loosened = next(_loosened(self.document, changed), None)
            reason = (
                None if loosened is None else f"it loosens {loosened}; give the reason in {LOOSENS}"
            )
        if reason is None:
            self.document = changed
        else:
            self._record_unapplied(action, parts, reason)

    def _record_unapplied(self, action: Action, parts: NodePath, reason: str) -> None:
        node = node_at(self.document, parts)
        names = self.sources.of_schema(str(parts[2])) if _is_schema(parts) else []
        for name in names:
            where = self.sources.where(name, node if is_object(node) else {})
            self.unapplied.append(UnappliedAction(name, where, action.location, reason))
        if not names:
            self.unapplied.append(
                UnappliedAction("", f"#{pointer_to(parts)}", action.location, reason)
            )


def _is_schema(parts: NodePath) -> bool:
    return parts[:2] == ("components", "schemas") and len(parts) >= _SCHEMA_PARTS


def _is_unconditional(parts: NodePath) -> bool:
    """Return whether a schema always applies, so that restricting it restricts the whole."""
    names = iter(parts[_SCHEMA_PARTS:])
    for key in names:
        if key == "properties":
            next(names, None)
        elif key not in {"items", "allOf"} and not isinstance(key, int):
            return False
    return True


def _loosened(before: JsonObject, after: JsonObject) -> Iterator[str]:
    touched = _changed_schemas(before, after)
    for schemas_of in (requests_of, responses_of):
        earlier = schemas_of(before)
        for name, schema in schemas_of(after).items():
            was = earlier.get(name)
            if was is None:
                yield f"{name}, which is new"
            elif was != schema or reachable_names(after, schema) & touched:
                old, new = value_set_of(before, was), value_set_of(after, schema)
                if not old.covers(new):
                    yield f"{name}, which now accepts {format_body(old.example_outside(new))}"


def _changed_schemas(before: JsonObject, after: JsonObject) -> set[str]:
    """Return the names of the schemas that are different objects; unchanged ones are shared."""
    old, new = before["components"]["schemas"], after["components"]["schemas"]
    return {name for name in old.keys() | new.keys() if old.get(name) is not new.get(name)}
