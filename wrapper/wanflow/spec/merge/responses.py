"""Merge the responses of source specs for one operation."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from wanflow.catalog.catalog import METHODS
from wanflow.catalog.document import JsonObject, escape_key, is_object
from wanflow.spec.errors import Conflict
from wanflow.spec.merge.decisions import DecisionKind, DecisionLog
from wanflow.spec.merge.naming import operation_id, to_pascal_case
from wanflow.spec.merge.union import SchemaUnion, SourceSchema
from wanflow.spec.read.yaml import json_equal
from wanflow.spec.schema.equality import canonical_key
from wanflow.spec.schema.operations import JSON_MEDIA, SCHEMAS, SourceOperation, describe_pair

if TYPE_CHECKING:
    from wanflow.spec.merge.components import ComponentMerger
    from wanflow.spec.read.source import SourceSpec

ERROR_SCHEMA = "ErrorResponse"


def hoist_inline_schemas(source: SourceSpec) -> SourceSpec:
    """Move inline response schemas of a source spec into named components.

    The names are derived from the path, as in most source specs: the response of
    POST /v1/videos/generations is a `VideoGenerationResponse`.
    """
    schemas: JsonObject = dict(source.document.get("components", {}).get("schemas", {}))
    known = len(schemas)
    paths = {
        path: {
            method: _hoist_in_operation(node, operation_id(method, path), schemas)
            if method in METHODS
            else node
            for method, node in item.items()
        }
        for path, item in source.document["paths"].items()
    }
    if len(schemas) == known and paths == source.document["paths"]:
        return source
    components = {**source.document.get("components", {}), "schemas": schemas}
    return evolve(source, document={**source.document, "paths": paths, "components": components})


def _hoist_in_operation(node: JsonObject, operation: str, schemas: JsonObject) -> JsonObject:
    responses = {
        status: _hoist_in_response(response, status, operation, schemas)
        for status, response in node.get("responses", {}).items()
    }
    return {**node, "responses": responses}


def _hoist_in_response(
    response: JsonObject, status: str, operation: str, schemas: JsonObject
) -> JsonObject:
    media = response.get("content", {}).get(JSON_MEDIA)
    if media is None or "properties" not in media.get("schema", {}):
        return response
    name = _unused_name(_default_name(status, operation), media["schema"], status, schemas)
    schemas[name] = media["schema"]
    named = {**media, "schema": {"$ref": SCHEMAS + name}}
    return {**response, "content": {**response["content"], JSON_MEDIA: named}}


def _default_name(status: str, operation: str) -> str:
    if not status.startswith("2"):
        return ERROR_SCHEMA
    words = operation.removeprefix("create")
    return f"{words[0].upper()}{words[1:]}Response"


def _unused_name(name: str, schema: JsonObject, status: str, schemas: JsonObject) -> str:
    for candidate in (
        name,
        f"{name}{to_pascal_case(status)}",
        f"{name}{to_pascal_case(status)}Body",
    ):
        if candidate not in schemas or canonical_key(schemas[candidate]) == canonical_key(schema):
            return candidate
    raise AssertionError(f"{name} and its alternatives are all taken")


def group_responses(operations: list[SourceOperation], components: ComponentMerger) -> None:
    """Merge the response schemas of one operation and status under one name.

    The name is the most common one, the first in alphabetical order if there are several.
    """
    usages: dict[tuple[str, str, str], list[tuple[SourceOperation, str]]] = {}
    for operation in operations:
        for status, response in operation.node["responses"].items():
            schema: Any = response.get("content", {}).get(JSON_MEDIA, {}).get("schema", {})
            if is_object(schema) and str(schema.get("$ref", "")).startswith(SCHEMAS):
                name = str(schema["$ref"]).removeprefix(SCHEMAS)
                usages.setdefault((operation.path, operation.method, status), []).append(
                    (operation, name)
                )
    for named in usages.values():
        counts = Counter(name for _, name in named)
        chosen = min(counts, key=lambda name: (-counts[name], name))
        for operation, name in named:
            components.group(operation.source, name, chosen)


def merge_examples(media_types: list[tuple[SourceOperation, JsonObject]]) -> JsonObject:
    """Return every example: as `default` if all are equal, else under the name of its model."""
    examples = [
        (operation, key, example)
        for operation, media in media_types
        for key, example in _examples_of(media)
    ]
    values = [example.get("value") for _, _, example in examples]
    all_equal = bool(values) and all(json_equal(value, values[0]) for value in values)
    if all_equal and not _names_model(values[0]):
        return {"default": examples[0][2]}
    return _by_label(examples)


def _by_label(examples: list[tuple[SourceOperation, str, JsonObject]]) -> JsonObject:
    by_label: JsonObject = {}
    for operation, key, example in examples:
        label = _label(example.get("value"), key, operation)
        for longer in (f"{label}-{key}", f"{operation.source.name}-{label}-{key}"):
            label = longer if label in by_label else label
        by_label[label] = example
    return dict(sorted(by_label.items()))


def _examples_of(media: JsonObject) -> list[tuple[str, JsonObject]]:
    single = [("example", {"value": media["example"]})] if "example" in media else []
    return [*single, *media.get("examples", {}).items()]


def _names_model(value: Any) -> bool:
    return is_object(value) and "model" in value


def _label(value: Any, key: str, operation: SourceOperation) -> str:
    named = value.get("model") if is_object(value) else None
    if named in operation.models:
        return str(named)
    if operation.models:
        return operation.models[0]
    return "default" if key == "example" else key


@frozen
class ResponseMerger:
    """Merges the responses of operations that share a path and a method."""

    components: ComponentMerger
    decisions: DecisionLog

    def merge(self, operations: list[SourceOperation], at: str) -> JsonObject:
        """Return the merged responses by status.

        Raises:
            Conflict: headers or links with the same name differ.
        """
        statuses = sorted(
            {status for operation in operations for status in operation.node["responses"]}
        )
        return {
            status: self._response(
                [
                    (c, c.node["responses"][status])
                    for c in operations
                    if status in c.node["responses"]
                ],
                f"{at}/responses/{status}",
            )
            for status in statuses
        }

    def _response(self, responses: list[tuple[SourceOperation, JsonObject]], at: str) -> JsonObject:
        texts = [
            (operation.source.name, node["description"])
            for operation, node in responses
            if "description" in node
        ]
        merged: JsonObject = {
            "description": SchemaUnion(self.decisions).choose_text(texts, f"{at}/description")
            if texts
            else ""
        }
        for key in ("headers", "links"):
            parts = {
                name: node
                for _, response in responses
                for name, node in response.get(key, {}).items()
            }
            self._reject_conflicts(responses, key, at)
            if parts:
                merged[key] = parts
                self._record_differences(responses, parts, f"{at}/{key}", key)
        kinds = list(
            dict.fromkeys(kind for _, node in responses for kind in node.get("content", {}))
        )
        if kinds:
            merged["content"] = {kind: self._media(responses, kind, at) for kind in kinds}
        return merged

    def _record_differences(
        self,
        responses: list[tuple[SourceOperation, JsonObject]],
        parts: JsonObject,
        at: str,
        key: str,
    ) -> None:
        """Record whose text for a header or a link was not chosen."""
        for operation, response in responses:
            for name, node in response.get(key, {}).items():
                if not json_equal(node, parts[name]):
                    text = "the text of another source"
                    self.decisions.add(
                        DecisionKind.CHOSEN, f"{at}/{name}", text, [operation.source.name]
                    )

    def _reject_conflicts(
        self, responses: list[tuple[SourceOperation, JsonObject]], key: str, at: str
    ) -> None:
        first: dict[str, tuple[SourceOperation, JsonObject]] = {}
        for operation, response in responses:
            for name, node in response.get(key, {}).items():
                owner, other = first.setdefault(name, (operation, node))
                if canonical_key(other) != canonical_key(node):
                    pair = describe_pair(owner, operation)
                    raise Conflict(f"{at}: two {key} named {name} differ: {pair}")

    def _media(
        self, responses: list[tuple[SourceOperation, JsonObject]], kind: str, at: str
    ) -> JsonObject:
        media_types = [
            (operation, node["content"][kind])
            for operation, node in responses
            if kind in node.get("content", {})
        ]
        schemas = [
            SourceSchema(
                operation.source.name,
                self.components.rename_references(operation.source, media["schema"]),
            )
            for operation, media in media_types
            if "schema" in media
        ]
        merged: JsonObject = {}
        if schemas:
            merged["schema"] = SchemaUnion(self.decisions).merge(
                schemas, f"{at}/content/{escape_key(kind)}/schema"
            )
        if examples := merge_examples(media_types):
            merged["examples"] = examples
        return merged
