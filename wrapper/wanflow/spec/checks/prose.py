"""Sentences of the documents that read like a rule but are not expressed by any keyword."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import field, frozen

from wanflow.catalog.document import JsonObject, escape_key, is_array, is_object
from wanflow.catalog.keywords import CITES, citations_of
from wanflow.catalog.schema_walk import iter_schemas, iter_subschemas
from wanflow.spec.checks.proposal import propose_action
from wanflow.spec.errors import OverlayError
from wanflow.spec.overlay.evidence import (
    collapse_whitespace,
    enumerated_values,
    parse_lists,
    split_sentences,
)
from wanflow.spec.read.yaml import read_yaml
from wanflow.spec.schema.index import requests_of
from wanflow.spec.schema.operations import reachable_names
from wanflow.spec.schema.value_set import inline_references

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from wanflow.spec.schema.operations import SourceOperation

FILE = "specs/left-as-prose.yaml"
_REMEDY = f"paste or write an action into a file of specs/overlays/, or say in {FILE} why not"
_RULE = re.compile(
    r"\b(only (supports?|effective|valid|allowed)|only \S+ (is|are) supported|must|range|between"
    r"|required to|(no|not) (more|less|longer|fewer) than|(not|n't) exceed|limited to"
    r"|at (most|least)|up to|prohibited|not (supported|allowed)|one of|multiple of"
    r"|(supported|available|allowed|accepted|valid|possible) (\w+ )?\w+s(:| are\b))"
    r"(?!\w)"
    r"|\[\s*\d+[^\]]*,\s*[^\]]*\d+\s*\]",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.]*\w)")
_NOTES = frozenset({"description", "title", "example", "examples", "default", CITES})


@frozen
class UnencodedRule:
    """A sentence that reads like a rule, and where its document says it.

    `proposal` is an overlay's action that may be pasted; empty where no keyword can say it.
    """

    document: str
    where: str
    sentence: str
    proposal: str = field(default="", eq=False, repr=False)
    id: ClassVar[str] = "WF210"

    def __str__(self) -> str:
        return (
            f"{self.where}: “{self.sentence}” reads like a rule that nothing expresses; {_REMEDY}"
        )


def count_text(count: int, kind: str) -> str:
    """Return one line with the number of sentences that `check` lists."""
    found = "1 sentence reads like a rule" if count == 1 else f"{count} sentences read like rules"
    shown = kind.format(them="it" if count == 1 else "them")
    return f"{found}, {shown}; `wanflow spec check` lists them"


@frozen
class Stale:
    """An entry of the reviewed file whose sentence is no longer unencoded prose."""

    sentence: str
    document: str = ""
    where: str = f"{FILE}#"
    id: ClassVar[str] = "WF508"

    def __str__(self) -> str:
        return f"no document leaves “{self.sentence}” to prose; remove the entry of {FILE}"


@frozen
class AcceptedProse:
    """Sentences that were accepted as prose, each with the reason."""

    reasons: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> AcceptedProse:
        """Read the reviewed file; an absent one leaves nothing.

        Raises:
            OverlayFault: it has another form.
        """
        if not path.is_file():
            return cls({})
        data = read_yaml(path.read_text("utf-8"), path.name).data
        for entry in data if is_array(data) else [None]:
            if (
                not is_object(entry)
                or set(entry) != {"sentence", "reason"}
                or not all(isinstance(value, str) and value.strip() for value in entry.values())
            ):
                raise OverlayError(f"{path.name}: each entry must have a `sentence` and a `reason`")
        return cls({collapse_whitespace(entry["sentence"]): entry["reason"] for entry in data})

    def unlisted(self, found: Iterable[UnencodedRule]) -> list[UnencodedRule]:
        """Return the sentences that are not in the file."""
        return [one for one in found if one.sentence not in self.reasons]

    def stale(self, found: Iterable[UnencodedRule]) -> list[Stale]:
        """Return entries whose sentence is in no document now, or is expressed by a rule."""
        return [Stale(one) for one in sorted(self.reasons.keys() - {f.sentence for f in found})]


def unencoded_rules(document: JsonObject, calls: Iterable[SourceOperation]) -> list[UnencodedRule]:
    """Return the sentences of the models' parameters that read like a rule but aren't encoded.

    `document` is the finished one; `calls` are the operations that it was made of.
    """
    requests = requests_of(document)
    found: dict[tuple[str, str], UnencodedRule] = {}
    for call in calls:
        for model in call.models:
            whole = inline_references(document, requests[model], ())
            for schema, sentence in _unexpressed(whole):
                if (call.source.name, sentence) not in found:
                    where = _where(call, schema["description"])
                    proposal = _proposal(document, requests[model], schema, sentence)
                    rule = UnencodedRule(call.source.name, where, sentence, proposal)
                    found[call.source.name, sentence] = rule
    return list(found.values())


def _proposal(document: JsonObject, request: JsonObject, schema: JsonObject, sentence: str) -> str:
    """Return the proposed overlay action for a sentence of a request's schema."""
    for name in sorted(reachable_names(document, request)):
        root = f"/components/schemas/{escape_key(name)}"
        for at, own in iter_subschemas(document["components"]["schemas"][name], root):
            if own.get("description") == schema["description"]:
                return propose_action(document, at, own, sentence)
    return ""


def _unexpressed(request: JsonObject) -> Iterator[tuple[JsonObject, str]]:
    schemas = [schema for at, schema in iter_subschemas(request, "") if at]
    citations = [
        collapse_whitespace(cited) for schema in schemas for cited in citations_of(schema).values()
    ]
    for schema in schemas:
        text = schema.get("description", "")
        for sentence in _rules(text) if isinstance(text, str) else ():
            known = any(sentence in cited or cited in sentence for cited in citations)
            if not known and not _in_keywords(sentence, schema):
                yield schema, sentence


def _rules(text: str) -> Iterator[str]:
    """Yield what reads like a rule in a text: sentences, and lists of values."""
    yield from (sentence for sentence in split_sentences(text) if _RULE.search(sentence))
    yield from (" - ".join(entries) for entries in parse_lists(text) if enumerated_values(entries))


def _in_keywords(sentence: str, schema: JsonObject) -> bool:
    """Return whether the schema's keywords contain every number of the sentence."""
    rules = {key: value for key, value in schema.items() if key not in _NOTES}
    values = enumerated_values(sentence.split(" - "))
    if values and "enum" in schema:
        return set(values) <= {str(value) for value in schema["enum"]}
    named = set(_NUMBER.findall(sentence))
    return bool(named) and named <= set(re.findall(r"\d+", json.dumps(rules)))


def _where(call: SourceOperation, text: Any) -> str:
    for at, schema in iter_schemas(call.source.document):
        if schema.get("description") == text:
            return call.source.where(f"{at}/description")
    return call.source.where(call.pointer)
