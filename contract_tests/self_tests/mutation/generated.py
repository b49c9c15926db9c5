"""Mutants generated from the spec: each keyword relaxed, tightened, removed or moved."""

from __future__ import annotations

from copy import deepcopy
from functools import cache, partial
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

from self_tests.mutation.mutant import KINDS, MUTANTS, Mutant, after, queries, register, submits
from wanflow.catalog.catalog import Catalog, packaged_catalog
from wanflow.catalog.document import is_object, load_packaged, resolve_ref
from wanflow.catalog.keywords import PIXEL_SIZE, PUBLIC_URL
from wanflow.catalog.validator import RequestValidator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from self_tests.mutation.fault_layer import MutableRequest, MutableResponse
    from wanflow.catalog.catalog import Model
    from wanflow.catalog.document import JsonObject

    Edit = Callable[[JsonObject], object]

MISSING, STRICT = KINDS[4], KINDS[5]
_BOUNDS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")
_OTHER: dict[str, Any] = {
    "string": 5,
    "integer": "5",
    "number": "5",
    "boolean": "true",
    "array": {},
    "object": [],
}


@cache
def make() -> None:
    """Register every generated mutant that a request or a response can show; once."""
    for model in packaged_catalog().models.values():
        for name, kind, description, edit in _of_model(model):
            document = _edited(model, edit)
            probe = _revealing_request(model, document)
            if probe is not None and name not in MUTANTS:
                register(
                    Mutant(
                        name,
                        kind,
                        description,
                        "probe",
                        submits,
                        edit=partial(deepcopy, document),
                        probe=probe,
                    )
                )
    for operation_id, where in (("createVideoGeneration", submits), ("getTaskDetail", queries)):
        _register_response_faults(operation_id, where)


def _of_model(model: Model) -> Iterator[tuple[str, str, str, Edit]]:
    for field, rule in model.parameters.items():
        for word, kind, description, edit in (*_of_rule(rule), *_of_texts(rule)):
            title = f"{model.name}-{field}-{word}"
            yield (
                title,
                kind,
                f"{model.name}: {field} {description}",
                partial(_on_field, field, edit),
            )
    for field in ("model", *model.required):
        description = f"{model.name}: {field} isn't required"
        yield f"{model.name}-{field}-optional", MISSING, description, partial(_optional, field)
    for field in model.parameters:
        if field not in model.required:
            description = f"{model.name}: {field} is required"
            yield f"{model.name}-{field}-required", STRICT, description, partial(_required, field)
    if "then" in model.schema:
        description = f"{model.name}: the rule that joins fields isn't there"
        yield (
            f"{model.name}-joined-removed",
            MISSING,
            description,
            lambda schema: schema.pop("then"),
        )
    yield from _moved(model)


def _of_rule(rule: JsonObject) -> Iterator[tuple[str, str, str, Edit]]:
    if "enum" in rule:
        first, last = rule["enum"][0], rule["enum"][-1]
        more = last + 5 if isinstance(last, int) else "2160p" if "p" in str(last) else "21:9"
        yield "any-choice", MISSING, "takes any value", lambda r: r.pop("enum")
        yield "more-choices", MISSING, f"takes {more}, too", lambda r: r["enum"].append(more)
        yield "without-first", STRICT, f"doesn't take {first}", lambda r: r["enum"].remove(first)
        yield "without-last", STRICT, f"doesn't take {last}", lambda r: r["enum"].remove(last)
    for word in (word for word in _BOUNDS if word in rule):
        value, up = rule[word], 1 if word.startswith("max") else -1
        yield f"{word}-removed", MISSING, f"has no {word}", partial(_drop, word)
        yield (
            f"{word}-relaxed",
            MISSING,
            f"has {word} {value + up}",
            partial(_set, word, value + up),
        )
        yield f"{word}-tight", STRICT, f"has {word} {value - up}", partial(_set, word, value - up)
    if "type" in rule:
        yield "any-type", MISSING, "takes any type", lambda r: r.pop("type")


