"""An overlay action has its effect, or it is an error."""

from __future__ import annotations

import copy
import re
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spec.family import document, merged, request, source
from wanflow.spec.build import build_from
from wanflow.spec.errors import OverlayError
from wanflow.spec.overlay.citations import Sources
from wanflow.spec.overlay.overlay import Overlay, apply_action, parse_overlay, read_overlays
from wanflow.spec.proof.tighten import OverlayResult, apply_overlays
from wanflow.spec.read.yaml import read_yaml

if TYPE_CHECKING:
    from wanflow.spec.build import BuildResult
    from wanflow.spec.project import Checkout
    from wanflow.spec.read.source import SourceSpec

Json = dict[str, Any]

COMPLIANCE_SETS = Path(__file__).parents[3].parent / "shared" / "overlay-compliance"
SENTENCE = "Only supports `5` and `10`"


def overlay(*actions: Json, version: str = "1.1.0") -> Overlay:
    info = {"title": "t", "version": "1"}
    return parse_overlay({"overlay": version, "info": info, "actions": list(actions)}, "x.yaml")


def applied(data: Json, *actions: Json) -> Json:
    before = copy.deepcopy(data)
    after = reduce(apply_action, overlay(*actions).actions, data)
    assert data == before, "what is given stays as it is"
    return after


DATA: Json = {"a": {"b": 1, "list": [{"n": 1}, {"n": 2}, {"n": 2}]}, "c": "text"}


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ({"target": "$.a", "update": {"b": 2}}, {**DATA, "a": {**DATA["a"], "b": 2}}),
        (
            {"target": "$.a", "update": {"d": {"e": []}}},
            {**DATA, "a": {**DATA["a"], "d": {"e": []}}},
        ),
        ({"target": "$.c", "update": "other"}, {**DATA, "c": "other"}),
        ({"target": "$.a.list", "update": {"n": 3}}, 4),
        ({"target": "$.a.list", "update": [{"n": 3}, {"n": 4}]}, 5),
        ({"target": "$.a", "update": {"list": [{"n": 3}]}}, 4),
        ({"target": "$.a.list[?@.n == 2]", "remove": True}, 1),
        ({"target": "$.a.list[0,1,2]", "remove": True}, 0),
        ({"target": "$.c", "remove": True}, {"a": DATA["a"]}),
        ({"target": "$.a.list[0]", "copy": "$.a.list[1]"}, 3),
        ({"target": "$.c", "remove": False, "update": "other"}, {**DATA, "c": "other"}),
        ({"target": "$.c", "remove": True, "update": "other"}, {"a": DATA["a"]}),
    ],
)
def test_an_action_does_what_the_specification_says(action, expected):
    """Objects are merged, lists extended, scalars replaced, and removed nodes are gone."""
    after = applied(DATA, action)
    if isinstance(expected, int):
        assert len(after["a"]["list"]) == expected
    else:
        assert after == expected


@pytest.mark.parametrize(
    ("action", "complaint"),
    [
        ({"target": "$.nothing", "update": {"x": 1}}, "nothing matches"),
        ({"target": "$.nothing", "remove": True}, "nothing matches"),
        ({"target": "$.a", "update": {"b": 1}}, "changes nothing"),
        ({"target": "$.a.list", "update": []}, "changes nothing"),
        ({"target": "$.a", "update": "text"}, "is a mapping, and the update has a scalar"),
        ({"target": "$.c", "update": {"x": 1}}, "is a scalar, and the update has a mapping"),
        ({"target": "$.a.b", "update": [1]}, "is a scalar, and the update has a list"),
        ({"target": "$.a", "update": {"list": {"n": 1}, "b": {"x": 1}}}, "/a/b is a scalar"),
        ({"target": "$.a[", "update": {}}, "is not a valid JSONPath"),
        ({"target": "$.a"}, "no `update`, `copy` or `remove: true`"),
        ({"target": "$", "remove": True}, "the whole document"),
        ({"target": "$.a", "copy": "$.a.list[*]"}, "copy must select one node"),
    ],
)
def test_an_action_without_effect_or_with_wrong_types_is_an_error(action, complaint):
    """No match, types that don't fit, no change: each error names file and action."""
    with pytest.raises(OverlayError, match=r"^x\.yaml, action 1: ") as caught:
        applied(DATA, action)
    assert complaint in str(caught.value)


