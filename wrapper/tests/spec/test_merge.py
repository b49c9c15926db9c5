"""Operations with the same path and method are merged, and nothing of a source is lost."""

from __future__ import annotations

from itertools import permutations

import pytest

from tests.spec.family import (
    ERROR,
    RESPONSE,
    VIDEOS,
    document,
    json_response,
    merged,
    post,
    request,
    schemas,
    source,
)
from wanflow.catalog.document import resolve_ref
from wanflow.spec.errors import Conflict, InvalidDocument
from wanflow.spec.merge.decisions import DecisionKind, format_report
from wanflow.spec.merge.merge import merge
from wanflow.spec.proof.inventory import prove_inventory
from wanflow.spec.proof.requests import prove_requests

TEXT = {"type": "string"}


def proved(**documents: dict) -> object:
    made = merged(**documents)
    prove_requests(made.document, made.operations)
    prove_inventory(made.document, made.operations, made.schema_names)
    return made


def test_requests_become_variants_with_a_discriminator():
    """Same path and method: one operation, whose request is a union discriminated by `model`."""
    made = proved(a=document(request("nova-1")), b=document(request("nova-2", prompt=TEXT)))
    schema = post(made)["requestBody"]["content"]["application/json"]["schema"]
    assert [member["$ref"].rpartition("/")[2] for member in schema["oneOf"]] == [
        "Nova1Request",
        "Nova2Request",
    ]
    assert schema["discriminator"] == {
        "propertyName": "model",
        "mapping": {
            "nova-1": "#/components/schemas/Nova1Request",
            "nova-2": "#/components/schemas/Nova2Request",
        },
    }


def test_the_order_of_the_sources_does_not_matter():
    """Any order of the sources gives the same spec and the same report."""
    sources = [
        source(
            "a", document(request("nova-1", prompt=TEXT), response={**RESPONSE, "title": "One"})
        ),
        source("b", document(request("nova-2"), response={**RESPONSE, "title": "Two"})),
        source("c", document(request("nova-3"), statuses=("402", "413"))),
    ]
    made = [merge(order) for order in permutations(sources)]
    assert len(made) == 6
    assert all(one.document == made[0].document for one in made)
    assert len({format_report(one.decisions, "abc") for one in made}) == 1


def test_two_requests_of_one_name_are_renamed_and_never_merged():
    """Two `VideoGenerationRequest`s stay two, with the names of their models."""
    made = proved(
        a=document(request("nova-1", prompt=TEXT)), b=document(request("nova-2", prompt=TEXT))
    )
    assert {"Nova1Request", "Nova2Request"} <= schemas(made).keys()
    assert "VideoGenerationRequest" not in schemas(made)
    renamed = {d.pointer for d in made.decisions if d.kind is DecisionKind.RENAMED}
    assert renamed == {"/components/schemas/Nova1Request", "/components/schemas/Nova2Request"}


def test_a_new_source_renames_no_existing_request():
    """A request is always named after its model, so another source doesn't change it."""
    first = document(request("nova-1", prompt=TEXT))
    alone = proved(a=first)
    beside = proved(a=first, b=document(request("nova-2")))
    assert schemas(alone)["Nova1Request"] == schemas(beside)["Nova1Request"]
    assert post(alone)["operationId"] == post(beside)["operationId"] == "createVideoGeneration"


def test_schemas_that_differ_in_annotations_are_one():
    """Description, example, title and order don't make a schema different; each example is kept."""
    one = {
        "type": "object",
        "title": "One",
        "properties": {"id": {"type": "string", "example": "x"}, "n": {"type": "integer"}},
    }
    two = {
        "properties": {
            "n": {"type": "integer", "description": "n"},
            "id": {"example": "y", **TEXT},
        },
        "description": "Two",
        "type": "object",
    }
    made = proved(
        a=document(request("nova-1"), response=one), b=document(request("nova-2"), response=two)
    )
    kept = schemas(made)["VideoGenerationResponse"]
    assert kept["properties"]["id"]["examples"] == ["x", "y"]
    assert kept["description"] == "Two"
    assert "VideoGenerationResponseB" not in schemas(made)
    assert not [
        d for d in made.decisions if d.kind in (DecisionKind.KEPT_APART, DecisionKind.WIDENED)
    ]


