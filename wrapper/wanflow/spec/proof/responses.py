"""Prove that a merged response schema is the union of its sources, property by property.

An open object accepts any property, so merging two of them restricts what each left open. That is
intended: a short and a full response become one. Therefore the proof is by property: every property
of a source exists; it accepts exactly what the sources that have it accept together; it is required
if all sources require it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.catalog.document import JsonObject, escape_key, is_object
from wanflow.spec.proof.requests import explain_difference
from wanflow.spec.schema.equality import canonical_key, examples_of
from wanflow.spec.schema.operations import rename_references
from wanflow.spec.schema.value_set import union_of, value_set_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STRUCTURE = frozenset({"properties", "required", "items"})


@frozen
class SourceStatement:
    """A schema of one source spec, or of the merged spec."""

    source: str
    document: JsonObject = field(repr=False)
    schema: JsonObject = field(repr=False)

    def at(self, *keys: str) -> SourceStatement | None:
        """Return a nested schema; None if there is none."""
        node: Any = self.schema
        for key in keys:
            if not is_object(node) or key not in node:
                return None
            node = node[key]
        return SourceStatement(self.source, self.document, node) if is_object(node) else None

    def without(self, keys: frozenset[str]) -> SourceStatement:
        """Return the schema without some keywords."""
        rest = {key: value for key, value in self.schema.items() if key not in keys}
        return SourceStatement(self.source, self.document, rest)


@frozen
class ResponseComparison:
    """Compares merged schemas with those that they were merged from, part by part.

    `names` maps (source, name) to the name of the schema in the merged spec. Schemas behind
    references are compared once, on their own.
    """

    names: Mapping[tuple[str, str], str]

    def failures(
        self, merged: SourceStatement, parts: list[SourceStatement], at: str
    ) -> Iterator[str]:
        """Yield each way in which the merged schema differs from the union of its parts."""
        yield from self._examples(merged, parts, at)
        if any("$ref" in part.schema for part in parts):
            yield from self._references(merged, parts, at)
        elif all("properties" in statement.schema for statement in (merged, *parts)):
            yield from self._objects(merged, parts, at)
        elif all(is_object(statement.schema.get("items")) for statement in (merged, *parts)):
            yield from self._equal(
                merged.without(_STRUCTURE), [p.without(_STRUCTURE) for p in parts], at
            )
            yield from self._inside(merged, parts, at, "items")
        else:
            yield from self._equal(merged, parts, at)

    def _references(
        self, merged: SourceStatement, parts: list[SourceStatement], at: str
    ) -> Iterator[str]:
        """Check that the references are those of the sources, under their merged names."""
        actual = {canonical_key(node) for node in merged.schema.get("anyOf", [merged.schema])}
        expected = {canonical_key(self._renamed(part.source, part.schema)) for part in parts}
        for text in sorted(actual ^ expected):
            yield f"{at}: {text} is {'lost' if text in expected else 'in no source'}"

    def _renamed(self, source: str, node: Any) -> Any:
        return rename_references(node, lambda name: self.names.get((source, name), name))

    def _objects(
        self, merged: SourceStatement, parts: list[SourceStatement], at: str
    ) -> Iterator[str]:
        named = {name: None for part in parts for name in part.schema["properties"]}
        for name in named:
            yield from self._inside(merged, parts, at, "properties", name)
        for name in merged.schema["properties"].keys() - named.keys():
            yield f"{at}: the property {name} is in no source"
        required = set[str].intersection(*(set(p.schema.get("required", ())) for p in parts))
        if set(merged.schema.get("required", ())) != required:
            yield f"{at}: `required` must be {sorted(required)}, as in all sources"
        yield from self._equal(
            merged.without(_STRUCTURE), [p.without(_STRUCTURE) for p in parts], at
        )

    def _inside(
        self, merged: SourceStatement, parts: list[SourceStatement], at: str, *keys: str
    ) -> Iterator[str]:
        inside = [statement for part in parts if (statement := part.at(*keys)) is not None]
        deeper = at + "".join(f"/{escape_key(key)}" for key in keys)
        own = merged.at(*keys)
        if own is None:
            yield f"{deeper} is lost; {', '.join(statement.source for statement in inside)} has it"
        else:
            yield from self.failures(own, inside, deeper)

    def _equal(
        self, merged: SourceStatement, parts: list[SourceStatement], at: str
    ) -> Iterator[str]:
        # Equal texts are equal schemas, since schemas behind references are compared on their own.
        spelled = {canonical_key(self._renamed(part.source, part.schema)) for part in parts}
        actual = merged.schema.get("anyOf", ())
        if spelled in (
            {canonical_key(merged.schema)},
            {canonical_key(branch) for branch in actual},
        ):
            return
        together = union_of(
            value_set_of(statement.document, statement.schema) for statement in parts
        )
        own = value_set_of(merged.document, merged.schema)
        yield from explain_difference(own, together, f"{at}: merged", "the sources together")

    def _examples(
        self, merged: SourceStatement, parts: list[SourceStatement], at: str
    ) -> Iterator[str]:
        actual = {json.dumps(value, sort_keys=True) for value in examples_of(merged.schema)}
        for part in parts:
            for value in examples_of(part.schema):
                if (text := json.dumps(value, sort_keys=True)) not in actual:
                    yield f"{at}: the example {text} of {part.source} is lost"
