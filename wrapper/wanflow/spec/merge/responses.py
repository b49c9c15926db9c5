"""Merge the responses of source specs for one operation."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from wanflow.catalog.catalog import METHODS
from wanflow.catalog.document import JsonObject, is_object
from wanflow.spec.errors import Conflict
from wanflow.spec.merge.decisions import DecisionKind, DecisionLog
from wanflow.spec.merge.naming import operation_id, to_pascal_case
from wanflow.spec.merge.union import SchemaUnion, SourceSchema
from wanflow.spec.read.yaml import escape_key, json_equal
from wanflow.spec.schema.equality import canonical_key
from wanflow.spec.schema.operations import JSON_MEDIA, SCHEMAS, SourceOperation, describe_pair

if TYPE_CHECKING:
    from wanflow.catalog.document import JsonObject
    from wanflow.spec.merge.components import ComponentMerger
    from wanflow.spec.read.source import SourceSpec
    from wanflow.spec.schema.operations import SourceOperation

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
        status: _hoist_in_response(answer, status, operation, schemas)
        for status, answer in node.get("responses", {}).items()
    }
    return {**node, "responses": responses}


def _hoist_in_response(
    answer: JsonObject, status: str, operation: str, schemas: JsonObject
) -> JsonObject:
    media = answer.get("content", {}).get(JSON_MEDIA)
    if media is None or "properties" not in media.get("schema", {}):
        return answer
    name = _unused_name(_default_name(status, operation), media["schema"], status, schemas)
    schemas[name] = media["schema"]
    named = {**media, "schema": {"$ref": SCHEMAS + name}}
    return {**answer, "content": {**answer["content"], JSON_MEDIA: named}}


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


def group_responses(calls: list[SourceOperation], components: ComponentMerger) -> None:
    """Merge the response schemas of one operation and status under one name.

    The name is the most common one, the first in alphabetical order if there are several.
    """
    places: dict[tuple[str, str, str], list[tuple[SourceOperation, str]]] = {}
    for call in calls:
        for status, answer in call.node["responses"].items():
            schema: Any = answer.get("content", {}).get(JSON_MEDIA, {}).get("schema", {})
            if is_object(schema) and str(schema.get("$ref", "")).startswith(SCHEMAS):
                name = str(schema["$ref"]).removeprefix(SCHEMAS)
                places.setdefault((call.path, call.method, status), []).append((call, name))
    for named in places.values():
        counts = Counter(name for _, name in named)
        chosen = min(counts, key=lambda name: (-counts[name], name))
        for call, name in named:
            components.group(call.source, name, chosen)


def merge_examples(having: list[tuple[SourceOperation, JsonObject]]) -> JsonObject:
    """Return every example: as `default` if all are equal, else under the name of its model."""
    shown = [(call, key, example) for call, media in having for key, example in _examples_of(media)]
    values = [example.get("value") for _, _, example in shown]
    agreed = bool(values) and all(json_equal(value, values[0]) for value in values)
    if agreed and not _names_model(values[0]):
        return {"default": shown[0][2]}
    return _by_label(shown)


def _by_label(shown: list[tuple[SourceOperation, str, JsonObject]]) -> JsonObject:
    filed: JsonObject = {}
    for call, key, example in shown:
        label = _label(example.get("value"), key, call)
        for longer in (f"{label}-{key}", f"{call.source.name}-{label}-{key}"):
            label = longer if label in filed else label
        filed[label] = example
    return dict(sorted(filed.items()))


def _examples_of(media: JsonObject) -> list[tuple[str, JsonObject]]:
    single = [("example", {"value": media["example"]})] if "example" in media else []
    return [*single, *media.get("examples", {}).items()]


def _names_model(value: Any) -> bool:
    return is_object(value) and "model" in value


def _label(value: Any, key: str, call: SourceOperation) -> str:
    named = value.get("model") if is_object(value) else None
    if named in call.models:
        return str(named)
    if call.models:
        return call.models[0]
    return "default" if key == "example" else key


@frozen
class ResponseMerger:
    """Merges the responses of operations that share a path and a method."""

    components: ComponentMerger
    decisions: DecisionLog

    def merge(self, calls: list[SourceOperation], at: str) -> JsonObject:
        """Return the merged responses by status.

        Raises:
            Conflict: headers or links with the same name differ.
        """
        statuses = sorted({status for call in calls for status in call.node["responses"]})
        return {
            status: self._response(
                [(c, c.node["responses"][status]) for c in calls if status in c.node["responses"]],
                f"{at}/responses/{status}",
            )
            for status in statuses
        }

    def _response(self, said: list[tuple[SourceOperation, JsonObject]], at: str) -> JsonObject:
        texts = [
            (call.source.name, node["description"]) for call, node in said if "description" in node
        ]
        merged: JsonObject = {
            "description": SchemaUnion(self.decisions).choose_text(texts, f"{at}/description")
            if texts
            else ""
        }
        for key in ("headers", "links"):
            parts = {
                name: node for _, response in said for name, node in response.get(key, {}).items()
            }
            self._reject_conflicts(said, key, at)
            if parts:
                merged[key] = parts
                self._record_differences(said, parts, f"{at}/{key}", key)
        kinds = list(dict.fromkeys(kind for _, node in said for kind in node.get("content", {})))
        if kinds:
            merged["content"] = {kind: self._media(said, kind, at) for kind in kinds}
        return merged

    def _record_differences(
        self, said: list[tuple[SourceOperation, JsonObject]], parts: JsonObject, at: str, key: str
    ) -> None:
        """Record whose text for a header or a link was not chosen."""
        for call, response in said:
            for name, node in response.get(key, {}).items():
                if not json_equal(node, parts[name]):
                    text = "the text of another source"
                    self.decisions.add(
                        DecisionKind.CHOSEN, f"{at}/{name}", text, [call.source.name]
                    )

    def _reject_conflicts(
        self, said: list[tuple[SourceOperation, JsonObject]], key: str, at: str
    ) -> None:
        first: dict[str, tuple[SourceOperation, JsonObject]] = {}
        for call, response in said:
            for name, node in response.get(key, {}).items():
                owner, other = first.setdefault(name, (call, node))
                if canonical_key(other) != canonical_key(node):
                    pair = describe_pair(owner, call)
                    raise Conflict(f"{at}: two {key} named {name} differ: {pair}")

    def _media(
        self, said: list[tuple[SourceOperation, JsonObject]], kind: str, at: str
    ) -> JsonObject:
        having = [
            (call, node["content"][kind]) for call, node in said if kind in node.get("content", {})
        ]
        schemas = [
            SourceSchema(
                call.source.name, self.components.rename_references(call.source, media["schema"])
            )
            for call, media in having
            if "schema" in media
        ]
        merged: JsonObject = {}
        if schemas:
            merged["schema"] = SchemaUnion(self.decisions).merge(
                schemas, f"{at}/content/{escape_key(kind)}/schema"
            )
        if examples := merge_examples(having):
            merged["examples"] = examples
        return merged