@pytest.mark.parametrize(
    ("shown", "kept"),
    [
        ((1.2, 5), {"examples": [1.2, 5], "x-wanflow-examples": {"a": 1.2, "b": 5}}),
        ((5, 5), {"example": 5}),
        ((1.2, None), {"example": 1.2}),
        (("1.2", "5"), {"examples": ["1.2", "5"]}),
        ((True, 5), {"examples": [True, 5]}),
    ],
    ids=["numbers", "equal", "one", "texts", "a truth value"],
)
def test_numbers_that_differ_keep_the_names_of_their_sources(shown, kept):
    """Which source has which number as its example stays known, as the price of its model."""
    one, two = (
        {"type": "object", "properties": {"cost": {} if value is None else {"example": value}}}
        for value in shown
    )
    made = proved(
        a=document(request("nova-1"), response=one), b=document(request("nova-2"), response=two)
    )
    assert schemas(made)["VideoGenerationResponse"]["properties"]["cost"] == kept


def test_a_short_and_a_full_response_are_merged():
    """Properties of either are included; required is what both require."""
    thin = {"type": "object", "required": ["id"], "properties": {"id": TEXT}}
    full = {
        "type": "object",
        "required": ["id", "status"],
        "properties": {"id": TEXT, "status": {"enum": ["a"], **TEXT}, "usage": {"type": "object"}},
    }
    made = proved(
        a=document(request("nova-1"), response=thin), b=document(request("nova-2"), response=full)
    )
    kept = schemas(made)["VideoGenerationResponse"]
    assert kept["required"] == ["id"]
    assert list(kept["properties"]) == ["id", "status", "usage"]
    assert any("`status` is required only by some" in d.text for d in made.decisions)


def test_a_code_that_is_an_integer_or_a_string_is_either():
    """`code` as integer and as string becomes both."""
    word = {
        "type": "object",
        "properties": {"error": {"type": "object", "properties": {"code": TEXT}}},
    }
    made = proved(
        a=document(request("nova-1"), error=ERROR), b=document(request("nova-2"), error=word)
    )
    error = schemas(made)["ErrorResponse"]["properties"]["error"]
    assert error["properties"]["code"] == {"type": ["integer", "string"]}
    assert "message" in error["properties"]


@pytest.mark.parametrize(
    ("one", "two", "together"),
    [
        ({"enum": ["a"], **TEXT}, {"enum": ["b", "a"], **TEXT}, {"enum": ["a", "b"], **TEXT}),
        ({"enum": ["a"], **TEXT}, TEXT, TEXT),
        (
            {"type": "integer", "minimum": 0, "maximum": 9},
            {"type": "integer", "minimum": 5},
            {"type": "integer", "minimum": 0},
        ),
        ({"maxLength": 5, **TEXT}, {"maxLength": 9, **TEXT}, {"maxLength": 9, **TEXT}),
        ({"type": "integer"}, {"type": "boolean"}, {"type": ["boolean", "integer"]}),
    ],
    ids=["enums", "a list and any text", "overlapping bounds", "lengths", "types"],
)
def test_an_exact_union_is_one_schema(one, two, together):
    """Enums are united, bounds and types widened, if that is exactly the union."""
    answers = [{"type": "object", "properties": {"x": part}} for part in (one, two)]
    made = proved(
        a=document(request("nova-1"), response=answers[0]),
        b=document(request("nova-2"), response=answers[1]),
    )
    assert schemas(made)["VideoGenerationResponse"]["properties"]["x"] == together
    assert any(d.kind is DecisionKind.WIDENED for d in made.decisions)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"type": "integer", "maximum": 3}, {"type": "integer", "minimum": 7}),
        ({"pattern": "^a", **TEXT}, {"pattern": "^b", **TEXT}),
        ({"format": "uri", **TEXT}, TEXT | {"maxLength": 3}),
        ({"minimum": 0, "type": "integer"}, {"type": "string", "maxLength": 1}),
        (TEXT, {"type": "object", "properties": {"id": TEXT}}),
    ],
    ids=["a gap", "patterns", "format and length", "bounded types", "text and object"],
)
def test_an_inexact_union_stays_an_any_of(one, two):
    """If one schema would accept what neither does, both stay as alternatives."""
    answers = [{"type": "object", "properties": {"x": part}} for part in (one, two)]
    made = proved(
        a=document(request("nova-1"), response=answers[0]),
        b=document(request("nova-2"), response=answers[1]),
    )
    kept = schemas(made)["VideoGenerationResponse"]["properties"]["x"]
    assert sorted(map(str, kept["anyOf"])) == sorted(map(str, (one, two)))


