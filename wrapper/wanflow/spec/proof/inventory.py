"""Prove that the merged spec has everything from its sources, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.catalog.document import SERVER_MODELS
from wanflow.spec.merge.servers import server_url
from wanflow.spec.proof.requests import require_proved
from wanflow.spec.proof.responses import ResponseComparison, SourceStatement
from wanflow.spec.read.yaml import json_equal
from wanflow.spec.schema.equality import canonical_key
from wanflow.spec.schema.index import requests_of
from wanflow.spec.schema.operations import JSON_MEDIA, SCHEMAS, SourceOperation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wanflow.catalog.document import JsonObject

_MERGED = "merged"


def prove_inventory(
    document: JsonObject, operations: list[SourceOperation], names: Mapping[tuple[str, str], str]
) -> None:
    """Prove that no operation, status, media type, example or schema was lost, added or changed.

    `names` maps (source, name) to the name of the schema in the merged spec.

    Raises:
        ProofFailed: lists what is missing, added or changed.
    """
    grouped: dict[tuple[str, str], list[SourceOperation]] = {}
    for operation in operations:
        grouped.setdefault((operation.path, operation.method), []).append(operation)
    comparison = ResponseComparison(names)
    failed = [*_operations(document, grouped), *_components(document, operations, comparison)]
    for key, group in grouped.items():
        node: JsonObject | None = document["paths"].get(key[0], {}).get(key[1])
        if node is not None:
            failed += OperationCount(document, node, group, comparison).failures()
    require_proved(failed)


def _operations(
    document: JsonObject, grouped: dict[tuple[str, str], list[SourceOperation]]
) -> Iterator[str]:
    there = {(path, method) for path, item in document["paths"].items() for method in item}
    for path, method in sorted(set(grouped) ^ there):
        lost = (path, method) in grouped
        yield f"{method.upper()} {path} is {'lost' if lost else 'in no source'}"
    ids = [document["paths"][path][method].get("operationId") for path, method in sorted(there)]
    for name in {name for name in ids if name is None or ids.count(name) > 1}:
        yield f"the operationId {name} is missing or not unique"


def _components(
    document: JsonObject, operations: list[SourceOperation], comparison: ResponseComparison
) -> Iterator[str]:
    """Compare every named schema with those that it was merged from, except request variants."""
    requests = {node["$ref"] for node in requests_of(document).values() if "$ref" in node}
    sources = {operation.source.name: operation.source for operation in operations}
    owners: dict[str, list[SourceStatement]] = {}
    for (source, old), new in sorted(comparison.names.items()):
        if SCHEMAS + new not in requests:
            schemas = sources[source].document["components"]["schemas"]
            expected = SourceStatement(source, sources[source].document, schemas[old])
            owners.setdefault(new, []).append(expected)
    schemas = document["components"]["schemas"]
    actual = {name for name in schemas if SCHEMAS + name not in requests}
    for name in sorted(actual ^ set(owners)):
        yield f"the schema {name} is {'lost' if name in owners else 'in no source'}"
    for name in sorted(actual & set(owners)):
        merged = SourceStatement(_MERGED, document, schemas[name])
        yield from comparison.failures(merged, owners[name], f"/components/schemas/{name}")


@frozen
class OperationCount:
    """One merged operation and the source operations that it was merged from."""

    document: JsonObject = field(repr=False)
    node: JsonObject = field(repr=False)
    operations: list[SourceOperation]
    comparison: ResponseComparison = field(repr=False)

    def failures(self) -> Iterator[str]:
        """Yield what the merged operation lost, added or changed."""
        for operation in self.operations:
            yield from self._metadata(operation)
        yield from self._parameters()
        yield from self._statuses()
        if self.operations[0].models and "requestBody" in self.node:
            shown = [(c, c.node["requestBody"]["content"][JSON_MEDIA]) for c in self.operations]
            media = self.node["requestBody"]["content"][JSON_MEDIA]
            yield from self._examples(media, shown, f"{self.name}: the request")

    @property
    def name(self) -> str:
        """The method and path of the operation."""
        return f"{self.operations[0].method.upper()} {self.operations[0].path}"

    def _metadata(self, operation: SourceOperation) -> Iterator[str]:
        if not json_equal(self.node.get("security", []), operation.node["security"]):
            yield f"{self.name}: its security differs from {operation.source.name}"
        yield from self._servers(operation)
        schemes = self.document["components"]["securitySchemes"]
        own = operation.source.document.get("components", {}).get("securitySchemes", {})
        for name, scheme in own.items():
            if canonical_key(schemes.get(name)) != canonical_key(scheme):
                yield f"the security scheme {name} differs from {operation.source.name}"
        for tag in operation.node.get("tags", ()):
            if tag not in self.node.get("tags", ()):
                yield f"{self.name}: the tag {tag} of {operation.source.name} is lost"

    def _servers(self, operation: SourceOperation) -> Iterator[str]:
        """Compare the servers of a source's models with those in the merged spec."""
        holder = self.node if "servers" in self.node else self.document
        servers: list[JsonObject] = holder.get("servers", [])
        for model in operation.models or (None,):
            actual = {server_url(s) for s in servers if model in s.get(SERVER_MODELS, [model])}
            own = {server_url(server) for server in operation.node["servers"]}
            owner = f"of {operation.source.name}" if model is None else f"of {model}"
            for url in sorted(own - actual):
                yield f"{self.name}: the server {url} {owner} is lost"
            if model is not None and (unexpected := sorted(actual - own)) and own:
                yield f"{self.name}: the server {unexpected[0]} is not one {owner}"

    def _parameters(self) -> Iterator[str]:
        expected = {
            (parameter["in"], parameter["name"]): parameter
            for operation in self.operations
            for parameter in operation.node.get("parameters", ())
        }
        actual = {(p["in"], p["name"]): p for p in self.node.get("parameters", ())}
        for location, name in sorted(set(expected) ^ set(actual)):
            yield f"{self.name}: the {location} parameter {name} is lost, or in no source"
        for key in set(expected) & set(actual):
            if canonical_key(expected[key]) != canonical_key(actual[key]):
                yield f"{self.name}: the {key[0]} parameter {key[1]} changed"

    def _statuses(self) -> Iterator[str]:
        expected = {
            status for operation in self.operations for status in operation.node["responses"]
        }
        actual = self.node["responses"]
        for status in sorted(expected ^ set(actual)):
            problem = "lost" if status in expected else "in no source"
            yield f"{self.name}: the status {status} is {problem}"
        for status in sorted(expected & set(actual)):
            responses = [
                (operation, operation.node["responses"][status])
                for operation in self.operations
                if status in operation.node["responses"]
            ]
            yield from self._response(actual[status], responses, f"{self.name} {status}")

    def _response(
        self, actual: JsonObject, responses: list[tuple[SourceOperation, JsonObject]], at: str
    ) -> Iterator[str]:
        for key in ("headers", "links"):
            for operation, expected in responses:
                for name in expected.get(key, {}).keys() - actual.get(key, {}).keys():
                    yield f"{at}: {name} of the {key} of {operation.source.name} is lost"
        kinds = {kind for _, expected in responses for kind in expected.get("content", {})}
        if kinds != set(actual.get("content", {})):
            yield f"{at}: the media types are not {sorted(kinds)}"
            return
        for kind in sorted(kinds):
            medias = [(c, t["content"][kind]) for c, t in responses if kind in t.get("content", {})]
            yield from self._examples(actual["content"][kind], medias, at)
            yield from self._schema(actual["content"][kind], medias, at)

    def _schema(
        self, actual: JsonObject, medias: list[tuple[SourceOperation, JsonObject]], at: str
    ) -> Iterator[str]:
        parts = [
            SourceStatement(operation.source.name, operation.source.document, media["schema"])
            for operation, media in medias
            if "schema" in media
        ]
        if not parts:
            return
        if "schema" not in actual:
            yield f"{at}: the schema is lost"
            return
        merged = SourceStatement(_MERGED, self.document, actual["schema"])
        yield from self.comparison.failures(merged, parts, at)

    def _examples(
        self, actual: JsonObject, medias: list[tuple[SourceOperation, JsonObject]], at: str
    ) -> Iterator[str]:
        owners = {model: operation for operation, _ in medias for model in operation.models}
        shown = actual.get("examples", {})
        for label, example in shown.items():
            named = _model_in(example.get("value"))
            if named is not None and label in owners and label != named:
                yield f"{at}: the example {label} is of the model {named}"
            own = [m for c, m in medias if label not in owners or owners[label] is c]
            if not any(_has_example(media, example.get("value")) for media in own):
                yield f"{at}: the example {label} isn't in its source"
        for operation, media in medias:
            for value in _example_values(media):
                if not any(json_equal(value, example.get("value")) for example in shown.values()):
                    text = json.dumps(value)
                    yield f"{at}: an example of {operation.source.name} is lost: {text}"


def _example_values(media: JsonObject) -> list[Any]:
    single = [media["example"]] if "example" in media else []
    return [*single, *(shown.get("value") for shown in media.get("examples", {}).values())]


def _has_example(media: JsonObject, value: Any) -> bool:
    return any(json_equal(value, other) for other in _example_values(media))


def _model_in(value: Any) -> str | None:
    node: Any = value
    named = node.get("model") if hasattr(node, "get") else None
    return named if isinstance(named, str) else None
