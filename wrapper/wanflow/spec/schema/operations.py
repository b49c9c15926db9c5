"""One operation of one document, made whole: what it inherits written into it, references followed.

References to schemas stay; those to other components (responses, parameters, examples, …) are
replaced by what they name, so that two documents can be compared part by part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow.catalog.document import is_array, is_object
from wanflow.spec.errors import Conflict

if TYPE_CHECKING:
    from wanflow.spec.read.source import Source

from typing import TYPE_CHECKING

from attrs import field, frozen

from wanflow.catalog.catalog import METHODS
from wanflow.catalog.document import JsonObject, resolve_ref
from wanflow.spec.errors import InvalidDocument
from wanflow.spec.read.yaml import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.spec.read.source import Source

JSON_MEDIA = "application/json"
SCHEMAS = "#/components/schemas/"


@frozen
class SourceOperation:
    """An operation of one source, with the servers and the security that hold for it.

    `models` are the values of the `model` parameter that it takes; none for an operation that
    submits nothing. `pointer` is where it stands in its source.
    """

    source: Source
    method: str
    path: str
    node: JsonObject = field(repr=False)
    models: tuple[str, ...] = ()

    @property
    def pointer(self) -> str:
        """The JSON pointer of the operation in its source."""
        return f"/paths/{escape(self.path)}/{self.method}"

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from every other operation of every document."""
        return (self.source.name, self.method, self.path)

    @property
    def label(self) -> str:
        """What its examples are filed under: its model where it has one, else its document."""
        return self.models[0] if len(self.models) == 1 else self.source.name

    @property
    def request(self) -> JsonObject | None:
        """The schema of its JSON body, references still in it; None without a body."""
        body = self.node.get("requestBody")
        return body["content"][JSON_MEDIA]["schema"] if body else None


def describe_pair(one: SourceOperation, other: SourceOperation) -> str:
    """Name two operations for a person: the file, line and pointer of each."""
    places = [call.source.where(call.pointer) for call in (one, other)]
    return " and ".join(places)


def source_operations(source: Source) -> list[SourceOperation]:
    """List the operations of a document, in its order.

    Raises:
        Refused: a reference leads nowhere, a body is no JSON, a submission names no model, or
            there is something beside operations that a merge would lose.
    """
    if source.document.get("webhooks"):
        raise InvalidDocument(
            f"{source.where('/webhooks')}: webhooks can't be merged, and would be lost"
        )
    try:
        return [_call(source, path, method, node) for path, method, node in _operations(source)]
    except RecursionError as error:
        problem = "a part of an operation refers to itself by no schema's name"
        raise InvalidDocument(f"{source.where('/paths')}: {problem}") from error


def _operations(source: Source) -> Iterator[tuple[str, str, JsonObject]]:
    for path, item in source.document["paths"].items():
        whole = _follow(source, item, f"/paths/{escape(path)}")
        shared = whole.get("parameters", [])
        for method, node in whole.items():
            if method in METHODS:
                yield path, method, _inherit(source, whole, shared, node)


def _inherit(
    source: Source, item: JsonObject, shared: list[JsonObject], node: JsonObject
) -> JsonObject:
    document = source.document
    own = {(_follow(source, p, "")["name"], _follow(source, p, "")["in"]) for p in _params(node)}
    inherited = [p for p in shared if (_follow(source, p, "")["name"], p.get("in")) not in own]
    whole = {**node}
    if inherited or "parameters" in node:
        whole["parameters"] = [*inherited, *_params(node)]
    servers = node.get("servers", item.get("servers", document.get("servers", [])))
    return {
        **whole,
        "servers": servers,
        "security": node.get("security", document.get("security", [])),
    }


def _params(node: JsonObject) -> list[JsonObject]:
    parameters: list[JsonObject] = node.get("parameters", [])
    return parameters


def _call(source: Source, path: str, method: str, node: JsonObject) -> SourceOperation:
    at = f"/paths/{escape(path)}/{method}"
    whole = _inlined(source, node, at)
    body = whole.get("requestBody")
    if body is None:
        return SourceOperation(source, method, path, whole)
    if list(body.get("content", {})) != [JSON_MEDIA]:
        takes = ", ".join(body.get("content", {})) or "nothing"
        raise InvalidDocument(
            f"{source.where(at)}: the body must be {JSON_MEDIA} alone, not {takes}"
        )
    if "schema" not in body["content"][JSON_MEDIA]:
        raise InvalidDocument(f"{source.where(at)}: the body has no schema")
    models = _models(source, whole, at)
    return SourceOperation(
        source, method, path, _naming(whole, models) if models else whole, models
    )