def test_schemas_that_cannot_be_merged_are_kept_apart():
    """A closed and an open object of one name: two names, and an anyOf where they are used."""
    closed = {"type": "object", "properties": {"n": TEXT}, "additionalProperties": False}
    opened = {"type": "object", "properties": {"n": TEXT}}
    answer = {"type": "object", "properties": {"usage": {"$ref": "#/components/schemas/Usage"}}}
    made = proved(
        a=document(request("nova-1"), response=answer, Usage=closed),
        b=document(request("nova-2"), response=answer, Usage=opened),
        c=document(request("nova-3"), response=answer, Usage=opened),
    )
    assert schemas(made)["Usage"] == opened, "the one that most documents have keeps the name"
    assert schemas(made)["UsageA"] == closed
    kept = schemas(made)["VideoGenerationResponse"]["properties"]["usage"]
    assert {b["$ref"].rpartition("/")[2] for b in kept["anyOf"]} == {"Usage", "UsageA"}
    assert any(d.kind is DecisionKind.KEPT_APART for d in made.decisions)


def test_parts_of_requests_are_merged_only_if_equal():
    """A union of two requests' `Options` would let each accept what only the other does."""
    use = {"options": {"$ref": "#/components/schemas/Options"}}
    one = {"type": "object", "properties": {"fast": {"type": "boolean"}}}
    two = {"type": "object", "properties": {"slow": {"type": "boolean"}}}
    made = proved(
        a=document(request("nova-1", **use), Options=one),
        b=document(request("nova-2", **use), Options=two),
        c=document(request("nova-3", **use), Options={**one, "description": "the same"}),
    )
    assert set(schemas(made)) >= {"Options", "OptionsB"}
    assert "description" in schemas(made)["Options"]


def test_every_example_is_kept_under_its_model():
    """Examples are named by model; if all sources agree, there is one, called default."""
    answers = []
    for model in ("nova-1", "nova-2"):
        data = document(request(model, prompt=TEXT), example={"model": model, "prompt": "hi"})
        responses = data["paths"][VIDEOS]["post"]["responses"]
        failure = {"$ref": "#/components/schemas/ErrorResponse"}
        responses["400"] = json_response(failure, example={"error": {"code": 400}})
        responses["404"] = json_response(failure, example={"error": {"message": f"not {model}"}})
        answers.append(data)
    made = proved(a=answers[0], b=answers[1])
    node = post(made)
    shown = node["requestBody"]["content"]["application/json"]["examples"]
    assert {name: example["value"]["model"] for name, example in shown.items()} == {
        "nova-1": "nova-1",
        "nova-2": "nova-2",
    }
    answered_400 = node["responses"]["400"]["content"]["application/json"]["examples"]
    assert answered_400 == {"default": {"value": {"error": {"code": 400}}}}
    answered_404 = node["responses"]["404"]["content"]["application/json"]["examples"]
    assert {name: e["value"]["error"]["message"] for name, e in answered_404.items()} == {
        "nova-1": "not nova-1",
        "nova-2": "not nova-2",
    }


def test_one_source_may_have_several_models():
    """An enum of several values is one variant, and each value maps to it."""
    made = proved(pair=document(request("nova-fast", "nova-pro")), b=document(request("nova-2")))
    mapping = post(made)["requestBody"]["content"]["application/json"]["schema"]["discriminator"]
    assert mapping["mapping"]["nova-fast"] == mapping["mapping"]["nova-pro"]
    assert mapping["mapping"]["nova-fast"].endswith("/PairRequest")


