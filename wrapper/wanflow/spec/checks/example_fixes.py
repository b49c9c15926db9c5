"""Mend what a document shows and its own schema refuses: by its own word, or by leaving it out.

A request example that lacks required properties gets what the document shows for each of them.
Every other broken example or default is left out: it says nothing that could be kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from attrs import evolve, frozen

from wanflow.catalog.document import JsonObject, escape_key, is_array, is_object, resolve_ref
from wanflow.catalog.patterns import validator_for
from wanflow.spec.checks.examples import InvalidExample, invalid_examples
from wanflow.spec.schema.value_set import inline_references

if TYPE_CHECKING:
    from wanflow.spec.read.source import SourceSpec

_GONE = object()


@frozen
class ExampleFixes:
    """One example or default that was fixed or removed: its position, and why."""

    document: str
    where: str
    why: str
    left_out: bool
    id: ClassVar[str] = "WF212"

    def __str__(self) -> str:
        done = "it is left out" if self.left_out else "what it lacks is taken from the properties"
        return f"{self.where}: {self.why}; {done}"


def fix_sources(sources: list[SourceSpec]) -> tuple[list[SourceSpec], list[ExampleFixes]]:
    """Return documents whose examples and defaults are valid, and the fixes."""
    done: list[ExampleFixes] = []
    whole: list[SourceSpec] = []
    for source in sources:
        document, broken = fix_examples(source.document)
        whole.append(evolve(source, document=document) if broken else source)
        for one, left_out in broken:
            where = source.where(one.shown.pointer + one.inside)
            done.append(ExampleFixes(source.name, where, str(one), left_out))
    return whole, done


def fix_examples(document: JsonObject) -> tuple[JsonObject, list[tuple[InvalidExample, bool]]]:
    """Return a document whose examples and defaults are valid.

    With each that didn't stands whether it was left out.
    """
    done: list[tuple[InvalidExample, bool]] = []
    changes: dict[str, Any] = {}
    for one in invalid_examples(document):
        value = _filled(document, one)
        changes[one.shown.pointer] = value
        done.append((one, value is _GONE))
    return (_changed(document, "", changes) if changes else document), done


def _filled(document: JsonObject, broken: InvalidExample) -> Any:
    """Return an example with its missing properties, if the document has values for them."""
    value = broken.shown.value
    if broken.is_default or not is_object(value):
        return _GONE
    schema = resolve_ref(document, broken.shown.schema)
    rule = inline_references(document, schema, ())
    lacking = [name for name in rule.get("required", ()) if name not in value]
    properties = rule.get("properties", {})
    whole = {**value, **{name: _documented_value(properties.get(name, {})) for name in lacking}}
    return whole if validator_for(rule).is_valid(whole) else _GONE


def _documented_value(rule: Any) -> Any:
    """Return a documented value of a property."""
    if not is_object(rule):
        return None
    for key in ("example", "default", "const"):
        if key in rule:
            return rule[key]
    for key in ("examples", "enum"):
        if rule.get(key):
            return rule[key][0]
    inside: JsonObject = rule.get("properties", {})
    return {
        name: _documented_value(inside.get(name, {})) for name in rule.get("required", ())
    } or None


def _changed(node: Any, at: str, changes: dict[str, Any]) -> Any:
    """Copy a document with the values at some pointers changed or removed."""
    if not any(place.startswith(at) for place in changes):
        return node
    if is_array(node):
        items = [_at(item, f"{at}/{index}", changes) for index, item in enumerate(node)]
        return [item for item in items if item is not _GONE]
    if not is_object(node):
        return node
    whole = {key: _at(value, f"{at}/{escape_key(key)}", changes) for key, value in node.items()}
    return {key: value for key, value in whole.items() if value is not _GONE}


def _at(node: Any, at: str, changes: dict[str, Any]) -> Any:
    if at in changes:
        return changes[at]
    # A named example without its value is useless, too.
    return _GONE if changes.get(f"{at}/value") is _GONE else _changed(node, at, changes)
