"""The proofs find every error of a merge, and accept every equivalent rewrite."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from wanflow.spec.checks.check import check_merged
from wanflow.spec.errors import ProofFailed, raise_findings
from wanflow.spec.proof.inventory import prove_inventory
from wanflow.spec.proof.requests import prove_requests
from wanflow.spec.read.yaml import write_yaml

if TYPE_CHECKING:
    from wanflow.spec.build import BuildResult
    from wanflow.spec.merge.merge import MergeResult

Json = dict[str, Any]
Change = Callable[[Json], object]

VIDEOS = "/v1/videos/generations"
IMAGES = "/v1/images/generations"


def prove(merged: MergeResult, document: Json) -> None:
    prove_requests(document, merged.operations)
    prove_inventory(document, merged.operations, merged.schema_names)


def post(document: Json, path: str = VIDEOS) -> Json:
    return document["paths"][path]["post"]


def request(document: Json, path: str = VIDEOS) -> Json:
    return post(document, path)["requestBody"]["content"]["application/json"]


def union(document: Json) -> Json:
    """The union of the requests, a named component in the final spec."""
    return document["components"]["schemas"]["VideoGenerationRequest"]


def schema(document: Json, name: str) -> Json:
    return document["components"]["schemas"][name]


def rule(document: Json, name: str, parameter: str) -> Json:
    return schema(document, name)["properties"][parameter]


def swap(mapping: dict[str, Any], one: str, other: str) -> None:
    mapping[one], mapping[other] = mapping[other], mapping[one]


T2V, I2V, W26 = "Wan25TextToVideoRequest", "Wan25ImageToVideoRequest", "Wan26ImageToVideoRequest"
INJECTED_ERRORS: dict[str, Change] = {
    "a lost variant": lambda d: request(d)["schema"]["oneOf"].pop(),
    "a lost variant and its model": lambda d: (
        request(d)["schema"]["oneOf"].pop(),
        request(d)["schema"]["discriminator"]["mapping"].pop("wan2.6-image-to-video"),
    ),
    "a variant of another path": lambda d: request(d)["schema"]["oneOf"].append(
        {"$ref": "#/components/schemas/Wan25TextToImageRequest"}
    ),
    "a widened enum": lambda d: rule(d, T2V, "model")["enum"].append("wan2.5-text-to-film"),
    "a narrowed enum": lambda d: rule(d, W26, "model_params")["properties"]["shot_type"][
        "enum"
    ].pop(),
    "a dropped bound": lambda d: rule(d, T2V, "prompt").pop("maxLength"),
    "a moved bound": lambda d: rule(d, W26, "prompt").update(maxLength=1501),
    "a bound made up": lambda d: rule(d, T2V, "prompt").update(minLength=1),
    "a dropped requirement": lambda d: schema(d, I2V)["required"].remove("image_urls"),
    "a requirement made up": lambda d: schema(d, T2V)["required"].append("duration"),
    "a dropped type": lambda d: rule(d, T2V, "duration").pop("type"),
    "a dropped format": lambda d: rule(d, T2V, "callback_url").pop("format"),
    "a longer list": lambda d: rule(d, I2V, "image_urls").update(maxItems=2),
    "a lost parameter": lambda d: schema(d, W26)["properties"].pop("audio_url"),
    "a closed request": lambda d: schema(d, T2V).update(additionalProperties=False),
    "a swapped mapping": lambda d: swap(
        request(d)["schema"]["discriminator"]["mapping"],
        "wan2.5-text-to-video",
        "wan2.5-image-to-video",
    ),
    "swapped variants": lambda d: swap(d["components"]["schemas"], T2V, I2V),
    "a lost status": lambda d: post(d)["responses"].pop("429"),
    "a status made up": lambda d: post(d)["responses"].update({"418": {"description": "tea"}}),
    "a lost media type": lambda d: post(d)["responses"]["500"].pop("content"),
    "an example under the wrong model": lambda d: swap(
        request(d)["examples"], "wan2.5-text-to-video", "wan2.6-image-to-video"
    ),
    "an error's example under the wrong model": lambda d: swap(
        post(d)["responses"]["404"]["content"]["application/json"]["examples"],
        "wan2.5-text-to-video",
        "wan2.6-image-to-video",
    ),
    "a lost example": lambda d: request(d)["examples"].pop("wan2.5-text-to-video"),
    "a changed example": lambda d: request(d, IMAGES)["examples"]["wan2.5-text-to-image"][
        "value"
    ].update(prompt="another"),
    "a property's lost example": lambda d: rule(d, "Usage", "credits_reserved")["examples"].pop(),
    "a lost property of an answer": lambda d: schema(d, "TaskDetailResponse")["properties"].pop(
        "error"
    ),
    "a property of an answer made up": lambda d: schema(d, "Usage")["properties"].update(
        tip={"type": "number"}
    ),
    "a narrowed answer": lambda d: rule(d, "TaskDetailResponse", "status")["enum"].pop(),
    "a widened answer": lambda d: rule(d, "Usage", "billing_rule")["enum"].append("per_pixel"),
    "a dropped bound of an answer": lambda d: rule(d, "TaskDetailResponse", "progress").pop(
        "maximum"
    ),
    "a code of one type": lambda d: schema(d, "ErrorResponse")["properties"]["error"]["properties"][
        "code"
    ].update(type="integer"),
    "an answer's reference gone astray": lambda d: rule(
        d, "VideoGenerationResponse", "task_info"
    ).update({"$ref": "#/components/schemas/TaskInfo"}),
    "an answer's schema of another path": lambda d: post(d)["responses"]["200"]["content"][
        "application/json"
    ].update(schema={"$ref": "#/components/schemas/ImageGenerationResponse"}),
    "a lost operation": lambda d: d["paths"].pop(IMAGES),
    "an operation made up": lambda d: d["paths"].update(
        {"/v1/audios": {"get": {"operationId": "x", "responses": {}}}}
    ),
    "lost security": lambda d: post(d).pop("security"),
    "another security": lambda d: post(d).update(security=[{"bearerAuth": []}, {}]),
    "a changed scheme": lambda d: d["components"]["securitySchemes"]["bearerAuth"].update(
        scheme="basic"
    ),
    "a lost path parameter": lambda d: d["paths"]["/v1/tasks/{task_id}"]["get"].pop("parameters"),
    "a lost server": lambda d: d.update(servers=[{"url": "https://example.com"}]),
    "a server made up": lambda d: post(d).update(
        servers=[*d["servers"], {"url": "https://example.com"}]
    ),
    "one operationId twice": lambda d: post(d).update(operationId="createImageGeneration"),
}


@pytest.mark.parametrize("fault", INJECTED_ERRORS.values(), ids=INJECTED_ERRORS)
def test_an_error_of_the_merge_is_found(built: BuildResult, fault: Change):
    """Each error injected into the merged spec fails a proof."""
    document = copy.deepcopy(built.merge_result.document)
    prove(built.merge_result, document)
    fault(document)
    assert document != built.merge_result.document
    with pytest.raises(ProofFailed):
        prove(built.merge_result, document)


def test_there_are_many_injected_errors():
    """There are at least twenty."""
    assert len(INJECTED_ERRORS) >= 20


def test_a_failed_proof_shows_a_body(built: BuildResult):
    """A request that is accepted now and wasn't by its source is shown."""
    document = copy.deepcopy(built.merge_result.document)
    rule(document, W26, "prompt").update(maxLength=1501)
    with pytest.raises(
        ProofFailed, match=r'accepts what wan2\.6-image-to-video rejects: \{.*"model"'
    ):
        prove(built.merge_result, document)