def _of_texts(rule: JsonObject) -> Iterator[tuple[str, str, str, Edit]]:
    for word in ("pattern", "format", PIXEL_SIZE, PUBLIC_URL):
        if word in rule:
            yield f"{word}-removed", MISSING, f"has no {word}", partial(_drop, word)
    for word in rule.get(PIXEL_SIZE, ()):
        for name, factor, kind in (("relaxed", 1.1, MISSING), ("tight", 0.9, STRICT)):
            up = factor if word.startswith("max") else 2 - factor
            yield f"{word}-{name}", kind, f"has another {word}", partial(_scale, word, up)
    if "items" in rule:
        yield "any-entry", MISSING, "takes any entries", lambda r: r.pop("items")


def _moved(model: Model) -> Iterator[tuple[str, str, str, Edit]]:
    """Yield mutants in which the constraints of two fields are exchanged."""
    chosen = [name for name, rule in model.parameters.items() if "enum" in rule]
    for first, second in pairwise(chosen):
        description = f"{model.name}: the rules of {first} and {second} are exchanged"
        yield (
            f"{model.name}-{first}-{second}-moved",
            MISSING,
            description,
            partial(_swap, first, second),
        )


def _on_field(field: str, edit: Edit, schema: JsonObject) -> None:
    edit(schema["properties"][field])


def _drop(word: str, rule: JsonObject) -> None:
    del rule[word]


def _set(word: str, value: Any, rule: JsonObject) -> None:
    rule[word] = value


def _scale(word: str, factor: float, rule: JsonObject) -> None:
    rule[PIXEL_SIZE][word] *= factor


def _optional(field: str, schema: JsonObject) -> None:
    schema["required"] = [name for name in schema["required"] if name != field]


def _required(field: str, schema: JsonObject) -> None:
    schema["required"] = [*schema["required"], field]


def _swap(first: str, second: str, schema: JsonObject) -> None:
    properties = schema["properties"]
    properties[first], properties[second] = properties[second], properties[first]


def _edited(model: Model, edit: Edit) -> JsonObject:
    document = deepcopy(load_packaged())
    edit(document["components"]["schemas"][model.schema_name])
    return document


def _revealing_request(model: Model, document: JsonObject) -> JsonObject | None:
    """Return a request whose validity differs with the faulty spec, None if there is none."""
    from wanflow_contract.checks.boundaries import probes_of
    from wanflow_contract.plan.combined import combined_probes

    true, false = RequestValidator(packaged_catalog()), RequestValidator(Catalog(document))
    other = false.catalog.models[model.name]
    combined = (probe for owner, probe in combined_probes() if owner.name == model.name)
    for probe in chain(probes_of(model), combined):
        if probe.body.get("model") != model.name:
            continue
        if bool(true.violations(model, probe.body)) != bool(false.violations(other, probe.body)):
            return probe.body
    return None


def _register_response_faults(operation_id: str, where: Any) -> None:
    document = load_packaged()
    operation = next(
        one for one in packaged_catalog().operations if one.operation_id == operation_id
    )
    schema = operation.node["responses"]["200"]["content"]["application/json"]["schema"]
    for path, rule in _leaves(document, resolve_ref(document, schema), ()):
        for word, value in _wrong(rule):
            title = f"{operation_id}-{'.'.join(path)}-{word}"
            description = f"{operation_id}: {'.'.join(path)} is {value!r}"
            script = "failed" if path[0] == "error" else "poll-to-end"
            after("schema", description, where, script, title)(partial(_replace, path, value))


def _leaves(
    document: JsonObject, schema: JsonObject, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], JsonObject]]:
    for name, raw in schema.get("properties", {}).items():
        rule = resolve_ref(document, raw)
        yield (*path, name), rule
        yield from _leaves(document, rule, (*path, name))


def _wrong(rule: JsonObject) -> Iterator[tuple[str, Any]]:
    yield "of-another-type", _OTHER[rule["type"]]
    yield "null", None
    if "enum" in rule:
        yield "an-unknown-word", "unknown"
    if "maximum" in rule:
        yield "above-the-maximum", rule["maximum"] + 1
    if "minimum" in rule:
        yield "below-the-minimum", rule["minimum"] - 1


def _replace(
    path: tuple[str, ...],
    value: Any,
    _call: MutableRequest,
    response: MutableResponse,
    _state: dict[str, Any],
) -> None:
    body = response.body
    if response.status != 200 or not is_object(body):
        return
    node = body
    for name in path[:-1]:
        node = node.get(name, {})
    if is_object(node) and path[-1] in node:
        node[path[-1]] = value
        response.set_body(body)
