"""The published spec suits other tools, and is equivalent to the proved one."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from tests.spec.family import ERROR, VIDEOS, document, json_response, request, source
from wanflow.catalog.catalog import Catalog
from wanflow.catalog.schema_walk import iter_schemas
from wanflow.spec.build import build_from
from wanflow.spec.finish import finish, inline_unions, license_identifier, union_name
from wanflow.spec.schema.value_set import value_set_of

if TYPE_CHECKING:
    from wanflow.spec.build import BuildResult

Json = dict[str, Any]

ANSWER: Json = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "example": "task-1"},
        "model": {"type": "string"},
        "status": {"type": "string", "enum": ["pending", "done"], "example": "pending"},
        "object": {"type": "string", "enum": ["video.generation.task"]},
        "kind": {"type": "string", "enum": ["a", "b"]},
    },
}


def two_models(**info: Any) -> Json:
    """The published document of two models, whose failures are shown under the models' names."""
    received = []
    for model in ("nova-1", "nova-2"):
        example = {"model": model, "prompt": "a"}
        schema = request(model, prompt={"type": "string"})
        whole = document(schema, response=ANSWER, example=example)
        whole["info"].update(info)
        shown = {"example": {"error": {"code": 404, "message": f"no {model}"}}}
        whole["paths"][VIDEOS]["post"]["responses"]["404"] = json_response(
            {"$ref": "#/components/schemas/ErrorResponse"}, **shown
        )
        received.append(source(model, whole))
    assert ERROR
    return build_from(received, []).document


def response_media(document_: Json, status: str) -> Json:
    return document_["paths"][VIDEOS]["post"]["responses"][status]["content"]["application/json"]


def request_media(document_: Json) -> Json:
    return document_["paths"][VIDEOS]["post"]["requestBody"]["content"]["application/json"]


def test_the_union_of_requests_has_a_name():
    """It is derived from the path; generators use it, and the models are found in it."""
    made = two_models()
    assert request_media(made)["schema"] == {"$ref": "#/components/schemas/VideoGenerationRequest"}
    union = made["components"]["schemas"]["VideoGenerationRequest"]
    assert len(union["oneOf"]) == 2
    assert set(Catalog(made).models) == {"nova-1", "nova-2"}


@pytest.mark.parametrize(
    ("operation", "taken", "name"),
    [
        ("createVideoGeneration", {}, "VideoGenerationRequest"),
        ("createVideoGeneration", {"VideoGenerationRequest": {}}, "AnyVideoGenerationRequest"),
        ("create", {}, "CreateRequest"),
        ("", {}, "Request"),
    ],
)
def test_the_name_of_a_union_is_derived_and_unique(operation: str, taken: Json, name: str):
    """An existing schema keeps its name."""
    assert union_name(operation, taken) == name


def test_the_named_union_equals_the_proved_one(built: BuildResult):
    """Moved back into its operation, it is the union that was proved."""
    before = built.merge_result.document
    for path, item in inline_unions(built.document)["paths"].items():
        for method, node in item.items():
            if "requestBody" not in node:
                continue
            kept = node["requestBody"]["content"]["application/json"]["schema"]
            body = before["paths"][path][method]["requestBody"]
            assert kept == body["content"]["application/json"]["schema"]
    named = finish(before)
    for path in before["paths"]:
        for method, node in before["paths"][path].items():
            if "requestBody" in node:
                old = node["requestBody"]["content"]["application/json"]["schema"]
                body = named["paths"][path][method]["requestBody"]
                new = body["content"]["application/json"]["schema"]
                assert value_set_of(named, new).covers(value_set_of(before, old))
                assert value_set_of(before, old).covers(value_set_of(named, new))


def test_no_error_example_has_the_name_of_a_request_example():
    """A tool would take it for the expected response of the request."""
    made = two_models()
    requests = set(request_media(made)["examples"])
    assert requests == {"nova-1", "nova-2"}
    assert set(response_media(made, "404")["examples"]) == {"nova-1-404", "nova-2-404"}
    for status, response in made["paths"][VIDEOS]["post"]["responses"].items():
        shown = response.get("content", {}).get("application/json", {}).get("examples", {})
        assert status == "200" or not requests & set(shown)


def test_each_request_example_has_a_response_example():
    """Made of the example values in the response's schema, and of the request's model."""
    shown = response_media(two_models(), "200")["examples"]
    assert shown["nova-2"]["value"] == {
        "id": "task-1",
        "model": "nova-2",
        "status": "pending",
        "object": "video.generation.task",
    }
    assert set(shown) == {"nova-1", "nova-2"}


def test_a_response_without_example_values_gets_no_example():
    """If the schema has no value for a required property, nothing is made up."""
    answer = copy.deepcopy(ANSWER)
    answer["required"] = ["kind"]
    whole = document(request("nova-1"), response=answer, example={"model": "nova-1"})
    made = build_from([source("nova-1", whole)], []).document
    assert "examples" not in response_media(made, "200")


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("MIT", "MIT"),
        ("mit", "MIT"),
        ("Apache 2.0", "Apache-2.0"),
        ("Our own terms (2026)", "LicenseRef-Our-own-terms-2026"),
        ("", "LicenseRef-unnamed"),
    ],
)
def test_a_license_has_an_identifier(name: str, identifier: str):
    """That of SPDX if there is one, else a `LicenseRef-`, which SPDX allows."""
    assert license_identifier(name) == identifier
    made = two_models(license={"name": name})
    assert made["info"]["license"] == {"name": name, "identifier": identifier}


def test_a_license_with_a_url_keeps_it():
    """`url` and `identifier` exclude each other."""
    licence = {"name": "MIT", "url": "https://example.com"}
    assert two_models(license=licence)["info"]["license"] == licence


def test_the_citations_are_a_list(built: BuildResult):
    """A mapping with the key `default` would be a schema with a default to some tools."""
    cited = [
        schema["x-wanflow-rests-on"]
        for _, schema in iter_schemas(built.document)
        if "x-wanflow-rests-on" in schema
    ]
    assert cited
    assert all(set(one) == {"keyword", "sentence"} for entries in cited for one in entries)