@pytest.mark.parametrize(
    ("rule", "example"),
    [
        ({"type": "string", "default": "nova-1"}, None),
        ({"type": "string", "example": "nova-1"}, None),
        ({"type": "string"}, {"model": "nova-1"}),
        ({"const": "nova-1"}, None),
    ],
    ids=["default", "property's example", "request's example", "const"],
)
def test_a_model_without_an_enum_is_found(rule, example):
    """A default, an example or a constant names the model; the variant is bound to it."""
    schema = {"type": "object", "properties": {"model": rule, "seed": {"type": "integer"}}}
    made = proved(a=document(schema, example=example), b=document(request("nova-2", prompt=TEXT)))
    variant = schemas(made)["Nova1Request"]
    assert "model" in variant["required"]
    assert variant["properties"]["model"].get("enum", ["nova-1"]) == ["nova-1"]
    assert any(d.kind is DecisionKind.PINNED for d in made.decisions)


def test_a_model_without_a_value_is_rejected():
    """A request with a `model` but no value for it is an error with its location."""
    schema = {"type": "object", "properties": {"model": TEXT}}
    with pytest.raises(
        InvalidDocument, match=r"a\.yaml:\d+#/paths/~1v1~1videos~1generations/post.*without a value"
    ):
        merged(a=document(schema))


def test_statuses_are_united():
    """The operation has every status that a source has."""
    made = proved(
        a=document(request("nova-1"), statuses=("400", "402", "413")),
        b=document(request("nova-2"), statuses=("401", "503")),
    )
    assert list(post(made)["responses"]) == ["200", "400", "401", "402", "413", "503"]


def test_another_server_stays_with_its_operation():
    """An operation on another server keeps it; the others use the common server."""
    other = document(request("nova-2"), path="/v1/audios/generations")
    other["servers"] = [{"url": "https://audio.example.com"}]
    made = proved(a=document(request("nova-1")), b=other, c=document(request("nova-3")))
    assert "servers" not in post(made)
    assert post(made, "/v1/audios/generations")["servers"] == [{"url": "https://audio.example.com"}]


def test_inline_schemas_and_references_to_components_are_resolved():
    """An inline request, and responses under components, give the same result."""
    plain = document(request("nova-1", prompt=TEXT))
    spread = document(request("nova-2", prompt=TEXT))
    node = spread["paths"][VIDEOS]["post"]
    media = node["requestBody"]["content"]["application/json"]
    media["schema"] = spread["components"]["schemas"].pop("VideoGenerationRequest")
    spread["components"]["responses"] = {"Bad": node["responses"].pop("400")}
    node["responses"]["400"] = {"$ref": "#/components/responses/Bad"}
    made = proved(a=plain, b=spread)
    assert list(post(made)["responses"]) == ["200", "400"]
    assert schemas(made)["Nova2Request"]["properties"]["prompt"] == TEXT


def test_responses_of_one_operation_are_merged_under_any_name():
    """An inline response, or one with another name, is merged with the others."""
    named = document(request("nova-1"))
    other = document(request("nova-2", prompt=TEXT))
    inline = document(request("nova-3"))
    kept = other["components"]["schemas"]
    kept["TaskResponse"] = {**kept.pop("VideoGenerationResponse"), "required": ["id"]}
    media = other["paths"][VIDEOS]["post"]["responses"]["200"]["content"]["application/json"]
    media["schema"] = {"$ref": "#/components/schemas/TaskResponse"}
    media = inline["paths"][VIDEOS]["post"]["responses"]["200"]["content"]["application/json"]
    media["schema"] = {"type": "object", "properties": {"queue": {"type": "integer"}}}
    del inline["components"]["schemas"]["VideoGenerationResponse"]
    made = proved(a=named, b=other, c=inline)
    answer = post(made)["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/VideoGenerationResponse"}
    assert list(schemas(made)["VideoGenerationResponse"]["properties"]) == ["id", "status", "queue"]
    assert "TaskResponse" not in schemas(made)


