"""What a rule that an overlay adds must rest on, and where it does.

Beside every rule that an action puts into a schema stands `x-wanflow-rests-on`, which maps the
rule's keyword to the sentence of the documents, or to a list of sentences of which each is reason
enough. An action is applied to a schema that carries these sentences whole, and that has what
`x-wanflow-when` asks for; every other is left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from wanflow.catalog.document import JsonObject, is_array, is_object
from wanflow.catalog.keywords import CITES
from wanflow.catalog.schema_walk import schemas_in
from wanflow.spec.errors import OverlayError
from wanflow.spec.merge.request import named_requests
from wanflow.spec.overlay.evidence import evidence_in, flat, instead, stands_in, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.spec.merge.merge import MergeResult
    from wanflow.spec.overlay.overlay import Action, Parts
    from wanflow.spec.read.source import Source

LOOSENS = "x-wanflow-loosens"
"""On an action: why it may let through what the documents refuse."""
WHEN = "x-wanflow-when"
"""On an action: what a schema, or the document, must have for it to be applied."""

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
_MOST = 120


@frozen
class Sources:
    """Which documents each named schema was made of, and what those say."""

    _documents: dict[str, list[str]]
    _sources: dict[str, Source] = field(repr=False)
    _texts: dict[str, str] = field(repr=False)

    @classmethod
    def of(cls, merged: MergeResult) -> Sources:
        """Take them from a merge."""
        documents: dict[str, list[str]] = {}
        for (source, _), name in sorted(merged.names.items()):
            documents.setdefault(name, []).append(source)
        for name, call in named_requests(merged.calls).items():
            documents[name] = [call.source.name]
        sources = {call.source.name: call.source for call in merged.calls}
        texts = {
            name: "\n".join(map(flat, texts_of(source.document)))
            for name, source in sources.items()
        }
        return cls(documents, sources, texts)

    def of_schema(self, name: str) -> list[str]:
        """Name the documents that a schema was made of."""
        return self._documents.get(name, [])

    def silent(self, schema: str, sentence: str) -> list[str]:
        """Name the documents of a schema that don't say a sentence, white space aside."""
        wanted = flat(sentence)
        return [name for name in self.of_schema(schema) if wanted not in self._texts[name]]

    def where(self, document: str, node: JsonObject) -> str:
        """Name the place of a document that has a schema's description."""
        source = self._sources[document]
        for at, schema in schemas_in(source.document):
            if "description" in node and schema.get("description") == node["description"]:
                return source.where(at)
        return source.where("")


def check_action(action: Action) -> None:
    """Check what of an action is right or wrong whatever document it meets.

    Raises:
        OverlayFault: it has no reason, or asks for a condition that there is none of.
    """
    if not action.description:
        raise OverlayError(f"{action.location}: it has no description that says why")
    if LOOSENS in action.raw and not str(action.raw[LOOSENS] or "").strip():
        raise OverlayError(f"{action.location}: {LOOSENS} must say why")
    conditions: Any = action.raw.get(WHEN, {})
    if not is_object(conditions) or not all(
        isinstance(value, _CONDITIONS.get(key, ())) for key, value in conditions.items()
    ):
        raise OverlayError(
            f"{action.location}: {WHEN} may have `type` (a text), `required` (true or false) and "
            "`operation` (an operationId)"
        )


def check_founded(action: Action) -> None:
    """Check that every rule which an action adds to a schema names its sentence.

    Raises:
        OverlayFault: one rests on nothing.
    """
    for rule in _unfounded(action.raw.get("update")):
        raise OverlayError(f"{action.location}: the rule {rule!r} rests on no sentence ({CITES})")


def conditions_hold(document: JsonObject, action: Action, parts: Parts) -> bool:
    """Tell whether a place has what an action asks for in `x-wanflow-when`."""
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


def worded(action: Action, node: JsonObject) -> Action:
    """Return an action that names several sentences for a rule with the one that a schema carries.

    Where it carries none, that is the first.
    """
    update: Any = action.raw.get("update")
    said: Any = update.get(CITES) if is_object(update) else None
    if not is_object(said) or not any(is_array(one) for one in said.values()):
        return action
    text = "\n\n".join(texts_of(node))
    chosen = {
        key: next((each for each in one if stands_in(text, each, key)), one[0])
        if is_array(one)
        else one
        for key, one in said.items()
    }
    return evolve(action, raw={**action.raw, "update": {**update, CITES: chosen}})


def missing_evidence(node: JsonObject, action: Action, schema: str, origins: Sources) -> str | None:
    """Say which sentence of an action a schema doesn't carry; None where it carries all."""
    for path, keyword, sentence in evidence_in(action.raw.get("update")):
        text = "\n\n".join(texts_of(_inside(node, path)))
        if not stands_in(text, sentence, keyword):
            return _differs(sentence, instead(text, sentence))
        for name in origins.silent(schema, sentence):
            return _differs(sentence, f"nothing of it in {name}")
    return None


def _differs(sentence: str, now: str) -> str:
    says = f"the document says “{begun(now)}”" if now else "the document doesn't say it here"
    return f"it rests on “{begun(flat(sentence))}”, and {says}"


def begun(text: str) -> str:
    """Cut a long text at its end."""
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"


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


def _unfounded(node: Any) -> Iterator[str]:
    if is_array(node):
        for item in node:
            yield from _unfounded(item)
    if not is_object(node):
        return
    told = node.get(CITES, {})
    yield from sorted((node.keys() & RULES) - told.keys())
    for key, value in node.items():
        if key == "properties":
            yield from _unfounded(list(value.values()))
        # A condition is no rule: what follows from it is.
        elif key not in RULES and key not in {"if", CITES}:
            yield from _unfounded(value)