def test_every_loosened_parameter_is_shown_by_a_body(built: BuildResult):
    """For every parameter of every model: without its constraints, the proof shows a body."""
    shown = 0
    for name in (T2V, I2V, W26, "Wan25TextToImageRequest", "Wan25ImageToImageRequest"):
        for parameter in schema(built.merge_result.document, name)["properties"]:
            document = copy.deepcopy(built.merge_result.document)
            schema(document, name)["properties"][parameter] = {}
            with pytest.raises(ProofFailed) as caught:
                prove(built.merge_result, document)
            assert "no example found" not in str(caught.value), (name, parameter)
            shown += 1
    assert shown > 20


def reordered(node: Any) -> Any:
    if isinstance(node, list):
        return [reordered(item) for item in node]
    if isinstance(node, dict):
        return {key: reordered(node[key]) for key in reversed(node)}
    return node


EQUIVALENT: dict[str, Change] = {
    "keys in another order": lambda d: d.update(reordered(d["components"]) and d),
    "variants in another order": lambda d: request(d)["schema"]["oneOf"].reverse(),
    "requirements in another order": lambda d: schema(d, I2V)["required"].reverse(),
    "an enum in another order": lambda d: rule(d, "TaskDetailResponse", "status")["enum"].reverse(),
    "a constant for an enum of one": lambda d: (
        rule(d, T2V, "model").update(const="wan2.5-text-to-video"),
        rule(d, T2V, "model").pop("enum"),
    ),
    "a list of one type": lambda d: rule(d, T2V, "prompt").update(type=["string"]),
    "a bound of nothing": lambda d: rule(d, T2V, "prompt").update(minLength=0),
    "an open object said to be open": lambda d: schema(d, T2V).update(additionalProperties=True),
    "one part in allOf": lambda d: d["components"]["schemas"].update(
        {T2V: {"allOf": [schema(d, T2V)]}}
    ),
    "other texts": lambda d: schema(d, "Usage").update(title="Usage", description="Other"),
    "anyOf for variants that share nothing": lambda d: request(d)["schema"].update(
        anyOf=request(d)["schema"].pop("oneOf")
    ),
    "a bound written as an exclusive one": lambda d: (
        rule(d, "TaskDetailResponse", "progress").pop("minimum"),
        rule(d, "TaskDetailResponse", "progress").update(exclusiveMinimum=-1),
    ),
    "a reference written out": lambda d: request(d)["schema"]["oneOf"].__setitem__(
        0, copy.deepcopy(schema(d, I2V))
    ),
    "a header of an answer": lambda d: post(d)["responses"]["429"].update(
        headers={"Retry-After": {"schema": {"type": "integer"}}}
    ),
}


