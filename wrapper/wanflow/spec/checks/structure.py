"""Check the structure of a merged spec: variants and models, links, satisfiable schemas."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from wanflow.catalog.document import JsonObject, escape_key, resolve_ref
from wanflow.catalog.schema_walk import iter_schemas
from wanflow.spec.errors import Finding
from wanflow.spec.proof.requests import format_body
from wanflow.spec.schema.index import operations_of
from wanflow.spec.schema.operations import JSON_MEDIA, SCHEMAS
from wanflow.spec.schema.value_set import ValueSet, value_set_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_REMEDY = "make it anew with `wanflow spec build`"
_ADD_SECURITY = (
    "add `security:` to its document, and the scheme that it names under components/securitySchemes"
)


def structure_findings(document: JsonObject, file: str) -> Iterator[Finding]:
    """Yield contradictions in a document that are valid OpenAPI."""
    yield from impossible_findings(document, file)
    for path, method, node in operations_of(document):
        at = f"/paths/{escape_key(path)}/{method}"
        yield from _security(document, node, at, file)
        yield from _links(document, node, at, file)
        media = node.get("requestBody", {}).get("content", {}).get(JSON_MEDIA, {})
        schema = resolve_ref(document, media.get("schema", {}))
        if "discriminator" in schema:
            place = f"{at}/requestBody/content/{escape_key(JSON_MEDIA)}/schema"
            yield from _variants(document, schema, place, file)


def impossible_findings(document: JsonObject, file: str) -> Iterator[Finding]:
    """Yield a finding for each schema that no value satisfies."""
    for at, schema in iter_schemas(document):
        # An empty `not`, or a condition that is never true, is meant to exclude everything.
        if "/not" in at or "/if" in at:
            continue
        if not value_set_of(document, schema).may_have_values():
            yield Finding(file, at, "no value satisfies this schema", "loosen one of its rules")


def _security(document: JsonObject, node: JsonObject, at: str, file: str) -> Iterator[Finding]:
    known = document["components"].get("securitySchemes", {})
    if not node.get("security"):
        yield Finding(file, at, "the operation has no security of its own", _ADD_SECURITY)
    for name in {name for option in node.get("security", ()) for name in option}:
        if name not in known:
            remedy = "define it under components/securitySchemes"
            yield Finding(file, f"{at}/security", f"no security scheme is called {name}", remedy)


def _links(document: JsonObject, node: JsonObject, at: str, file: str) -> Iterator[Finding]:
    ids = {other["operationId"] for _, _, other in operations_of(document)}
    for status, answer in node["responses"].items():
        for name, link in answer.get("links", {}).items():
            if link.get("operationId") not in ids:
                place = f"{at}/responses/{status}/links/{escape_key(name)}"
                problem = f"the link leads to no operation ({link.get('operationId')})"
                yield Finding(file, place, problem, "mend the overlay that sets it")


def _variants(document: JsonObject, schema: JsonObject, at: str, file: str) -> Iterator[Finding]:
    mapping: dict[str, str] = schema["discriminator"]["mapping"]
    members = {member.get("$ref", "an inline schema") for member in schema.get("oneOf", ())}
    for reference in sorted(members ^ set(mapping.values())):
        where = "a member without a model" if reference in members else "mapped and no member"
        yield Finding(file, at, f"{reference} is {where}", _REMEDY)
    for reference in sorted(members & set(mapping.values())):
        yield from _models(document, reference, mapping, at, file)
    meanings = {
        ref: value_set_of(document, {"$ref": ref}) for ref in sorted(members & _known(document))
    }
    for (one, first), (other, second) in combinations(meanings.items(), 2):
        if not _are_disjoint(first, second):
            problem = f"{one} and {other} may both take {format_body(first.common_example(second))}"
            yield Finding(file, at, problem, "give each its own values of `model`")


def _models(
    document: JsonObject, reference: str, mapping: dict[str, str], at: str, file: str
) -> Iterator[Finding]:
    if reference not in _known(document):
        yield Finding(file, at, f"{reference} leads nowhere", _REMEDY)
        return
    variant = resolve_ref(document, {"$ref": reference})
    rule: Any = resolve_ref(document, variant.get("properties", {}).get("model", {}))
    named = {rule["const"]} if "const" in rule else set(rule.get("enum", ()))
    mapped = {model for model, target in mapping.items() if target == reference}
    if named != mapped:
        problem = f"{reference} names {sorted(named)}, and the mapping gives it {sorted(mapped)}"
        yield Finding(file, at, problem, _REMEDY)
    if "model" not in variant.get("required", ()):
        yield Finding(file, at, f"{reference} doesn't require `model`", _REMEDY)


def _are_disjoint(one: ValueSet, other: ValueSet) -> bool:
    """Return whether no body matches both variants, by their models or else by proof."""
    models = [_closed_models(meaning.schema) for meaning in (one, other)]
    if models[0] and models[1]:
        return not models[0] & models[1]
    return one.is_disjoint_from(other)


def _closed_models(schema: JsonObject) -> set[Any]:
    if "model" not in schema.get("required", ()):
        return set()
    rule = schema.get("properties", {}).get("model", {})
    return {rule["const"]} if "const" in rule else set(rule.get("enum", ()))


def _known(document: JsonObject) -> set[str]:
    return {SCHEMAS + name for name in document["components"]["schemas"]}
