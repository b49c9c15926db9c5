"""Whether each rule that an overlay adds rests on a sentence that the documents really say.

Beside every rule that an action puts into a schema stands `x-wanflow-rests-on`, which maps the
rule's keyword to that sentence. White space aside, it must occur in every document that the
schema was made of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.spec.document import Json, is_array, is_object
from wanflow.spec.failures import OverlayFault
from wanflow.spec.keywords import RESTS_ON
from wanflow.spec.naming import request_name
from wanflow.spec.overlay import Action, pointer_of, targets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.spec.merge import Merged

LOOSENS = "x-wanflow-loosens"
"""On an action: why it may let through what the documents refuse."""

RULES = frozenset(
    {
        *("const", "default", "enum", "format", "maximum", "minimum", "multipleOf", "pattern"),
        *("exclusiveMaximum", "exclusiveMinimum", "maxItems", "maxLength", "maxProperties"),
        *("minItems", "minLength", "minProperties", "uniqueItems", "x-wanflow-audio-file"),
        *("x-wanflow-effective-when", "x-wanflow-image-file", "x-wanflow-pixel-size"),
        "x-wanflow-public-url",
    }
)


@frozen
class Origins:
    """Which documents each named schema was made of, and what those say."""

    _documents: dict[str, list[str]]
    _texts: dict[str, str] = field(repr=False)

    @classmethod
    def of(cls, merged: Merged) -> Origins:
        """Take them from a merge."""
        documents: dict[str, list[str]] = {}
        for (source, _), name in sorted(merged.names.items()):
            documents.setdefault(name, []).append(source)
        for call in merged.calls:
            if call.models:
                documents[request_name(list(call.models), call.source.name)] = [call.source.name]
        sources = {call.source.name: call.source for call in merged.calls}
        texts = {name: "\n".join(texts_of(source.document)) for name, source in sources.items()}
        return cls(documents, texts)

    def silent(self, schema: str, sentence: str) -> list[str]:
        """Name the documents of a schema that don't say a sentence, white space aside."""
        wanted = flat(sentence)
        return [name for name in self._documents.get(schema, ()) if wanted not in self._texts[name]]


def check_rests(document: Json, action: Action, origins: Origins) -> None:
    """Check what one action rests on, before it is applied.

    Raises:
        OverlayFault: a rule rests on nothing, or on a sentence that isn't there.
    """
    if not action.description:
        raise OverlayFault(f"{action.place}: it has no description that says why")
    if LOOSENS in action.raw and not str(action.raw[LOOSENS] or "").strip():
        raise OverlayFault(f"{action.place}: {LOOSENS} must say why")
    update = action.raw.get("update")
    sentences = sorted(set(sentences_of(update)))
    for parts in targets(document, action):
        if parts[:2] == ("components", "schemas") and len(parts) > 2:  # noqa: PLR2004 - the name
            for rule in _unfounded(update):
                raise OverlayFault(
                    f"{action.place}: the rule {rule!r} rests on no sentence ({RESTS_ON})"
                )
            for sentence in sentences:
                for name in origins.silent(str(parts[2]), sentence):
                    raise OverlayFault(
                        f"{action.place}: {name} doesn't say “{flat(sentence)}”, on which "
                        f"{pointer_of(parts)} would rest"
                    )


def _unfounded(node: Any) -> Iterator[str]:
    if is_array(node):
        for item in node:
            yield from _unfounded(item)
    if not is_object(node):
        return
    told = node.get(RESTS_ON, {})
    yield from sorted((node.keys() & RULES) - told.keys())
    for key, value in node.items():
        if key == "properties":
            yield from _unfounded(list(value.values()))
        # A condition is no rule: what follows from it is.
        elif key not in RULES and key not in {"if", RESTS_ON}:
            yield from _unfounded(value)


def sentences_of(node: Any) -> Iterator[str]:
    """List the sentences that an update's rules rest on."""
    if is_array(node):
        for item in node:
            yield from sentences_of(item)
    if is_object(node):
        for key, value in node.items():
            yield from value.values() if key == RESTS_ON else sentences_of(value)


def texts_of(node: Any) -> Iterator[str]:
    """List every text of some data, each on one line."""
    if isinstance(node, str):
        yield flat(node)
    children = node.values() if is_object(node) else node if is_array(node) else ()
    for child in children:
        yield from texts_of(child)


def flat(text: str) -> str:
    """Write a text on one line."""
    return " ".join(text.split())