def test_fifty_sources_are_merged_like_two():
    """One variant each, one response, one error; and the proofs succeed."""
    documents = {f"doc-{n:02}": document(request(f"nova-{n:02}")) for n in range(50)}
    made = proved(**documents)
    schema = post(made)["requestBody"]["content"]["application/json"]["schema"]
    assert len(schema["oneOf"]) == 50
    assert len(schemas(made)) == 52


def test_a_parameter_keeps_every_example_and_the_most_common_text():
    """Of different descriptions one is chosen and recorded; no example is lost."""
    documents = {}
    for name, text in (("a", "One"), ("b", "Two"), ("c", "Two")):
        data = document(request(f"nova-{name}"))
        parameter = {"name": "trace", "in": "header", "schema": TEXT, "description": text}
        data["paths"][VIDEOS]["post"]["parameters"] = [{**parameter, "example": name}]
        documents[name] = data
    made = proved(**documents)
    (parameter,) = post(made)["parameters"]
    assert parameter["description"] == "Two"
    shown = {label: example["value"] for label, example in parameter["examples"].items()}
    assert shown == {"nova-a": "a", "nova-b": "b", "nova-c": "c"}
    assert any("“Two” over “One”" in decision.text for decision in made.decisions)


RULES: dict[str, dict] = {
    "a pattern with a lookahead": {"pattern": "^(?!x)a", **TEXT},
    "a pattern with a backreference": {"pattern": r"^(a)\\1$", **TEXT},
    "an unknown format": {"format": "frobnicate", **TEXT},
    "a step": {"type": "number", "multipleOf": 0.1},
    "a number beyond doubles": {"type": "integer", "maximum": 2**70},
    "a condition": {
        "type": "object",
        "if": {"required": ["a"], "properties": {"a": {"const": "x"}}},
        "then": {"required": ["b"]},
    },
    "what it must not be": {"not": {"enum": ["x"]}, **TEXT},
    "names by pattern": {"type": "object", "patternProperties": {"^x": TEXT}},
    "one that needs another": {"type": "object", "dependentRequired": {"a": ["b"]}},
    "no entry twice": {"type": "array", "items": TEXT, "uniqueItems": True},
    "one entry like this": {"type": "array", "contains": TEXT},
    "entries by place": {"type": "array", "prefixItems": [TEXT], "items": False},
    "nothing unheard of": {
        "type": "object",
        "properties": {"a": TEXT},
        "unevaluatedProperties": False,
    },
    "a map": {"type": "object", "additionalProperties": {"type": "integer"}},
    "one of two": {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 3}]},
    "any of two": {"anyOf": [TEXT, {"type": "array", "items": TEXT, "minItems": 1}]},
    "all of two": {"allOf": [{"type": "object", "properties": {"a": TEXT}}, {"required": ["a"]}]},
    "an object and no other": {"const": {"a": [1]}},
    "nullable": {"type": ["string", "null"]},
    "nothing said": {},
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_merge_of_any_kind_of_parameter_is_proved(rule):
    """Unusual keywords are merged and proved like any other."""
    proved(a=document(request("nova-1", x=rule)), b=document(request("nova-2", x=rule)))


def test_an_all_of_request_is_flattened():
    """An `allOf` of plain objects becomes one object; a union is rejected."""
    whole = {"allOf": [{"$ref": "#/components/schemas/Base"}, {"properties": {"seed": TEXT}}]}
    made = proved(a=document(whole, Base=request("nova-1", prompt=TEXT)))
    assert list(schemas(made)["Nova1Request"]["properties"]) == ["model", "prompt", "seed"]
    with pytest.raises(InvalidDocument, match="a union of schemas"):
        merged(a=document({"oneOf": [request("nova-1"), request("nova-2")]}))
    with pytest.raises(InvalidDocument, match="allOf has additionalProperties"):
        merged(a=document({"allOf": [{**request("nova-1"), "additionalProperties": False}]}))


def test_a_response_may_refer_to_itself():
    """A recursive response is merged, and proved equal to an identical one."""
    tree = {
        "type": "object",
        "properties": {"next": {"$ref": "#/components/schemas/VideoGenerationResponse"}},
    }
    made = proved(
        a=document(request("nova-1"), response=tree), b=document(request("nova-2"), response=tree)
    )
    assert schemas(made)["VideoGenerationResponse"] == tree


