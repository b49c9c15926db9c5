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
    document: JsonObject, calls: list[SourceOperation], names: Mapping[tuple[str, str], str]
) -> None:
    """Prove that no operation, status, media type, example or schema was lost, added or changed.

    `names` maps (source, name) to the name of the schema in the merged spec.

    Raises:
        ProofFailed: lists what is missing, added or changed.
    """
    grouped: dict[tuple[str, str], list[SourceOperation]] = {}
    for call in calls:
        grouped.setdefault((call.path, call.method), []).append(call)
    comparison = ResponseComparison(names)
    failed = [*_operations(document, grouped), *_components(document, calls, comparison)]
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
    document: JsonObject, calls: list[SourceOperation], comparison: ResponseComparison
) -> Iterator[str]:
    """Compare every named schema with those that it was merged from, except request variants."""
    requests = {node["$ref"] for node in requests_of(document).values() if "$ref" in node}
    sources = {call.source.name: call.source for call in calls}
    owners: dict[str, list[SourceStatement]] = {}
    for (source, old), new in sorted(comparison.names.items()):
        if SCHEMAS + new not in requests:
            schemas = sources[source].document["components"]["schemas"]
            told = SourceStatement(source, sources[source].document, schemas[old])
            owners.setdefault(new, []).append(told)
    schemas = document["components"]["schemas"]
    kept = {name for name in schemas if SCHEMAS + name not in requests}
    for name in sorted(kept ^ set(owners)):
        yield f"the schema {name} is {'lost' if name in owners else 'in no source'}"
    for name in sorted(kept & set(owners)):
        merged = SourceStatement(_MERGED, document, schemas[name])
        yield from comparison.failures(merged, owners[name], f"/components/schemas/{name}")


