"""Build small source specs for tests."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from wanflow.spec.merge.merge import MergeResult, merge
from wanflow.spec.read.source import SourceSpec, source_from_text
from wanflow.spec.read.yaml import write_yaml

Json = dict[str, Any]

VIDEOS = "/v1/videos/generations"
SERVER = "https://api.example.com/apiv1"

RESPONSE: Json = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "status": {"type": "string"}},
}
ERROR: Json = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
        }
    },
}


def request(*models: str, required: tuple[str, ...] = ("model",), **properties: Json) -> Json:
    """A request schema that names its models in an enum."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {"model": {"type": "string", "enum": list(models)}, **properties},
    }


def document(
    schema: Json,
    *,
    path: str = VIDEOS,
    name: str = "VideoGenerationRequest",
    response: Json = RESPONSE,
    error: Json = ERROR,
    statuses: tuple[str, ...] = ("400",),
    example: Json | None = None,
    **schemas: Json,
) -> Json:
    """A complete document with one submission."""
    failure = {"$ref": "#/components/schemas/ErrorResponse"}
    media: Json = {"schema": {"$ref": f"#/components/schemas/{name}"}}
    if example is not None:
        media["examples"] = {"shown": {"value": example}}
    responses = {status: json_response(failure) for status in statuses}
    responses["200"] = json_response({"$ref": "#/components/schemas/VideoGenerationResponse"})
    return {
        "openapi": "3.1.0",
        "info": {"title": "A model", "version": "1.0.0"},
        "servers": [{"url": SERVER}],
        "security": [{"bearerAuth": []}],
        "paths": {
            path: {
                "post": {
                    "operationId": "createSomething",
                    "requestBody": {"required": True, "content": {"application/json": media}},
                    "responses": responses,
                }
            }
        },
        "components": {
            "schemas": {
                name: schema,
                # Copies, so that a test that changes its document changes no other test's.
                "VideoGenerationResponse": deepcopy(response),
                "ErrorResponse": deepcopy(error),
                **schemas,
            },
            "securitySchemes": {"bearerAuth": {"type": "http", "scheme": "bearer"}},
        },
    }


def json_response(schema: Json, **media: Any) -> Json:
    """A response whose body has a schema."""
    return {"description": "so", "content": {"application/json": {"schema": schema, **media}}}


def source(name: str, data: Json) -> SourceSpec:
    """A source spec with a name."""
    return source_from_text(write_yaml(data), name)


def merged(**documents: Json) -> MergeResult:
    """Merge documents, with their server as the default."""
    return merge([source(name, data) for name, data in documents.items()], SERVER)


def post(made: MergeResult, path: str = VIDEOS) -> Json:
    """The merged submission."""
    node: Json = made.document["paths"][path]["post"]
    return node


def schemas(made: MergeResult) -> Json:
    """The merged schemas."""
    found: Json = made.document["components"]["schemas"]
    return found