def _naming(node: JsonObject, models: tuple[str, ...]) -> JsonObject:
    """Write the model into request examples that leave it to a default.

    Among other models' requests it is what tells them apart.
    """
    body = node["requestBody"]
    media = dict(body["content"][JSON_MEDIA])
    if "example" in media:
        media["example"] = _named(media["example"], models)
    if "examples" in media:
        media["examples"] = {
            key: {**shown, "value": _named(shown["value"], models)} if "value" in shown else shown
            for key, shown in media["examples"].items()
        }
    return {**node, "requestBody": {**body, "content": {JSON_MEDIA: media}}}


def _named(value: Any, models: tuple[str, ...]) -> Any:
    return {"model": models[0], **value} if is_object(value) and "model" not in value else value


def _models(source: Source, node: JsonObject, at: str) -> tuple[str, ...]:
    media = node["requestBody"]["content"][JSON_MEDIA]
    schema = _with_parts(source, media["schema"])
    shown = [value for value in _shown(media, schema) if is_object(value)]
    if "model" not in schema.get("properties", {}) and not any("model" in v for v in shown):
        return ()
    rule = resolve_ref(source.document, schema.get("properties", {}).get("model", {}))
    names = model_values(rule) or [value["model"] for value in shown if "model" in value]
    models = tuple(dict.fromkeys(name for name in names if isinstance(name, str)))
    if not models:
        raise InvalidDocument(
            f"{source.where(at)}: the request has a `model` and nothing says which: "
            "no enum, const, default or example"
        )
    return models


def _with_parts(source: Source, schema: JsonObject) -> JsonObject:
    """Return a schema with the properties of its `allOf`, `oneOf` and `anyOf` parts."""
    whole = resolve_ref(source.document, schema)
    properties: JsonObject = dict(whole.get("properties", {}))
    for word in ("allOf", "oneOf", "anyOf"):
        for part in whole.get(word, ()):
            properties = {**_with_parts(source, part).get("properties", {}), **properties}
    return {**whole, "properties": properties} if properties else whole


def model_values(rule: JsonObject) -> list[Any]:
    """List the values that a `model` property's own schema names, by its strictest word."""
    if "enum" in rule:
        return list(rule["enum"])
    for word in ("const", "default", "example"):
        if word in rule:
            return [rule[word]]
    return list(rule.get("examples", ()))


def _shown(media: JsonObject, schema: JsonObject) -> list[Any]:
    shown = [example.get("value") for example in media.get("examples", {}).values()]
    return [*shown, media.get("example"), schema.get("example"), *schema.get("examples", ())]


def _inlined(source: Source, node: Any, at: str) -> Any:
    """Copy a node with every reference followed but those to schemas."""
    if is_array(node):
        return [_inlined(source, item, f"{at}/{i}") for i, item in enumerate(node)]
    if not is_object(node):
        return node
    if isinstance(node.get("$ref"), str) and not node["$ref"].startswith(SCHEMAS):
        return _inlined(source, _follow(source, node, at), at)
    return {
        key: value if key in _DATA else _inlined(source, value, f"{at}/{escape(key)}")
        for key, value in node.items()
    }


_DATA = frozenset({"example", "value", "default", "enum", "const"})


def _follow(source: Source, node: JsonObject, at: str) -> JsonObject:
    reference = node.get("$ref")
    if reference is None:
        return node
    if not str(reference).startswith("#/"):
        raise InvalidDocument(f"{source.where(at)}: {reference!r} leads out of the document")
    try:
        return resolve_ref(source.document, node)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise InvalidDocument(f"{source.where(at)}: {reference!r} leads nowhere") from error


def referenced_names(node: Any) -> set[str]:
    """Collect the names of the schemas that a node refers to."""
    if is_array(node):
        return {name for item in node for name in referenced_names(item)}
    if not is_object(node):
        return set()
    found = {name for value in node.values() for name in referenced_names(value)}
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith(SCHEMAS):
        found.add(reference.removeprefix(SCHEMAS))
    return found


def reachable(source: Source, node: Any) -> set[tuple[str, str]]:
    """Collect every schema that a node leads to, through any number of references."""
    schemas = source.document.get("components", {}).get("schemas", {})
    found: set[str] = set()
    waiting = referenced_names(node)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        if name not in schemas:
            raise Conflict(f"{source.where('')}: no schema is called {name}")
        found.add(name)
        waiting |= referenced_names(schemas[name])
    return {(source.name, name) for name in found}
