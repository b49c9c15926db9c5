"""Merge the security schemes of source specs: equal schemes get the same name."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from attrs import evolve

from wanflow.catalog.catalog import METHODS
from wanflow.catalog.document import escape_key
from wanflow.spec.merge.decisions import DecisionKind, DecisionLog
from wanflow.spec.merge.union import SchemaUnion
from wanflow.spec.schema.equality import canonical_key

if TYPE_CHECKING:
    from wanflow.catalog.document import JsonObject
    from wanflow.spec.read.source import SourceSpec

# Describes the format of a token; it doesn't affect requests.
_HINT_KEY = "bearerFormat"


def unify_scheme_names(sources: list[SourceSpec]) -> list[SourceSpec]:
    """Return source specs with equal schemes under the same name, the most common one.

    If two different schemes have the same name, the less common one gets a number.
    """
    named = Counter(
        (_scheme_key(scheme), name)
        for source in sources
        for name, scheme in _schemes(source).items()
    )
    names: dict[str, str] = {}
    for key, name in sorted(named, key=lambda pair: (-named[pair], pair[1], pair[0])):
        if key not in names:
            taken = set(names.values())
            free = (f"{name}{number}" for number in range(2, len(named) + 2))
            names[key] = name if name not in taken else next(n for n in free if n not in taken)
    return [_rename_schemes(source, names) for source in sources]


def merge_schemes(sources: list[SourceSpec], decisions: DecisionLog) -> JsonObject:
    """Return the schemes of all source specs by name, each with the most common description."""
    by_name: dict[str, list[tuple[str, JsonObject]]] = {}
    for source in sources:
        for name, scheme in _schemes(source).items():
            by_name.setdefault(name, []).append((source.name, scheme))
    return {
        name: _merge_scheme(name, owners, decisions) for name, owners in sorted(by_name.items())
    }


def _merge_scheme(
    name: str, owners: list[tuple[str, JsonObject]], decisions: DecisionLog
) -> JsonObject:
    at = f"/components/securitySchemes/{escape_key(name)}"
    texts = [(who, scheme["description"]) for who, scheme in owners if "description" in scheme]
    annotations = (
        {"description": SchemaUnion(decisions).choose_text(texts, f"{at}/description")}
        if texts
        else {}
    )
    return {
        **{key: value for key, value in owners[0][1].items() if key not in annotations},
        **annotations,
    }


def _rename_schemes(source: SourceSpec, names: dict[str, str]) -> SourceSpec:
    """Give the schemes of a source spec their shared names; remove `bearerFormat`."""
    own = _schemes(source)
    new_names = {name: names[_scheme_key(scheme)] for name, scheme in own.items()}
    if all(name == new and _HINT_KEY not in own[name] for name, new in new_names.items()):
        return source
    schemes = {
        new_names[name]: {key: value for key, value in scheme.items() if key != _HINT_KEY}
        for name, scheme in own.items()
    }
    document = _rename_requirements(source.document, new_names)
    document["components"] = {**document["components"], "securitySchemes": schemes}
    document["paths"] = {
        path: {
            method: _rename_requirements(node, new_names) if method in METHODS else node
            for method, node in item.items()
        }
        for path, item in document["paths"].items()
    }
    return evolve(source, document=document)


def _rename_requirements(node: JsonObject, names: dict[str, str]) -> JsonObject:
    if "security" not in node:
        return dict(node)
    options = [
        {names.get(name, name): scopes for name, scopes in option.items()}
        for option in node["security"]
    ]
    return {**node, "security": options}


def _schemes(source: SourceSpec) -> JsonObject:
    schemes: JsonObject = source.document.get("components", {}).get("securitySchemes", {})
    return schemes


def _scheme_key(scheme: JsonObject) -> str:
    return canonical_key({key: value for key, value in scheme.items() if key != _HINT_KEY})


def record_renamed_schemes(
    sources: list[SourceSpec], shared: list[SourceSpec], decisions: DecisionLog
) -> None:
    """Record which schemes were renamed."""
    for before, after in zip(sources, shared, strict=True):
        for old, new in zip(_schemes(before), _schemes(after), strict=False):
            if old != new:
                at = f"/components/securitySchemes/{escape_key(new)}"
                decisions.add(DecisionKind.RENAMED, at, f"`{old}` of its source", [before.name])
