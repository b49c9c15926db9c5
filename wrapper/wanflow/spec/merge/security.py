"""Security schemes of many documents under one name each: what is the same has the same name."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from attrs import evolve

from wanflow.catalog.catalog import METHODS
from wanflow.spec.merge.decisions import DecisionKind, DecisionLog
from wanflow.spec.merge.union import SchemaUnion
from wanflow.spec.read.yaml import escape
from wanflow.spec.schema.equality import canonical_key

if TYPE_CHECKING:
    from wanflow.catalog.document import JsonObject
    from wanflow.spec.read.source import Source

# A hint at what a token looks like; whether documents have it changes nothing that is sent.
_HINT = "bearerFormat"


def with_shared_schemes(sources: list[Source]) -> list[Source]:
    """Return documents that call one scheme by one name, the name that most of them give it.

    Two schemes of one name are told apart: the rarer one gets a number.
    """
    named = Counter(
        (_key(scheme), name) for source in sources for name, scheme in _schemes(source).items()
    )
    names: dict[str, str] = {}
    for key, name in sorted(named, key=lambda pair: (-named[pair], pair[1], pair[0])):
        if key not in names:
            taken = set(names.values())
            free = (f"{name}{number}" for number in range(2, len(named) + 2))
            names[key] = name if name not in taken else next(n for n in free if n not in taken)
    return [_renamed(source, names) for source in sources]


def security_schemes(sources: list[Source], decisions: DecisionLog) -> JsonObject:
    """Return the schemes of all documents by name, each with the text of most."""
    said: dict[str, list[tuple[str, JsonObject]]] = {}
    for source in sources:
        for name, scheme in _schemes(source).items():
            said.setdefault(name, []).append((source.name, scheme))
    return {name: _scheme(name, owners, decisions) for name, owners in sorted(said.items())}


def _scheme(name: str, owners: list[tuple[str, JsonObject]], decisions: DecisionLog) -> JsonObject:
    at = f"/components/securitySchemes/{escape(name)}"
    texts = [(who, scheme["description"]) for who, scheme in owners if "description" in scheme]
    notes = (
        {"description": SchemaUnion(decisions).text(texts, f"{at}/description")} if texts else {}
    )
    return {**{key: value for key, value in owners[0][1].items() if key not in notes}, **notes}


def _renamed(source: Source, names: dict[str, str]) -> Source:
    """Give a document's schemes their shared names, without the hint that not all have."""
    own = _schemes(source)
    mine = {name: names[_key(scheme)] for name, scheme in own.items()}
    if all(name == new and _HINT not in own[name] for name, new in mine.items()):
        return source
    schemes = {
        mine[name]: {key: value for key, value in scheme.items() if key != _HINT}
        for name, scheme in own.items()
    }
    document = _asking(source.document, mine)
    document["components"] = {**document["components"], "securitySchemes": schemes}
    document["paths"] = {
        path: {
            method: _asking(node, mine) if method in METHODS else node
            for method, node in item.items()
        }
        for path, item in document["paths"].items()
    }
    return evolve(source, document=document)


def _asking(node: JsonObject, names: dict[str, str]) -> JsonObject:
    if "security" not in node:
        return dict(node)
    options = [
        {names.get(name, name): scopes for name, scopes in option.items()}
        for option in node["security"]
    ]
    return {**node, "security": options}


def _schemes(source: Source) -> JsonObject:
    schemes: JsonObject = source.document.get("components", {}).get("securitySchemes", {})
    return schemes


def _key(scheme: JsonObject) -> str:
    return canonical_key({key: value for key, value in scheme.items() if key != _HINT})


def renamed_schemes(sources: list[Source], shared: list[Source], decisions: DecisionLog) -> None:
    """Note which documents' schemes have another name now."""
    for before, after in zip(sources, shared, strict=True):
        for old, new in zip(_schemes(before), _schemes(after), strict=False):
            if old != new:
                at = f"/components/securitySchemes/{escape(new)}"
                decisions.add(DecisionKind.RENAMED, at, f"`{old}` of its document", [before.name])
