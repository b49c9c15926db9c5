"""Merge the named schemas of all source specs, renaming those that share a name but differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from wanflow.catalog.document import escape_key
from wanflow.spec.errors import Conflict
from wanflow.spec.merge.decisions import DecisionKind, DecisionLog
from wanflow.spec.merge.naming import to_pascal_case, unique_name
from wanflow.spec.merge.union import SchemaUnion, SourceSchema
from wanflow.spec.schema.equality import canonical_key
from wanflow.spec.schema.operations import referenced_names, rename_references

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wanflow.catalog.document import JsonObject
    from wanflow.spec.read.source import SourceSpec


@frozen
class SchemaOwner:
    """One named schema of one source spec."""

    source: SourceSpec
    name: str

    @property
    def key(self) -> tuple[str, str]:
        """The names of the source spec and of the schema."""
        return (self.source.name, self.name)

    @property
    def schema(self) -> JsonObject:
        """The schema as in its source spec."""
        schema: JsonObject = self.source.document["components"]["schemas"][self.name]
        return schema


@define
class ComponentMerger:
    """Builds the merged `components/schemas`, one name after the other.

    `exact_names` are the schemas that requests refer to: two of them are merged only if they are
    equal, since a union would let each request accept what only the other does. `names` maps
    (source, name) to the name of the schema in the merged spec.
    """

    sources: list[SourceSpec]
    decisions: DecisionLog
    exact_names: frozenset[tuple[str, str]]
    schemas: dict[str, JsonObject] = field(factory=dict[str, dict[str, Any]])
    names: dict[tuple[str, str], str] = field(factory=dict[tuple[str, str], str])
    requests: dict[tuple[str, str, str], str] = field(factory=dict[tuple[str, str, str], str])
    _groups: dict[tuple[str, str], str] = field(factory=dict[tuple[str, str], str])

    def reserve_request_names(self, requests: dict[tuple[str, str, str], str]) -> None:
        """Reserve the names of requests, by the key of their operation."""
        self.requests = requests

    def rename(self, source: SourceSpec, name: str, new_name: str) -> None:
        """Give a schema of a source spec another name, before anything is merged."""
        self.names[source.name, name] = new_name
        if name != new_name:
            self.decisions.add(
                DecisionKind.RENAMED,
                f"/components/schemas/{new_name}",
                f"`{name}` of its source",
                [source.name],
            )

    def name_of(self, source: SourceSpec, name: str) -> str:
        """Return the name of a source's schema in the merged spec."""
        return self.names.get((source.name, name), name)

    def rename_references(self, source: SourceSpec, node: Any) -> Any:
        """Copy a node of a source spec with references to the merged names of schemas."""
        return rename_references(node, lambda name: self.name_of(source, name))

    def group(self, source: SourceSpec, name: str, group_name: str) -> None:
        """Merge a schema of a source spec with those of another name."""
        if name != group_name:
            self._groups[source.name, name] = group_name

    def merge(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Merge the given schemas, by (source, name), each after those that it refers to."""
        owners: dict[str, list[SchemaOwner]] = {}
        by_name = {source.name: source for source in self.sources}
        for source, old in sorted(wanted):
            if (source, old) not in self.names:
                name = self._groups.get((source, old), old)
                owners.setdefault(name, []).append(SchemaOwner(by_name[source], old))
        for name in self._sorted_by_dependency(owners):
            for new, part_owners in self._partition(name, owners[name]):
                self._merge_group(name, new, part_owners)

    def _merge_group(self, name: str, new: str, owners: list[SchemaOwner]) -> None:
        for owner in owners:
            self.names[owner.key] = new
        at = f"/components/schemas/{escape_key(new)}"
        merged = SchemaUnion(self.decisions).merge_exactly(
            [self._source_schema(owner) for owner in owners], at
        )
        if merged is None:
            raise AssertionError(f"{at} could be merged before")
        self.add(new, merged)
        source_names = [owner.source.name for owner in owners]
        for old in sorted({owner.name for owner in owners} - {name}):
            self.decisions.add(DecisionKind.RENAMED, at, f"`{old}` of its source", source_names)
        if new != name:
            self.decisions.add(
                DecisionKind.KEPT_APART, at, f"it differs from `{name}` of the others", source_names
            )

    def add(self, name: str, schema: JsonObject) -> None:
        """Add a schema under its final name.

        Raises:
            Conflict: the name exists already.
        """
        if name in self.schemas:
            raise Conflict(f"two different schemas would have the name {name}; rename one of them")
        self.schemas[name] = schema

    def _source_schema(self, owner: SchemaOwner) -> SourceSchema:
        return SourceSchema(owner.source.name, self.rename_references(owner.source, owner.schema))

    def _partition(
        self, name: str, owners: list[SchemaOwner]
    ) -> Iterator[tuple[str, list[SchemaOwner]]]:
        """Partition owners into groups that can be merged; the largest keeps the name."""
        by_schema: dict[str, list[SchemaOwner]] = {}
        for owner in owners:
            by_schema.setdefault(canonical_key(self._source_schema(owner).schema), []).append(owner)
        parts: list[list[SchemaOwner]] = []
        for equal_owners in by_schema.values():
            match = next((part for part in parts if self._can_merge(part, equal_owners)), None)
            if match is None:
                parts.append(list(equal_owners))
            else:
                match += equal_owners
        parts.sort(key=len, reverse=True)
        for position, part in enumerate(parts):
            own = name if position == 0 else name + to_pascal_case(part[0].source.name)
            taken = {*self.schemas, *self.requests.values()}
            yield unique_name(own, taken), part

    def _can_merge(self, part: list[SchemaOwner], equal_owners: list[SchemaOwner]) -> bool:
        if any(owner.key in self.exact_names for owner in (*part, *equal_owners)):
            return False
        source_schemas = [self._source_schema(owner) for owner in (*part, equal_owners[0])]
        return SchemaUnion(DecisionLog()).merge_exactly(source_schemas, "") is not None

    def _sorted_by_dependency(self, owners: dict[str, list[SchemaOwner]]) -> list[str]:
        """Sort the names by dependency, then alphabetically."""
        uses = {
            name: {
                self._groups.get((owner.source.name, used), used)
                for owner in name_owners
                for used in referenced_names(owner.schema)
            }
            for name, name_owners in owners.items()
        }
        ordered: dict[str, None] = {}
        for name in sorted(uses):
            _visit(name, uses, ordered, [])
        return list(ordered)


def _visit(name: str, uses: dict[str, set[str]], ordered: dict[str, None], path: list[str]) -> None:
    if name in ordered or name in path or name not in uses:
        return
    for other in sorted(uses[name]):
        _visit(other, uses, ordered, [*path, name])
    ordered[name] = None
