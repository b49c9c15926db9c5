"""Read the operations of a source spec, with inherited fields added and references resolved.

References to schemas stay. Those to other components (responses, parameters, examples, …) are
replaced by their targets, so that source specs can be compared part by part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.catalog.catalog import METHODS
from wanflow.catalog.document import JsonObject, escape_key, is_array, is_object, resolve_ref
from wanflow.spec.errors import Conflict, InvalidDocument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wanflow.spec.read.source import SourceSpec

JSON_MEDIA = "application/json"
SCHEMAS = "#/components/schemas/"


@frozen
class SourceOperation:
    """An operation of one source spec, with its effective servers and security.

    `models` are the values that it accepts for the `model` parameter; empty for an operation that
    isn't a submission.
    """

    source: SourceSpec
    method: str
    path: str
    node: JsonObject = field(repr=False)
    models: tuple[str, ...] = ()

    @property
    def pointer(self) -> str:
        """The JSON pointer of the operation in its source spec."""
        return f"/paths/{escape_key(self.path)}/{self.method}"

    @property
    def key(self) -> tuple[str, str, str]:
        """A unique key among all operations of all source specs."""
        return (self.source.name, self.method, self.path)

    @property
    def label(self) -> str:
        """The label for its examples: its model if it has one, else the name of its source spec."""
        return self.models[0] if len(self.models) == 1 else self.source.name

    @property
    def request(self) -> JsonObject | None:
        """The schema of its JSON body, with references unresolved; None without a body."""
        body = self.node.get("requestBody")
        return body["content"][JSON_MEDIA]["schema"] if body else None


def describe_pair(one: SourceOperation, other: SourceOperation) -> str:
    """Return the locations of two operations for messages."""
    locations = [operation.source.where(operation.pointer) for operation in (one, other)]
    return " and ".join(locations)


def source_operations(source: SourceSpec) -> list[SourceOperation]:
    """List the operations of a source spec, in its order.

    Raises:
        InvalidDocument: a reference has no target, a body isn't JSON, a submission names no model,
            or there are webhooks, which can't be merged.
    """
    if source.document.get("webhooks"):
        raise InvalidDocument(
            f"{source.where('/webhooks')}: webhooks are not supported, they would be lost"
        )
    try:
        return [
            _read_operation(source, path, method, node)
            for path, method, node in _operations(source)
        ]
    except RecursionError as error:
        problem = "an operation contains a circular reference that isn't to a schema"
        raise InvalidDocument(f"{source.where('/paths')}: {problem}") from error


def _operations(source: SourceSpec) -> Iterator[tuple[str, str, JsonObject]]:
    for path, item in source.document["paths"].items():
        resolved = _resolve(source, item, f"/paths/{escape_key(path)}")
        shared = resolved.get("parameters", [])
        for method, node in resolved.items():
            if method in METHODS:
                yield path, method, _with_inherited(source, resolved, shared, node)


def _with_inherited(
    source: SourceSpec, item: JsonObject, shared: list[JsonObject], node: JsonObject
) -> JsonObject:
    document = source.document
    own = {(_resolve(source, p, "")["name"], _resolve(source, p, "")["in"]) for p in _params(node)}
    inherited = [p for p in shared if (_resolve(source, p, "")["name"], p.get("in")) not in own]
    resolved = {**node}
    if inherited or "parameters" in node:
        resolved["parameters"] = [*inherited, *_params(node)]
    servers = node.get("servers", item.get("servers", document.get("servers", [])))
    return {
        **resolved,
        "servers": servers,
        "security": node.get("security", document.get("security", [])),
    }


def _params(node: JsonObject) -> list[JsonObject]:
    parameters: list[JsonObject] = node.get("parameters", [])
    return parameters


def _read_operation(
    source: SourceSpec, path: str, method: str, node: JsonObject
) -> SourceOperation:
    at = f"/paths/{escape_key(path)}/{method}"
    resolved = _inline_refs(source, node, at)
    body = resolved.get("requestBody")
    if body is None:
        return SourceOperation(source, method, path, resolved)
    if list(body.get("content", {})) != [JSON_MEDIA]:
        media_types = ", ".join(body.get("content", {})) or "nothing"
        raise InvalidDocument(
            f"{source.where(at)}: the body must be only {JSON_MEDIA}, not {media_types}"
        )
    if "schema" not in body["content"][JSON_MEDIA]:
        raise InvalidDocument(f"{source.where(at)}: the body has no schema")
    models = _models_of(source, resolved, at)
    return SourceOperation(
        source,
        method,
        path,
        _with_model_in_examples(resolved, models) if models else resolved,
        models,
    )


def _with_model_in_examples(node: JsonObject, models: tuple[str, ...]) -> JsonObject:
    """Add the model to request examples that leave it to a default.

    The merged request is a union that is discriminated by the model.
    """
    body = node["requestBody"]
    media = dict(body["content"][JSON_MEDIA])
    if "example" in media:
        media["example"] = _with_model(media["example"], models)
    if "examples" in media:
        media["examples"] = {
            key: {**examples, "value": _with_model(examples["value"], models)}
            if "value" in examples
            else examples
            for key, examples in media["examples"].items()
        }
    return {**node, "requestBody": {**body, "content": {JSON_MEDIA: media}}}


def _with_model(value: Any, models: tuple[str, ...]) -> Any:
    return {"model": models[0], **value} if is_object(value) and "model" not in value else value


def _models_of(source: SourceSpec, node: JsonObject, at: str) -> tuple[str, ...]:
    media = node["requestBody"]["content"][JSON_MEDIA]
    schema = _with_all_properties(source, media["schema"])
    examples = [value for value in _examples(media, schema) if is_object(value)]
    if "model" not in schema.get("properties", {}) and not any("model" in v for v in examples):
        return ()
    rule = resolve_ref(source.document, schema.get("properties", {}).get("model", {}))
    names = model_values(rule) or [value["model"] for value in examples if "model" in value]
    models = tuple(dict.fromkeys(name for name in names if isinstance(name, str)))
    if not models:
        raise InvalidDocument(
            f"{source.where(at)}: the request has a `model` parameter without a value: "
            "it needs an enum, const, default or example"
        )
    return models


def _with_all_properties(source: SourceSpec, schema: JsonObject) -> JsonObject:
    """Return a schema with the properties of its `allOf`, `oneOf` and `anyOf` parts added."""
    resolved = resolve_ref(source.document, schema)
    properties: JsonObject = dict(resolved.get("properties", {}))
    for keyword in ("allOf", "oneOf", "anyOf"):
        for part in resolved.get(keyword, ()):
            properties = {**_with_all_properties(source, part).get("properties", {}), **properties}
    return {**resolved, "properties": properties} if properties else resolved


def model_values(rule: JsonObject) -> list[Any]:
    """List the models in the schema of a `model` property: enum, const, default or examples."""
    if "enum" in rule:
        return list(rule["enum"])
    for keyword in ("const", "default", "example"):
        if keyword in rule:
            return [rule[keyword]]
    return list(rule.get("examples", ()))


def _examples(media: JsonObject, schema: JsonObject) -> list[Any]:
    examples = [example.get("value") for example in media.get("examples", {}).values()]
    return [*examples, media.get("example"), schema.get("example"), *schema.get("examples", ())]


def _inline_refs(source: SourceSpec, node: Any, at: str) -> Any:
    """Copy a node with all references replaced by their targets, except those to schemas."""
    if is_array(node):
        return [_inline_refs(source, item, f"{at}/{i}") for i, item in enumerate(node)]
    if not is_object(node):
        return node
    if isinstance(node.get("$ref"), str) and not node["$ref"].startswith(SCHEMAS):
        return _inline_refs(source, _resolve(source, node, at), at)
    return {
        key: value
        if key in _DATA_KEYWORDS
        else _inline_refs(source, value, f"{at}/{escape_key(key)}")
        for key, value in node.items()
    }


_DATA_KEYWORDS = frozenset({"example", "value", "default", "enum", "const"})


def _resolve(source: SourceSpec, node: JsonObject, at: str) -> JsonObject:
    reference = node.get("$ref")
    if reference is None:
        return node
    if not str(reference).startswith("#/"):
        raise InvalidDocument(f"{source.where(at)}: {reference!r} refers to another document")
    try:
        return resolve_ref(source.document, node)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise InvalidDocument(f"{source.where(at)}: {reference!r} has no target") from error


def referenced_names(node: Any) -> set[str]:
    """Return the names of the schemas that a node refers to directly."""
    if is_array(node):
        return {name for item in node for name in referenced_names(item)}
    if not is_object(node):
        return set()
    found = {name for value in node.values() for name in referenced_names(value)}
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith(SCHEMAS):
        found.add(reference.removeprefix(SCHEMAS))
    return found


def reachable_names(document: JsonObject, node: Any) -> set[str]:
    """Return the names of the schemas that a node refers to, directly or indirectly."""
    schemas = document.get("components", {}).get("schemas", {})
    found: set[str] = set()
    pending = referenced_names(node)
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending |= referenced_names(schemas.get(name, {}))
    return found


def reachable(source: SourceSpec, node: Any) -> set[tuple[str, str]]:
    """Return every schema that a node refers to, directly or indirectly, as (source, name).

    Raises:
        Conflict: there is no such schema.
    """
    names = reachable_names(source.document, node)
    schemas = source.document.get("components", {}).get("schemas", {})
    if missing := sorted(names - schemas.keys()):
        raise Conflict(f"{source.where('')}: there is no schema {missing[0]}")
    return {(source.name, name) for name in names}


def rename_references(node: Any, new_name: Callable[[str], str]) -> Any:
    """Copy a node with references to the new names of schemas."""
    if is_array(node):
        return [rename_references(item, new_name) for item in node]
    if not is_object(node):
        return node
    copied = {key: rename_references(value, new_name) for key, value in node.items()}
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith(SCHEMAS):
        copied["$ref"] = SCHEMAS + new_name(reference.removeprefix(SCHEMAS))
    return copied
