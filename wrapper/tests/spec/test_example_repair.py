"""An invalid example or default is fixed or removed; it is no reason to reject a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.spec.family import VIDEOS, document, request, source
from wanflow.spec.build import build_from
from wanflow.spec.checks.examples import invalid_examples

if TYPE_CHECKING:
    from wanflow.spec.build import BuildResult

Json = dict[str, Any]

BROKEN: dict[str, tuple[Json, str]] = {
    "a default of another type": ({"type": "integer", "default": "random"}, "default"),
    "a default out of its list": ({"enum": ["a"], "type": "string", "default": "b"}, "default"),
    "a default out of bounds": ({"type": "integer", "maximum": 4, "default": 5}, "default"),
    "a default that is null": ({"type": "string", "default": None}, "default"),
    "an example of another type": ({"type": "string", "example": 5}, "example"),
    "one of the examples": ({"type": "integer", "examples": [1, "x", 2, "y"]}, "examples/1"),
    "a default inside an object": (
        {"type": "object", "properties": {"deep": {"type": "boolean", "default": "yes"}}},
        "properties/deep/default",
    ),
    "an example of an entry": (
        {"type": "array", "items": {"type": "string", "format": "uri", "example": "no link"}},
        "items/example",
    ),
}


def built(data: Json) -> BuildResult:
    return build_from([source("nova", data)], [])


def properties(made: BuildResult) -> Json:
    found: Json = made.document["components"]["schemas"]["Nova1Request"]["properties"]
    return found


@pytest.mark.parametrize(("rule", "place"), BROKEN.values(), ids=BROKEN)
def test_an_invalid_example_or_default_is_removed_and_reported(rule: Json, place: str) -> None:
    """The source is imported; the warning names the line of the value."""
    received = source("nova", document(request("nova-1", word=rule)))
    made = build_from([received], [])
    at = f"/components/schemas/VideoGenerationRequest/properties/word/{place}"
    assert next(one.document for one in made.example_fixes) == "nova"
    line = received.lines[at]
    assert str(made.example_fixes[0]).startswith(f"nova.yaml:{line}#{at}: the ")
    assert list(invalid_examples(made.document)) == []
    assert "word" in properties(made)


def test_valid_examples_are_kept() -> None:
    """Only the invalid examples are removed."""
    made = built(document(request("nova-1", word=BROKEN["one of the examples"][0])))
    assert properties(made)["word"]["examples"] == [1, 2]


def test_a_request_example_gets_its_missing_properties_from_the_document() -> None:
    """The example of the property is used in the request example."""
    url = "https://example.com/a.png"
    urls = {"type": "array", "items": {"type": "string"}, "example": [url]}
    rule = request("nova-1", required=("model", "urls"), urls=urls)
    made = built(document(rule, example={"model": "nova-1"}))
    media = made.document["paths"][VIDEOS]["post"]["requestBody"]["content"]["application/json"]
    assert media["examples"]["nova-1"]["value"] == {"model": "nova-1", "urls": [url]}
    assert [one.left_out for one in made.example_fixes] == [False]


def test_a_request_example_that_cannot_be_fixed_is_removed() -> None:
    """Without a value for the property, the example is removed, and the source is imported."""
    rule = request("nova-1", required=("model", "p"), p={"type": "string"})
    made = built(document(rule, example={"model": "nova-1"}))
    media = made.document["paths"][VIDEOS]["post"]["requestBody"]["content"]["application/json"]
    assert not media.get("examples")
    assert "'p'" in str(made.example_fixes[0]) or '"p"' in str(made.example_fixes[0])


@pytest.mark.parametrize("status", ["200", "400", "default"])
def test_an_invalid_response_example_is_no_reason_to_reject(status: str) -> None:
    """This also holds for a shared response component, and for several named examples."""
    data = document(request("nova-1"))
    responses = data["paths"][VIDEOS]["post"]["responses"]
    answer = responses.setdefault(status, dict(responses["400"]))
    media = dict(answer["content"]["application/json"])
    media["examples"] = {"bad": {"value": 5}, "good": {"value": {}}}
    data["components"]["responses"] = {"Shared": {**answer, "content": {"application/json": media}}}
    responses[status] = {"$ref": "#/components/responses/Shared"}
    made = built(data)
    assert [one.left_out for one in made.example_fixes] == [True]
    assert "/components/responses/Shared/" in str(made.example_fixes[0])


VALUES = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3) | st.just([1])


@settings(max_examples=examples(40))
@given(default=VALUES, example=VALUES, shown=st.dictionaries(st.sampled_from("ab"), VALUES))
def test_no_example_makes_an_import_fail(default, example, shown) -> None:
    """With any values the source is imported, and the remaining examples are valid."""
    rule: Json = {"type": "integer", "minimum": 0, "default": default, "example": example}
    inner = {"type": "object", "properties": {"a": rule}, "example": shown}
    made = built(document(request("nova-1", a=rule, b=inner), example={"model": "nova-1", **shown}))
    assert list(invalid_examples(made.document)) == []
