"""Prove that a merged answer says everything that its sources say, and of each part no more.

An object that doesn't close itself lets any property through, so two such objects can't be united
into one that names the properties of both without binding what each left open. That is wanted: a
thin answer and a full one are one answer. So the law is by property. Every property that a source
names is there; what it admits is exactly what the sources that name it admit together; it is
required where all require it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.catalog.document import JsonObject, is_array, is_object
from wanflow.spec.proof.requests import explain_difference
from wanflow.spec.read.yaml import escape
from wanflow.spec.schema.equality import canonical_key
from wanflow.spec.schema.operations import SCHEMAS
from wanflow.spec.schema.value_set import any_of, meaning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SHAPE = frozenset({"properties", "required", "items"})


@frozen
class SourceStatement:
    """What one source, or the merged document, says at one place."""

    source: str
    document: JsonObject = field(repr=False)
    schema: JsonObject = field(repr=False)

    def at(self, *keys: str) -> SourceStatement | None:
        """Step into the schema; None where nothing is."""
        node: Any = self.schema
        for key in keys:
            if not is_object(node) or key not in node:
                return None
            node = node[key]
        return SourceStatement(self.source, self.document, node) if is_object(node) else None

    def without(self, keys: frozenset[str]) -> SourceStatement:
        """Leave keywords out."""
        rest = {key: value for key, value in self.schema.items() if key not in keys}
        return SourceStatement(self.source, self.document, rest)


@frozen
class ResponseComparison:
    """Compares merged schemas with those that they were made of, part by part.

    `names` says what each source's named schema is called now, by (source, name); schemas that are
    referred to are compared once, on their own.
    """

    names: Mapping[tuple[str, str], str]

    def broken(
        self, merged: SourceStatement, parts: list[SourceStatement], at: str
    ) -> Iterator[str]:
        """Say every way in which the merged schema isn't the union of its parts."""
        yield from self._examples(merged, parts, at)
        if any("$ref" in part.schema for part in parts):
            yield from self._references(merged, parts, at)
        elif all("properties" in told.schema for told in (merged, *parts)):
            yield from self._objects(merged, parts, at)
        elif all(is_object(told.schema.get("items")) for told in (merged, *parts)):
            yield from self._same(merged.without(_SHAPE), [p.without(_SHAPE) for p in parts], at)
            yield from self._step(merged, parts, at, "items")
        else:
            yield from self._same(merged, parts, at)

    def _references(
        self, merged: SourceStatement, parts: list[SourceStatement], at: str
    ) -> Iterator[str]:
        """Check that a reference leads where its source's schema went, and nowhere else."""
        kept = {canonical_key(node) for node in merged.schema.get("anyOf", [merged.schema])}
        wanted = {canonical_key(self._renamed(part.source, part.schema)) for part in parts}
        for text in sorted(kept ^ wanted):
            yield f"{at}: {text} is {'lost' if text in wanted else 'in no source'}"

    def _renamed(self, source: str, node: Any) -> Any:
        if is_array(node):
            return [self._renamed(source, item) for item in node]
        if not is_object(node):
            return node
        copied = {key: self._renamed(source, value) for key, value in node.items()}
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith(SCHEMAS):
            name = reference.removeprefix(SCHEMAS)
            copied["$ref"] = SCHEMAS + self.names.get((source, name), name)
        return copied

    def _objects(
        self, merged: SourceStatement, parts: list[SourceStatement], at: str
    ) -> Iterator[str]:
        named = {name: None for part in parts for name in part.schema["properties"]}
        for name in named:
            yield from self._step(merged, parts, at, "properties", name)
        for name in merged.schema["properties"].keys() - named.keys():
            yield f"{at}: the property {name} is in no source"
        required = set[str].intersection(*(set(p.schema.get("required", ())) for p in parts))
        if set(merged.schema.get("required", ())) != required:
            yield f"{at}: all require {sorted(required)}, and the merged schema doesn't say so"
        yield from self._same(merged.without(_SHAPE), [p.without(_SHAPE) for p in parts], at)

    def _step(
        self, merged: SourceStatement, parts: list[SourceStatement], at: str, *keys: str
    ) -> Iterator[str]:
        inside = [told for part in parts if (told := part.at(*keys)) is not None]
        deeper = at + "".join(f"/{escape(key)}" for key in keys)
        own = merged.at(*keys)
        if own is None:
            yield f"{deeper} is lost; {', '.join(told.source for told in inside)} has it"
        else:
            yield from self.broken(own, inside, deeper)

    def _same(
        self, merged: SourceStatement, parts: list[SourceStatement], at: str
    ) -> Iterator[str]:
        # What is spelled alike means alike, once what it refers to was compared on its own.
        spelled = {canonical_key(self._renamed(part.source, part.schema)) for part in parts}
        kept = merged.schema.get("anyOf", ())
        if spelled in ({canonical_key(merged.schema)}, {canonical_key(branch) for branch in kept}):
            return
        together = any_of(meaning(told.document, told.schema) for told in parts)
        own = meaning(merged.document, merged.schema)
        yield from explain_difference(own, together, f"{at}: merged", "the sources together")

    def _examples(
        self, merged: SourceStatement, parts: list[SourceStatement], at: str
    ) -> Iterator[str]:
        kept = {json.dumps(value, sort_keys=True) for value in _examples_of(merged.schema)}
        for part in parts:
            for value in _examples_of(part.schema):
                if (text := json.dumps(value, sort_keys=True)) not in kept:
                    yield f"{at}: the example {text} of {part.source} is lost"


def _examples_of(schema: JsonObject) -> list[Any]:
    own = [schema["example"]] if "example" in schema else []
    return [*own, *schema.get("examples", ())]