@given(
    st.recursive(st.integers() | st.text(), lambda s: st.dictionaries(st.text(), s), max_leaves=9)
)
def test_an_update_is_found_in_the_result(update):
    """An update of an empty object is the result, and nothing else."""
    if isinstance(update, dict) and update:
        assert applied({"here": {}}, {"target": "$.here", "update": update}) == {"here": update}


def files(*parts: str) -> list[Path]:
    folder = COMPLIANCE_SETS.joinpath(*parts)
    return sorted(folder.iterdir()) if folder.is_dir() else []


NO_SETS = "the Overlay specification's compliance sets aren't beside the checkout"
needs_compliance_sets = pytest.mark.skipif(not COMPLIANCE_SETS.is_dir(), reason=NO_SETS)


@needs_compliance_sets
def test_the_compliance_sets_are_complete():
    """There are sets to test with."""
    assert len(files("compliant-sets")) >= 8
    assert len(files("tests", "v1.1", "pass")) >= 13
    assert len(files("tests", "v1.1", "fail")) >= 22


@needs_compliance_sets
@pytest.mark.parametrize("folder", files("compliant-sets"), ids=lambda path: path.name)
def test_the_compliance_sets_pass(folder):
    """Each set's overlay gives the output of the specification."""
    parts = [
        read_yaml((folder / name).read_text("utf-8"), name).data
        for name in ("openapi.yaml", "overlay.yaml", "output.yaml")
    ]
    actions = parse_overlay(parts[1], folder.name).actions
    assert reduce(apply_action, actions, parts[0]) == parts[2]


@needs_compliance_sets
@pytest.mark.parametrize("file", files("tests", "v1.1", "pass"), ids=lambda path: path.stem)
def test_every_valid_overlay_is_read(file):
    """An overlay that is valid for the specification's schema is read."""
    assert parse_overlay(read_yaml(file.read_text("utf-8"), file.name).data, file.name).actions


@needs_compliance_sets
@pytest.mark.parametrize("file", files("tests", "v1.1", "fail"), ids=lambda path: path.stem)
def test_every_invalid_overlay_is_rejected(file):
    """An overlay that is invalid by the specification is rejected with the file's name."""
    with pytest.raises(OverlayError, match=f"^{file.stem}"):
        parse_overlay(read_yaml(file.read_text("utf-8"), file.name).data, file.name)


def overlay_duration(*actions: Json, prose: str = "Only supports\n`5` and `10`") -> OverlayResult:
    """Overlay one small document whose `duration` says something."""
    duration = {"type": "integer", "description": prose}
    made = merged(a=document(request("nova-1", duration=duration)))
    return apply_overlays(made.document, [overlay(*actions)], Sources.of(made))


def not_applied(done: OverlayResult) -> str:
    """Why an action changed nothing."""
    assert done.unused
    (one,) = done.unapplied
    return str(one)


def enum_action(**more: Any) -> Json:
    update = {"enum": [5, 10], "x-wanflow-rests-on": {"enum": SENTENCE}}
    target = "$.components.schemas[*].properties.duration"
    return {"target": target, "description": "why", "update": {**update, **more}}


def test_a_constraint_with_a_citation_is_applied():
    """The sentence is in the source, ignoring white space: the constraint is added."""
    after = overlay_duration(enum_action()).document
    rule = after["components"]["schemas"]["Nova1Request"]["properties"]["duration"]
    assert rule["enum"] == [5, 10]


@pytest.mark.parametrize(
    "prose",
    [
        "Only supports `5`, `10` and `15`",
        "Only supports `5` and `10`, and `15` for members",
        "Only supports `5` and `10`\n`15`",
        "It is wrong that it Only supports `5` and `10`",
    ],
)
def test_a_source_without_the_complete_sentence_is_not_changed(prose: str):
    """The action isn't applied, and the warning has both sentences; nothing fails."""
    why = not_applied(overlay_duration(enum_action(), prose=prose))
    assert "a.yaml" in why
    assert "/properties/duration: x.yaml, action 1 is not applied" in why
    assert "cites “Only supports `5` and `10`”, but the source spec says “" in why


@pytest.mark.parametrize(
    "update",
    [
        {"enum": [5]},
        {"maximum": 10, "enum": [5], "x-wanflow-rests-on": {"enum": SENTENCE}},
        {"x-wanflow-effective-when": {"prompt": "x"}},
        {"allOf": [{"minimum": 5}]},
    ],
)
def test_a_constraint_without_a_citation_is_an_error(update):
    """Every constraint that an overlay adds must cite a sentence."""
    action = {"target": "$.components.schemas[*].properties.duration", "description": "why"}
    with pytest.raises(OverlayError, match="cites no sentence"):
        overlay_duration({**action, "update": update})