def test_webhooks_are_rejected():
    """Webhooks aren't merged, so a source with webhooks is rejected instead of losing them."""
    data = document(request("nova-1"))
    data["webhooks"] = {"done": {"post": {"responses": {"200": {"description": "ok"}}}}}
    with pytest.raises(InvalidDocument, match="webhooks are not supported"):
        merged(a=data)


def test_a_body_that_is_not_json_is_rejected():
    """Only JSON bodies are supported; another type is an error with its location."""
    data = document(request("nova-1"))
    node = data["paths"][VIDEOS]["post"]["requestBody"]
    node["content"] = {"multipart/form-data": node["content"]["application/json"]}
    with pytest.raises(
        InvalidDocument, match="must be only application/json, not multipart/form-data"
    ):
        merged(a=data)


CONTRADICTIONS = {
    "one model twice": (document(request("nova-1")), document(request("nova-1", prompt=TEXT))),
    "two parameters of one name": (
        document(request("nova-1")),
        document(request("nova-2")),
    ),
    "clashing security": (document(request("nova-1")), document(request("nova-2"))),
    "clashing schemes": (document(request("nova-1")), document(request("nova-2"))),
}
for _at, _kind in enumerate(("integer", "string")):
    CONTRADICTIONS["two parameters of one name"][_at]["paths"][VIDEOS]["post"]["parameters"] = [
        {"name": "trace", "in": "header", "schema": {"type": _kind}}
    ]
CONTRADICTIONS["clashing security"][1]["security"] = []
CONTRADICTIONS["clashing schemes"][1]["components"]["securitySchemes"]["bearerAuth"] = {
    "type": "apiKey",
    "in": "header",
    "name": "X-Key",
}


@pytest.mark.parametrize("documents", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_conflict_names_both_sources_and_locations(documents):
    """Contradicting sources are an error with two files and two JSON pointers."""
    with pytest.raises(Conflict) as caught:
        merged(first=documents[0], second=documents[1])
    assert "first.yaml" in str(caught.value)
    assert "second.yaml" in str(caught.value)
    assert str(caught.value).count("#/") >= 2


def test_the_six_sources_make_three_operations(built):
    """Three video requests, two image requests and the status operation."""
    paths = built.document["paths"]
    assert list(paths) == ["/v1/images/generations", "/v1/tasks/{task_id}", VIDEOS]
    for path, count in ((VIDEOS, 3), ("/v1/images/generations", 2)):
        node = paths[path]["post"]
        schema = node["requestBody"]["content"]["application/json"]["schema"]
        assert len(resolve_ref(built.document, schema)["oneOf"]) == count
        assert node["responses"]["200"]["links"]["getTask"]["operationId"] == "getTaskDetail"
        assert node["security"] == [{"bearerAuth": []}]
        statuses = ["200", "400", "401", "403", "404", "429", "500", "502", "503"]
        assert list(node["responses"]) == statuses
    assert "402" in paths["/v1/tasks/{task_id}"]["get"]["responses"]


def test_the_report_lists_the_decisions(built):
    """A chosen text and the source of the other are in the report; no line is duplicated."""
    lines = [line for line in built.report.splitlines() if line.startswith("- ")]
    assert len(lines) == len(set(lines)) > 5
    assert any("“Task type”" in line and "wan2.6-image-to-video" in line for line in lines)


def test_one_models_deprecation_does_not_affect_the_others():
    """Of several models on one path, only the one whose operation is deprecated is marked."""
    old, new = document(request("a")), document(request("b"))
    old["paths"][VIDEOS]["post"].update({"deprecated": True, "x-sunset": "2030-01-01"})
    made = merged(old=old, new=new)
    assert "deprecated" not in post(made)
    assert schemas(made)["ARequest"]["deprecated"] is True
    assert schemas(made)["ARequest"]["x-sunset"] == "2030-01-01"
    assert "deprecated" not in schemas(made)["BRequest"]
    assert post(merged(old=old))["deprecated"] is True
