"""Rules that are dropped because the newer document no longer has the sentence they cite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.catalog.keywords import CITES, citations_of
from wanflow.catalog.schema_walk import iter_subschemas
from wanflow.spec.diff.change import Change
from wanflow.spec.overlay.citations import truncate
from wanflow.spec.overlay.evidence import closest_text, collapse_whitespace, iter_texts
from wanflow.spec.schema.index import requests_of
from wanflow.spec.schema.value_set import inline_references

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.catalog.document import JsonObject


@frozen
class DroppedRule:
    """A rule of the spec that its document no longer justifies."""

    document: str
    change: Change

    def __str__(self) -> str:
        return self.change.message


def dropped_rules(old: JsonObject, new: JsonObject) -> Iterator[tuple[str, Change]]:
    """Yield the dropped rules between two merged specs, by model."""
    before, after = requests_of(old), requests_of(new)
    for model in sorted(before.keys() & after.keys()):
        schemas = (
            inline_references(old, before[model], ()),
            inline_references(new, after[model], ()),
        )
        yield from ((model, change) for change in dropped_in_request(model, *schemas))


def dropped_in_request(place: str, before: Any, after: Any) -> Iterator[Change]:
    """Yield the rules with a citation that a newer request no longer has."""
    new = dict(iter_subschemas(after, ""))
    for at, schema in iter_subschemas(before, ""):
        # A condition is beside its properties; its rule may be removed as a whole.
        if CITES not in schema or (at not in new and "/then/" not in at):
            continue
        now = new.get(at, {})
        text = "\n\n".join(
            iter_texts(new.get(at.rpartition("/then")[2], {}).get("description", ""))
        )
        for keyword, sentence in sorted(citations_of(schema).items()):
            if keyword in schema and keyword not in now:
                yield Change("WF126", place, _gone(at, keyword, str(sentence), text))


def _gone(at: str, keyword: str, sentence: str, text: str) -> str:
    found = closest_text(text, sentence)
    says = f"says “{truncate(found)}” now" if found else "says nothing like it now"
    rested = f"it rested on “{truncate(collapse_whitespace(sentence))}”, and the document {says}"
    return f"{at}: the rule `{keyword}` isn't applied any more: {rested}"