def test_an_action_without_a_description_is_an_error():
    """Every action must give its reason."""
    with pytest.raises(OverlayError, match="must have a description with the reason"):
        overlay_duration({k: v for k, v in enum_action().items() if k != "description"})


def test_an_action_that_loosens_is_not_applied():
    """What the sources reject stays rejected; the warning shows a body that would be accepted."""
    action = {"target": "$.components.schemas[*].properties.duration.type", "remove": True}
    why = not_applied(overlay_duration({**action, "description": "why"}))
    assert re.search(r"loosens nova-1, which now accepts \{.*duration", why)


def test_an_action_may_loosen_with_a_reason():
    """With the reason in the overlay it may; without loosening, the reason is an error."""
    action = {"target": "$.components.schemas[*].properties.duration.type", "remove": True}
    excuse = {"description": "why", "x-wanflow-loosens": "the server takes words as well"}
    assert not overlay_duration({**action, **excuse}).unapplied
    idle = {"target": "$.info", "update": {"summary": "s"}, **excuse}
    assert "it is marked as loosening, but loosens nothing" in not_applied(overlay_duration(idle))


def test_every_action_of_ours_is_needed(
    project: Checkout, sources: list[SourceSpec], built: BuildResult
):
    """Removing any action of the committed overlays changes the final spec."""
    overlays = read_overlays(project.overlays)
    assert sum(len(one.actions) for one in overlays) >= 20
    for at, one in enumerate(overlays):
        for action in one.actions:
            left = tuple(other for other in one.actions if other is not action)
            others = [*overlays[:at], Overlay(one.name, left), *overlays[at + 1 :]]
            done = apply_overlays(
                built.merge_result.document, others, Sources.of(built.merge_result)
            )
            assert done.document != built.document, action.location


@pytest.mark.parametrize(
    ("name", "parameter", "rules"),
    [
        ("Wan25TextToVideoRequest", "duration", {"enum": [5, 10]}),
        ("Wan25ImageToVideoRequest", "duration", {"enum": [5, 10]}),
        ("Wan26ImageToVideoRequest", "duration", {"enum": [5, 10, 15]}),
        ("Wan25TextToVideoRequest", "quality", {"enum": ["480p", "720p", "1080p"]}),
        ("Wan25ImageToVideoRequest", "quality", {"enum": ["480p", "720p", "1080p"]}),
        ("Wan26ImageToVideoRequest", "quality", {"enum": ["720p", "1080p"], "default": "720p"}),
        ("Wan25TextToImageRequest", "n", {"minimum": 1, "maximum": 4}),
        ("Wan25ImageToImageRequest", "n", {"minimum": 1, "maximum": 4}),
        ("Wan25ImageToImageRequest", "image_urls", {"minItems": 1, "maxItems": 2}),
        ("Wan25ImageToVideoRequest", "image_urls", {"minItems": 1, "maxItems": 1}),
        ("Wan26ImageToVideoRequest", "image_urls", {"minItems": 1, "maxItems": 1}),
        ("Wan26ImageToVideoRequest", "prompt_extend", {"default": True}),
        ("Wan25TextToVideoRequest", "prompt", {"maxLength": 2000}),
    ],
)
def test_the_prose_is_in_the_schemas(built: BuildResult, name: str, parameter: str, rules: Json):
    """Constraints that are only in prose are in the final schemas too."""
    rule = built.document["components"]["schemas"][name]["properties"][parameter]
    assert {key: rule.get(key) for key in rules} == rules
    cited = {one["keyword"] for one in rule["x-wanflow-rests-on"]}
    assert cited >= rules.keys() - {"maxItems"}


def test_every_callback_is_bound_to_https_and_the_public_internet(built: BuildResult):
    """All models: only https, 2048 characters, no internal address."""
    rules = [
        schema["properties"]["callback_url"]
        for name, schema in built.document["components"]["schemas"].items()
        if name.endswith("Request") and "discriminator" not in schema
    ]
    assert len(rules) == 5
    assert all(r["maxLength"] == 2048 and r["pattern"] == "^https://" for r in rules)
    assert all(r["x-wanflow-public-url"] is True for r in rules)


def test_sources_without_overlays_build(sources: list[SourceSpec]):
    """The merge works without overlays, once the examples are fixed."""
    small = [one for one in sources if one.name in ("wan2.5-text-to-video", "task-management")]
    assert build_from([source(one.name, one.document) for one in small], []).document["paths"]
