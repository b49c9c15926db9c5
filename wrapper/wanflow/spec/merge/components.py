"""Bring the schemas of all documents under one roof, renaming where a name means two things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from wanflow.catalog.document import is_array, is_object
from wanflow.spec.errors import Conflict
from wanflow.spec.merge.decisions import DecisionKind, DecisionLog
from wanflow.spec.merge.naming import pascal, unused
from wanflow.spec.merge.union import SchemaUnion, SourceSchema
from wanflow.spec.read.yaml import escape
from wanflow.spec.schema.equality import canonical_key
from wanflow.spec.schema.operations import SCHEMAS, referenced_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wanflow.catalog.document import JsonObject
    from wanflow.spec.read.source import Source


@frozen
class SchemaOwner:
    """One named schema of one source."""

    source: Source
    old: str

    @property
    def pair(self) -> tuple[str, str]:
        """The names of the source and of the schema in it."""
        return (self.source.name, self.old)

    @property
    def schema(self) -> JsonObject:
        """The schema as its source has it."""
        schema: JsonObject = self.source.document["components"]["schemas"][self.old]
        return schema


@define
class ComponentMerger:
    """The merged `components/schemas`, filled one name after the other.

    `exact` are the names that requests reach: two of those are one schema only when they say the
    same, for what unites two requests' parts would let each take what only the other does.
    `names` says what each source's schema is called in the merged document, by (source, name).
    """

    sources: list[Source]
    decisions: DecisionLog
    exact: frozenset[tuple[str, str]]
    schemas: dict[str, JsonObject] = field(factory=dict[str, dict[str, Any]])
    names: dict[tuple[str, str], str] = field(factory=dict[tuple[str, str], str])
    requests: dict[tuple[str, str, str], str] = field(factory=dict[tuple[str, str, str], str])
    _groups: dict[tuple[str, str], str] = field(factory=dict[tuple[str, str], str])

    def reserve(self, requests: dict[tuple[str, str, str], str]) -> None:
        """Keep the names of requests, by the key of their call, from every other schema."""
        self.requests = requests

    def rename(self, source: Source, old: str, new: str) -> None:
        """Give one source's schema another name, before anything is merged."""
        self.names[source.name, old] = new
        if old != new:
            self.decisions.add(
                DecisionKind.RENAMED,
                f"/components/schemas/{new}",
                f"`{old}` of its document",
                [source.name],
            )

    def name_of(self, source: Source, old: str) -> str:
        """Return what a source's schema is called in the merged document."""
        return self.names.get((source.name, old), old)

    def rewritten(self, source: Source, node: Any) -> Any:
        """Copy a source's node with its references to schemas under their merged names."""
        if is_array(node):
            return [self.rewritten(source, item) for item in node]
        if not is_object(node):
            return node
        copied = {key: self.rewritten(source, value) for key, value in node.items()}
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith(SCHEMAS):
            copied["$ref"] = SCHEMAS + self.name_of(source, reference.removeprefix(SCHEMAS))
        return copied

    def group(self, source: Source, old: str, name: str) -> None:
        """Take one source's schema for what others call by another name."""
        if old != name:
            self._groups[source.name, old] = name

    def merge(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Merge every schema wanted, by (source, name), each after those that it refers to."""
        owners: dict[str, list[SchemaOwner]] = {}
        by_name = {source.name: source for source in self.sources}
        for source, old in sorted(wanted):
            if (source, old) not in self.names:
                name = self._groups.get((source, old), old)
                owners.setdefault(name, []).append(SchemaOwner(by_name[source], old))
        for name in self._in_order(owners):
            for new, together in self._parted(name, owners[name]):
                self._settle(name, new, together)

    def _settle(self, name: str, new: str, owners: list[SchemaOwner]) -> None:
        for owner in owners:
            self.names[owner.pair] = new
        at = f"/components/schemas/{escape(new)}"
        united = SchemaUnion(self.decisions).whole([self._said(owner) for owner in owners], at)
        if united is None:
            raise AssertionError(f"{at} was united a moment ago")
        self.put(new, united)
        who = [owner.source.name for owner in owners]
        for old in sorted({owner.old for owner in owners} - {name}):
            self.decisions.add(DecisionKind.RENAMED, at, f"`{old}` of its document", who)
        if new != name:
            self.decisions.add(DecisionKind.APART, at, f"it isn't the `{name}` of the others", who)

    def put(self, name: str, schema: JsonObject) -> None:
        """Add one schema under its final name.

        Raises:
            Contradiction: the name is taken.
        """
        if name in self.schemas:
            raise Conflict(f"two different schemas would both be called {name}; rename one")
        self.schemas[name] = schema

    def _said(self, owner: SchemaOwner) -> SourceSchema:
        return SourceSchema(owner.source.name, self.rewritten(owner.source, owner.schema))

    def _parted(
        self, name: str, owners: list[SchemaOwner]
    ) -> Iterator[tuple[str, list[SchemaOwner]]]:
        """Part owners into those whose schemas go together; the largest part keeps the name."""
        alike: dict[str, list[SchemaOwner]] = {}
        for owner in owners:
            alike.setdefault(canonical_key(self._said(owner).schema), []).append(owner)
        parts: list[list[SchemaOwner]] = []
        for same in alike.values():
            home = next((part for part in parts if self._fit(part, same)), None)
            if home is None:
                parts.append(list(same))
            else:
                home += same
        parts.sort(key=len, reverse=True)
        for position, part in enumerate(parts):
            own = name if position == 0 else name + pascal(part[0].source.name)
            taken = {*self.schemas, *self.requests.values()}
            yield unused(own, taken), part

    def _fit(self, part: list[SchemaOwner], same: list[SchemaOwner]) -> bool:
        if any(owner.pair in self.exact for owner in (*part, *same)):
            return False
        said = [self._said(owner) for owner in (*part, same[0])]
        return SchemaUnion(DecisionLog()).whole(said, "") is not None

    def _in_order(self, owners: dict[str, list[SchemaOwner]]) -> list[str]:
        """List the names so that what a schema refers to comes before it, and else sorted."""
        uses = {
            name: {
                self._groups.get((owner.source.name, used), used)
                for owner in having
                for used in referenced_names(owner.schema)
            }
            for name, having in owners.items()
        }
        done: dict[str, None] = {}
        for name in sorted(uses):
            _visit(name, uses, done, [])
        return list(done)


def _visit(name: str, uses: dict[str, set[str]], done: dict[str, None], path: list[str]) -> None:
    if name in done or name in path or name not in uses:
        return
    for other in sorted(uses[name]):
        _visit(other, uses, done, [*path, name])
    done[name] = None
