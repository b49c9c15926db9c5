"""Check the citations of overlay actions.

An action cites a source for every constraint that it adds to a schema: `x-wanflow-rests-on` maps
the keyword to a sentence of the source spec, or to a list of alternative sentences. The action is
applied only to schemas that contain these sentences completely and that meet the conditions of
`x-wanflow-when`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from wanflow.catalog.document import JsonObject, is_array, is_object
from wanflow.catalog.keywords import CITES
from wanflow.catalog.schema_walk import iter_schemas
from wanflow.spec.errors import OverlayError
from wanflow.spec.merge.request import requests_by_name
from wanflow.spec.overlay.evidence import (
    closest_text,
    collapse_whitespace,
    contains_citation,
    iter_citations,
    iter_texts,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.spec.merge.merge import MergeResult
    from wanflow.spec.overlay.overlay import Action, NodePath
    from wanflow.spec.read.source import SourceSpec

LOOSENS = "x-wanflow-loosens"
"""On an action: the reason why it may accept what the source specs reject."""
WHEN = "x-wanflow-when"
"""On an action: conditions on the schema or the spec for applying it."""

RULES = frozenset(
    {
        *("const", "default", "enum", "format", "maximum", "minimum", "multipleOf", "pattern"),
        *("exclusiveMaximum", "exclusiveMinimum", "maxItems", "maxLength", "maxProperties"),
        *("minItems", "minLength", "minProperties", "uniqueItems", "x-wanflow-audio-file"),
        *("x-wanflow-effective-when", "x-wanflow-image-file", "x-wanflow-pixel-size"),
        "x-wanflow-public-url",
    }
)
_CONDITIONS: dict[str, type] = {"type": str, "required": bool, "operation": str}
_MAX_LENGTH = 120


@frozen
class Sources:
    """The source specs of each named schema, and their texts."""

    _documents: dict[str, list[str]]
    _sources: dict[str, SourceSpec] = field(repr=False)
    _texts: dict[str, str] = field(repr=False)

    @classmethod
    def of(cls, merged: MergeResult) -> Sources:
        """Collect them from a merge."""
        documents: dict[str, list[str]] = {}
        for (source, _), name in sorted(merged.schema_names.items()):
            documents.setdefault(name, []).append(source)
        for name, operation in requests_by_name(merged.operations).items():
            documents[name] = [operation.source.name]
        sources = {operation.source.name: operation.source for operation in merged.operations}
        texts = {
            name: "\n".join(map(collapse_whitespace, iter_texts(source.document)))
            for name, source in sources.items()
        }
        return cls(documents, sources, texts)

    def of_schema(self, name: str) -> list[str]:
        """Return the names of the source specs of a schema."""
        return self._documents.get(name, [])

    def documents_without(self, schema: str, sentence: str) -> list[str]:
        """Return the source specs of a schema without a sentence, ignoring white space."""
        wanted = collapse_whitespace(sentence)
        return [name for name in self.of_schema(schema) if wanted not in self._texts[name]]

    def where(self, document: str, node: JsonObject) -> str:
        """Return the location in a source spec of the schema with the same description."""
        source = self._sources[document]
        for at, schema in iter_schemas(source.document):
            if "description" in node and schema.get("description") == node["description"]:
                return source.where(at)
        return source.where("")


def check_action(action: Action) -> None:
    """Check an action independently of the spec.

    Raises:
        OverlayError: it has no description, or an unknown condition.
    """
    if not action.description:
        raise OverlayError(f"{action.location}: it must have a description with the reason")
    if LOOSENS in action.raw and not str(action.raw[LOOSENS] or "").strip():
        raise OverlayError(f"{action.location}: {LOOSENS} must give the reason")
    conditions: Any = action.raw.get(WHEN, {})
    if not is_object(conditions) or not all(
        isinstance(value, _CONDITIONS.get(key, ())) for key, value in conditions.items()
    ):
        raise OverlayError(
            f"{action.location}: {WHEN} may have `type` (a text), `required` (true or false) and "
            "`operation` (an operationId)"
        )


def require_citations(action: Action) -> None:
    """Check that every constraint that an action adds has a citation.

    Raises:
        OverlayError: one has none.
    """
    for rule in _uncited_rules(action.raw.get("update")):
        raise OverlayError(
            f"{action.location}: the constraint {rule!r} cites no sentence ({CITES})"
        )


def conditions_hold(document: JsonObject, action: Action, parts: NodePath) -> bool:
    """Return whether a node meets the conditions of an action in `x-wanflow-when`."""
    wanted: JsonObject = action.raw.get(WHEN, {})
    if "operation" in wanted and wanted["operation"] not in _operation_ids(document):
        return False
    *path, name = parts
    holder: Any = document
    for part in path[:-1]:
        holder = holder[part]
    is_property = bool(path) and path[-1] == "properties" and is_object(holder)
    node: Any = holder["properties"][name] if is_property else None
    if "required" in wanted:
        found = is_property and name in holder.get("required", ())
        if found is not wanted["required"]:
            return False
    return "type" not in wanted or (is_object(node) and node.get("type") == wanted["type"])


def choose_citations(action: Action, node: JsonObject) -> Action:
    """Return an action with one citation per constraint: the first alternative in the schema.

    If the schema contains none of them, it is the first alternative.
    """
    update: Any = action.raw.get("update")
    citations: Any = update.get(CITES) if is_object(update) else None
    if not is_object(citations) or not any(is_array(one) for one in citations.values()):
        return action
    text = "\n\n".join(iter_texts(node))
    chosen = {
        key: next((each for each in one if contains_citation(text, each, key)), one[0])
        if is_array(one)
        else one
        for key, one in citations.items()
    }
    return evolve(action, raw={**action.raw, "update": {**update, CITES: chosen}})


def missing_citation(node: JsonObject, action: Action, schema: str, sources: Sources) -> str | None:
    """Return which citation of an action a schema doesn't contain; None if it contains all."""
    for path, keyword, sentence in iter_citations(action.raw.get("update")):
        text = "\n\n".join(iter_texts(_inside(node, path)))
        if not contains_citation(text, sentence, keyword):
            return _describe_missing(sentence, closest_text(text, sentence))
        for name in sources.documents_without(schema, sentence):
            return _describe_missing(sentence, f"no such sentence in {name}")
    return None


def _describe_missing(sentence: str, now: str) -> str:
    found = (
        f"the source spec says “{truncate(now)}”" if now else "the source spec doesn't have it here"
    )
    return f"it cites “{truncate(collapse_whitespace(sentence))}”, but {found}"


def truncate(text: str) -> str:
    """Truncate a long text."""
    return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 1]}…"


def _inside(node: JsonObject, path: tuple[str, ...]) -> Any:
    for name in path:
        inner: Any = node.get("properties", {}).get(name)
        if not is_object(inner):
            return {}
        node = inner
    return node


def _operation_ids(document: JsonObject) -> set[str]:
    return {
        node.get("operationId", "")
        for item in document["paths"].values()
        for node in item.values()
        if is_object(node)
    }


def _uncited_rules(node: Any) -> Iterator[str]:
    if is_array(node):
        for item in node:
            yield from _uncited_rules(item)
    if not is_object(node):
        return
    cited = node.get(CITES, {})
    yield from sorted((node.keys() & RULES) - cited.keys())
    for key, value in node.items():
        if key == "properties":
            yield from _uncited_rules(list(value.values()))
        # A condition is not a constraint; `then` and `else` are.
        elif key not in RULES and key not in {"if", CITES}:
            yield from _uncited_rules(value)
