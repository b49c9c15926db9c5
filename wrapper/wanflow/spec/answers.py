"""Give the answers of one operation one name, so that they are merged and not set side by side."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import evolve

from wanflow.spec.call import JSON_MEDIA, SCHEMAS, Call
from wanflow.spec.catalog import METHODS
from wanflow.spec.document import Json, is_object
from wanflow.spec.likeness import key_of
from wanflow.spec.naming import operation_id, pascal

if TYPE_CHECKING:
    from wanflow.spec.components import Components
    from wanflow.spec.source import Source

ERROR = "ErrorResponse"


def hoisted(source: Source) -> Source:
    """Return a source whose answers' schemas have names: those written in place get one.

    What the document means stays the same. The names are those that the family uses, made of the
    path: POST /v1/videos/generations answers with a `VideoGenerationResponse`.
    """
    schemas: Json = dict(source.document.get("components", {}).get("schemas", {}))
    known = len(schemas)
    paths = {
        path: {
            method: _named(node, operation_id(method, path), schemas) if method in METHODS else node
            for method, node in item.items()
        }
        for path, item in source.document["paths"].items()
    }
    if len(schemas) == known and paths == source.document["paths"]:
        return source
    components = {**source.document.get("components", {}), "schemas": schemas}
    return evolve(source, document={**source.document, "paths": paths, "components": components})


def _named(node: Json, operation: str, schemas: Json) -> Json:
    responses = {
        status: _named_answer(answer, status, operation, schemas)
        for status, answer in node.get("responses", {}).items()
    }
    return {**node, "responses": responses}


def _named_answer(answer: Json, status: str, operation: str, schemas: Json) -> Json:
    media = answer.get("content", {}).get(JSON_MEDIA)
    if media is None or "properties" not in media.get("schema", {}):
        return answer
    name = _free_name(_usual_name(status, operation), media["schema"], status, schemas)
    schemas[name] = media["schema"]
    named = {**media, "schema": {"$ref": SCHEMAS + name}}
    return {**answer, "content": {**answer["content"], JSON_MEDIA: named}}


def _usual_name(status: str, operation: str) -> str:
    if not status.startswith("2"):
        return ERROR
    words = operation.removeprefix("create")
    return f"{words[0].upper()}{words[1:]}Response"


def _free_name(name: str, schema: Json, status: str, schemas: Json) -> str:
    for candidate in (name, f"{name}{pascal(status)}", f"{name}{pascal(status)}Body"):
        if candidate not in schemas or key_of(schemas[candidate]) == key_of(schema):
            return candidate
    raise AssertionError(f"{name} is taken three times over")


def group_answers(calls: list[Call], components: Components) -> None:
    """Take the schemas that answer one operation with one status for one schema.

    They go under the name that most documents give it, the first by the alphabet where several do.
    """
    places: dict[tuple[str, str, str], list[tuple[Call, str]]] = {}
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
