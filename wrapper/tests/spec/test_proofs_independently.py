"""Check the proofs independently: random bodies, and another validator."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.examples import examples
from wanflow.spec.schema.operations import JSON_MEDIA, SourceOperation

if TYPE_CHECKING:
    from wanflow.spec.build import BuildResult

Json = dict[str, Any]

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 20) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=3,
)
URIS = st.sampled_from(["https://example.com/a.png", "http://127.0.0.1/", "gs://bucket/key"])


def values(schema: Json) -> st.SearchStrategy[Any]:
    """Values that are mostly valid for a schema, at its bounds and just beyond."""
    if "enum" in schema:
        return st.sampled_from([*schema["enum"]] * 8 + ["another"])
    if schema.get("format") == "uri":
        return URIS
    longest = schema.get("maxLength")
    edges = ["x" * size for size in (longest, longest + 1)] if longest else []
    kinds = {
        "integer": st.integers(-2, 20),
        "boolean": st.booleans(),
        "string": st.text(max_size=8) | st.sampled_from(["x", "y", "z", *edges]),
        "object": st.deferred(lambda: bodies(schema)),
        "array": st.deferred(
            lambda: st.lists(values(schema["items"]), max_size=schema.get("maxItems", 3))
        ),
    }
    return kinds.get(schema.get("type", ""), ANYTHING)


def bodies(schema: Json) -> st.SearchStrategy[Any]:
    """Objects of a schema's properties: complete, with a wrong type, or with one missing."""
    properties = {name: values(rule) for name, rule in schema.get("properties", {}).items()}
    required = {name: properties[name] for name in schema.get("required", ())}
    optional = {name: value for name, value in properties.items() if name not in required}
    whole = st.fixed_dictionaries(required, optional=optional)
    names = st.sampled_from([*properties, "unheard_of"])
    changed = st.tuples(whole, names, ANYTHING).map(lambda t: {**t[0], t[1]: t[2]})
    thinned = st.tuples(whole, names).map(
        lambda t: {key: value for key, value in t[0].items() if key != t[1]}
    )
    return whole | whole | changed | thinned


def validator_of(document: Json, schema: Json) -> Draft202012Validator:
    """Return the validator of another library; references are resolved in the document."""
    return Draft202012Validator({**copy.deepcopy(schema), "components": document["components"]})


def source_accepts(call: SourceOperation, body: Any) -> bool:
    """Return whether a source's schema accepts a body, for its own models."""
    assert call.request is not None
    valid: bool = validator_of(call.source.document, call.request).is_valid(body)
    return valid and isinstance(body, dict) and body.get("model") in call.models


def submissions(built: BuildResult) -> dict[str, list[SourceOperation]]:
    grouped: dict[str, list[SourceOperation]] = {}
    for call in built.merge_result.operations:
        if call.models:
            grouped.setdefault(call.path, []).append(call)
    return grouped


@pytest.mark.parametrize("path", ["/v1/videos/generations", "/v1/images/generations"])
@given(data=st.data())
@settings(max_examples=examples(250))
def test_the_merged_request_accepts_what_some_source_accepts(built: BuildResult, path: str, data):
    """A body is valid for the merged request if and only if it is valid for one of the sources."""
    calls = submissions(built)[path]
    assert len(calls) >= 2
    drawn_from = data.draw(st.sampled_from(calls))
    schema = drawn_from.source.document["components"]["schemas"]
    name = drawn_from.request["$ref"].rpartition("/")[2]
    body = data.draw(bodies(schema[name]) | ANYTHING)
    document = built.merge_result.document
    media = document["paths"][path]["post"]["requestBody"]["content"][JSON_MEDIA]
    taken = validator_of(document, {"oneOf": media["schema"]["oneOf"]}).is_valid(body)
    assert taken == any(source_accepts(call, body) for call in calls)


@pytest.mark.parametrize("path", ["/v1/videos/generations", "/v1/images/generations"])
def test_the_generated_bodies_are_both_valid_and_invalid(built: BuildResult, path: str):
    """The test above is meaningful: many bodies are valid, and many are not."""
    verdicts: list[bool] = []

    for call in submissions(built)[path]:
        schema = call.source.document["components"]["schemas"]
        name = call.request["$ref"].rpartition("/")[2]

        @given(body=bodies(schema[name]), call=st.just(call))
        @settings(max_examples=examples(60), database=None, derandomize=True)
        def judged(body: Any, call: SourceOperation) -> None:
            verdicts.append(source_accepts(call, body))

        judged()
    assert verdicts.count(True) > 10
    assert verdicts.count(False) > 10


@given(data=st.data())
@settings(max_examples=examples(250))
def test_an_overlay_accepts_nothing_that_a_source_rejects(built: BuildResult, data):
    """A body that the final spec accepts is valid for its source."""
    calls = [call for group in submissions(built).values() for call in group]
    call = data.draw(st.sampled_from(calls))
    name = call.request["$ref"].rpartition("/")[2]
    final = built.document["components"]["schemas"]
    body = data.draw(bodies(final[name]))
    if validator_of(built.document, {"$ref": f"#/components/schemas/{name}"}).is_valid(body):
        assert source_accepts(call, body)
