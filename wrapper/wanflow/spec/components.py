"""Bring the schemas of all documents under one roof, renaming where a name means two things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow.spec.call import SCHEMAS
from wanflow.spec.decisions import Decisions, Kind
from wanflow.spec.document import is_array, is_object
from wanflow.spec.failures import Contradiction
from wanflow.spec.naming import pascal
from wanflow.spec.union import Said, Union, key_of
from wanflow.spec.yaml_text import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wanflow.spec.document import Json
    from wanflow.spec.source import Source


@define
class Components:
    """The merged `components/schemas`, filled one name after the other.

    `exact` are the names that requests reach: two of those are one schema only when they say the
    same, for what unites two requests' parts would let each take what only the other does.
    `names` says what each source's schema is called in the merged document, by (source, name).
    """

    sources: list[Source]
    decisions: Decisions
    exact: frozenset[tuple[str, str]]
    schemas: dict[str, Json] = field(factory=dict[str, dict[str, Any]])
    names: dict[tuple[str, str], str] = field(factory=dict[tuple[str, str], str])

    def rename(self, source: Source, old: str, new: str) -> None:
        """Give one source's schema another name, before anything is merged."""
        self.names[source.name, old] = new
        if old != new:
            self.decisions.add(
                Kind.RENAMED,
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

    def merge(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Merge every schema wanted, by (source, name), each after those that it refers to."""
        reached = {pair for pair in wanted if pair not in self.names}
        for name in self._in_order(reached):
            said = [self._said(s, name) for s in self.sources if (s.name, name) in reached]
            for new, group in self._groups(name, said):
                self._settle(name, new, group)

    def _settle(self, name: str, new: str, group: list[Said]) -> None:
        for said in group:
            self.names[said.source, name] = new
        at = f"/components/schemas/{escape(new)}"
        united = self._unite(group, at, self.decisions)
        if united is None:
            raise AssertionError(f"{at} was united a moment ago")
        self.put(new, united)
        if new != name:
            who = [said.source for said in group]
            self.decisions.add(Kind.APART, at, f"it isn't the `{name}` of the others", who)

    def put(self, name: str, schema: Json) -> None:
        """Add one schema under its final name.

        Raises:
            Contradiction: the name is taken.
        """
        if name in self.schemas:
            raise Contradiction(f"two different schemas would both be called {name}; rename one")
        self.schemas[name] = schema

    def _said(self, source: Source, name: str) -> Said:
        schema = source.document["components"]["schemas"][name]
        return Said(source.name, self.rewritten(source, schema))

    def _groups(self, name: str, said: list[Said]) -> Iterator[tuple[str, list[Said]]]:
        """Part schemas into those that go together; the largest group keeps the name."""
        groups: list[list[Said]] = []
        for one in said:
            home = next((g for g in groups if self._fits(name, [*g, one])), None)
            if home is None:
                groups.append([one])
            else:
                home.append(one)
        groups.sort(key=len, reverse=True)
        for position, group in enumerate(groups):
            yield (name if position == 0 else name + pascal(group[0].source)), group

    def _fits(self, name: str, group: list[Said]) -> bool:
        if any((one.source, name) in self.exact for one in group):
            return len({key_of(one.schema) for one in group}) == 1
        return self._unite(group, "", Decisions()) is not None

    def _unite(self, group: list[Said], at: str, decisions: Decisions) -> Json | None:
        return Union(decisions).whole(group, at)

    def _in_order(self, reached: set[tuple[str, str]]) -> list[str]:
        """List the names so that what a schema refers to comes before it, and else sorted."""
        uses: dict[str, set[str]] = {}
        for source in self.sources:
            for name, schema in source.document.get("components", {}).get("schemas", {}).items():
                if (source.name, name) in reached:
                    uses.setdefault(name, set()).update(named_in(schema))
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


def named_in(node: Any) -> set[str]:
    """Collect the names of the schemas that a node refers to."""
    if is_array(node):
        return {name for item in node for name in named_in(item)}
    if not is_object(node):
        return set()
    found = {name for value in node.values() for name in named_in(value)}
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith(SCHEMAS):
        found.add(reference.removeprefix(SCHEMAS))
    return found


def reach(source: Source, node: Any) -> set[tuple[str, str]]:
    """Collect every schema that a node leads to, through any number of references."""
    schemas = source.document.get("components", {}).get("schemas", {})
    found: set[str] = set()
    waiting = named_in(node)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        if name not in schemas:
            raise Contradiction(f"{source.where('')}: no schema is called {name}")
        found.add(name)
        waiting |= named_in(schemas[name])
    return {(source.name, name) for name in found}