@pytest.mark.parametrize("rewrite", EQUIVALENT.values(), ids=EQUIVALENT)
def test_an_equivalent_rewrite_passes(built: BuildResult, rewrite: Change):
    """Schemas that are only written differently are proved equal."""
    document = copy.deepcopy(built.merge_result.document)
    rewrite(document)
    prove(built.merge_result, document)


CHECK_ERRORS: dict[str, tuple[Change, str, str]] = {
    "a mapping without a member": (
        lambda d: union(d)["oneOf"].pop(0),
        "mapped and no member",
        "/schema",
    ),
    "a member without a model": (
        lambda d: union(d)["discriminator"]["mapping"].pop("wan2.5-text-to-video"),
        "member without a model",
        "/schema",
    ),
    "an enum that the mapping lacks": (
        lambda d: rule(d, T2V, "model")["enum"].append("wan2.5-image-to-video"),
        "the mapping gives it",
        "/schema",
    ),
    "members that overlap": (
        lambda d: rule(d, T2V, "model")["enum"].append("wan2.5-image-to-video"),
        "may both take",
        "/schema",
    ),
    "a model that isn't required": (
        lambda d: schema(d, T2V)["required"].remove("model"),
        "doesn't require `model`",
        "/schema",
    ),
    "a request's example": (
        lambda d: request(d)["examples"]["wan2.5-image-to-video"]["value"].pop("image_urls"),
        "breaks its own schema",
        "/examples/wan2.5-image-to-video/value",
    ),
    "an answer's example": (
        lambda d: post(d)["responses"]["400"]["content"]["application/json"]["examples"]["default"][
            "value"
        ].update(error=5),
        "breaks its own schema",
        "/examples/default/value/error",
    ),
    "a property's example": (
        lambda d: rule(d, T2V, "duration").update(example=6),
        "breaks its own schema",
        "/properties/duration/example",
    ),
    "a size's example out of range": (
        lambda d: rule(d, "Wan25TextToImageRequest", "size").update(example="64x64"),
        "breaks its own schema",
        "/properties/size/example",
    ),
    "a default": (
        lambda d: rule(d, T2V, "quality").update(default="4k"),
        "the default breaks",
        "/properties/quality/default",
    ),
    "a schema that nothing satisfies": (
        lambda d: rule(d, T2V, "prompt").update(minLength=3000),
        "no value satisfies",
        "/properties/prompt",
    ),
    "an unknown keyword": (
        lambda d: rule(d, T2V, "prompt").update(maxlength=3),
        "no keyword of JSON Schema; write maxLength",
        "/properties/prompt/maxlength",
    ),
    "an unknown keyword of ours": (
        lambda d: rule(d, T2V, "prompt").update({"x-wanflow-pixelsize": {}}),
        "no keyword of ours; write x-wanflow-pixel-size",
        "/properties/prompt/x-wanflow-pixelsize",
    ),
    "a keyword of ours of another form": (
        lambda d: rule(d, "Wan25TextToImageRequest", "size")["x-wanflow-pixel-size"].pop(
            "maximumRatio"
        ),
        "has another form",
        "/properties/size/x-wanflow-pixel-size",
    ),
    "a link to nowhere": (
        lambda d: post(d)["responses"]["200"]["links"]["getTask"].update(operationId="getTasks"),
        "leads to no operation",
        "/links/getTask",
    ),
    "an operation without security": (
        lambda d: post(d).pop("security"),
        "no security of its own",
        "/post",
    ),
    "a security scheme that isn't there": (
        lambda d: post(d).update(security=[{"key": []}]),
        "no security scheme is called key",
        "/security",
    ),
    "what OpenAPI itself forbids": (
        lambda d: post(d).update(tags="Video"),
        "is not of type",
        "",
    ),
}