@frozen
class OperationCount:
    """One merged operation and the source operations that it was merged from."""

    document: JsonObject = field(repr=False)
    node: JsonObject = field(repr=False)
    calls: list[SourceOperation]
    comparison: ResponseComparison = field(repr=False)

    def failures(self) -> Iterator[str]:
        """Yield what the merged operation lost, added or changed."""
        for call in self.calls:
            yield from self._metadata(call)
        yield from self._parameters()
        yield from self._statuses()
        if self.calls[0].models and "requestBody" in self.node:
            shown = [(c, c.node["requestBody"]["content"][JSON_MEDIA]) for c in self.calls]
            media = self.node["requestBody"]["content"][JSON_MEDIA]
            yield from self._examples(media, shown, f"{self.name}: the request")

    @property
    def name(self) -> str:
        """The method and path of the operation."""
        return f"{self.calls[0].method.upper()} {self.calls[0].path}"

    def _metadata(self, call: SourceOperation) -> Iterator[str]:
        if not json_equal(self.node.get("security", []), call.node["security"]):
            yield f"{self.name}: its security differs from {call.source.name}"
        yield from self._servers(call)
        schemes = self.document["components"]["securitySchemes"]
        own = call.source.document.get("components", {}).get("securitySchemes", {})
        for name, scheme in own.items():
            if canonical_key(schemes.get(name)) != canonical_key(scheme):
                yield f"the security scheme {name} differs from {call.source.name}"
        for tag in call.node.get("tags", ()):
            if tag not in self.node.get("tags", ()):
                yield f"{self.name}: the tag {tag} of {call.source.name} is lost"

    def _servers(self, call: SourceOperation) -> Iterator[str]:
        """Compare the servers of a source's models with those in the merged spec."""
        holder = self.node if "servers" in self.node else self.document
        servers: list[JsonObject] = holder.get("servers", [])
        for model in call.models or (None,):
            kept = {server_url(s) for s in servers if model in s.get(SERVER_MODELS, [model])}
            own = {server_url(server) for server in call.node["servers"]}
            whose = f"of {call.source.name}" if model is None else f"of {model}"
            for url in sorted(own - kept):
                yield f"{self.name}: the server {url} {whose} is lost"
            if model is not None and (strange := sorted(kept - own)) and own:
                yield f"{self.name}: the server {strange[0]} is not one {whose}"

    def _parameters(self) -> Iterator[str]:
        told = {
            (parameter["in"], parameter["name"]): parameter
            for call in self.calls
            for parameter in call.node.get("parameters", ())
        }
        kept = {(p["in"], p["name"]): p for p in self.node.get("parameters", ())}
        for place, name in sorted(set(told) ^ set(kept)):
            yield f"{self.name}: the {place} parameter {name} is lost, or in no source"
        for key in set(told) & set(kept):
            if canonical_key(told[key]) != canonical_key(kept[key]):
                yield f"{self.name}: the {key[0]} parameter {key[1]} changed"

    def _statuses(self) -> Iterator[str]:
        told = {status for call in self.calls for status in call.node["responses"]}
        kept = self.node["responses"]
        for status in sorted(told ^ set(kept)):
            problem = "lost" if status in told else "in no source"
            yield f"{self.name}: the status {status} is {problem}"
        for status in sorted(told & set(kept)):
            having = [
                (call, call.node["responses"][status])
                for call in self.calls
                if status in call.node["responses"]
            ]
            yield from self._response(kept[status], having, f"{self.name} {status}")

    def _response(
        self, kept: JsonObject, having: list[tuple[SourceOperation, JsonObject]], at: str
    ) -> Iterator[str]:
        for key in ("headers", "links"):
            for call, told in having:
                for name in told.get(key, {}).keys() - kept.get(key, {}).keys():
                    yield f"{at}: {name} of the {key} of {call.source.name} is lost"
        kinds = {kind for _, told in having for kind in told.get("content", {})}
        if kinds != set(kept.get("content", {})):
            yield f"{at}: the media types are not {sorted(kinds)}"
            return
        for kind in sorted(kinds):
            medias = [(c, t["content"][kind]) for c, t in having if kind in t.get("content", {})]
            yield from self._examples(kept["content"][kind], medias, at)
            yield from self._schema(kept["content"][kind], medias, at)

    def _schema(
        self, kept: JsonObject, medias: list[tuple[SourceOperation, JsonObject]], at: str
    ) -> Iterator[str]:
        parts = [
            SourceStatement(call.source.name, call.source.document, media["schema"])
            for call, media in medias
            if "schema" in media
        ]
        if not parts:
            return
        if "schema" not in kept:
            yield f"{at}: the schema is lost"
            return
        merged = SourceStatement(_MERGED, self.document, kept["schema"])
        yield from self.comparison.failures(merged, parts, at)

    def _examples(
        self, kept: JsonObject, medias: list[tuple[SourceOperation, JsonObject]], at: str
    ) -> Iterator[str]:
        owners = {model: call for call, _ in medias for model in call.models}
        shown = kept.get("examples", {})
        for label, example in shown.items():
            named = _model_in(example.get("value"))
            if named is not None and label in owners and label != named:
                yield f"{at}: the example {label} is of the model {named}"
            own = [m for c, m in medias if label not in owners or owners[label] is c]
            if not any(_has_example(media, example.get("value")) for media in own):
                yield f"{at}: the example {label} isn't in its source"
        for call, media in medias:
            for value in _example_values(media):
                if not any(json_equal(value, example.get("value")) for example in shown.values()):
                    yield f"{at}: an example of {call.source.name} is lost: {json.dumps(value)}"


def _example_values(media: JsonObject) -> list[Any]:
    single = [media["example"]] if "example" in media else []
    return [*single, *(shown.get("value") for shown in media.get("examples", {}).values())]


def _has_example(media: JsonObject, value: Any) -> bool:
    return any(json_equal(value, other) for other in _example_values(media))


def _model_in(value: Any) -> str | None:
    node: Any = value
    named = node.get("model") if hasattr(node, "get") else None
    return named if isinstance(named, str) else None