@pytest.mark.parametrize(("fault", "problem", "place"), CHECK_ERRORS.values(), ids=CHECK_ERRORS)
def test_an_error_in_the_final_spec_is_a_finding(built: BuildResult, fault, problem, place):
    """Each finding names the file, the JSON pointer, the problem and a remedy."""
    document = copy.deepcopy(built.document)
    fault(document)
    findings = check_merged(write_yaml(document), document, "specs/openapi.yaml")
    found = [finding for finding in findings if problem in str(finding)]
    assert found, [str(finding) for finding in findings]
    assert all(finding.file == "specs/openapi.yaml" and finding.remedy for finding in found)
    assert any(place in finding.pointer for finding in found)
    assert re.match(r"specs/openapi\.yaml(:\d+)? #/", str(found[0]))


def test_the_final_spec_has_no_findings(built: BuildResult):
    """The committed spec passes every check, and there is something to check."""
    findings = check_merged(built.text, built.document, "specs/openapi.yaml")
    raise_findings(findings)
    assert len(built.document["components"]["schemas"]) > 10


def test_an_unquoted_ratio_is_a_finding(built: BuildResult):
    """A string that some loader reads as a number is reported with its line."""
    text = built.text.replace("default: '16:9'", "default: 16:9")
    assert text != built.text
    (finding,) = check_merged(text, built.document, "specs/openapi.yaml")
    assert "YAML loaders read 16:9 differently; write '16:9'" in str(finding)
    assert text.splitlines()[finding.line - 1].strip() == "default: 16:9"
