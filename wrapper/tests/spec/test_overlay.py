"""An overlay does what it says, or it is an error."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spec.family import document, merged, request, source
from wanflow.spec.build import build_from
from wanflow.spec.errors import OverlayError
from wanflow.spec.overlay.citations import Sources
from wanflow.spec.overlay.overlay import Overlay, apply_overlay, parse_overlay, read_overlays
from wanflow.spec.proof.tighten import OverlayResult, apply_overlays
from wanflow.spec.read.yaml import read_yaml

if TYPE_CHECKING:
    from wanflow.spec.build import BuildResult
    from wanflow.spec.project import Checkout
    from wanflow.spec.read.source import SourceSpec

Json = dict[str, Any]

SETS = Path(__file__).parents[3].parent / "shared" / "overlay-compliance"
SAID = "Only supports `5` and `10`"


def overlay(*actions: Json, version: str = "1.1.0") -> Overlay:
    info = {"title": "t", "version": "1"}
    return parse_overlay({"overlay": version, "info": info, "actions": list(actions)}, "x.yaml")


def applied(data: Json, *actions: Json) -> Json:
    before = copy.deepcopy(data)
    after = apply_overlay(data, overlay(*actions))
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
    """Objects merge, lists grow, scalars are replaced, and what is removed is gone."""
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
def test_an_action_that_does_not_do_what_it_says_is_an_error(action, complaint):
    """No match, a clash of types, no change: each is an error that names file and action."""
    with pytest.raises(OverlayError, match=r"^x\.yaml, action 1: ") as caught:
        applied(DATA, action)
    assert complaint in str(caught.value)


@given(
    st.recursive(st.integers() | st.text(), lambda s: st.dictionaries(st.text(), s), max_leaves=9)
)
def test_an_update_is_found_in_the_result(update):
    """Whatever is merged into an empty object is there afterwards, and nothing else."""
    if isinstance(update, dict) and update:
        assert applied({"here": {}}, {"target": "$.here", "update": update}) == {"here": update}


def files(*parts: str) -> list[Path]:
    folder = SETS.joinpath(*parts)
    return sorted(folder.iterdir()) if folder.is_dir() else []


NO_SETS = "the Overlay specification's compliance sets aren't beside the checkout"
SETS_THERE = pytest.mark.skipif(not SETS.is_dir(), reason=NO_SETS)


@SETS_THERE
def test_the_compliance_sets_are_whole():
    """There are sets to comply with."""
    assert len(files("compliant-sets")) >= 8
    assert len(files("tests", "v1.1", "pass")) >= 13
    assert len(files("tests", "v1.1", "fail")) >= 22


@SETS_THERE
@pytest.mark.parametrize("folder", files("compliant-sets"), ids=lambda path: path.name)
def test_the_applier_passes_the_compliance_sets(folder):
    """Each set's overlay makes of its document what the specification says."""
    parts = [
        read_yaml((folder / name).read_text("utf-8"), name).data
        for name in ("openapi.yaml", "overlay.yaml", "output.yaml")
    ]
    assert apply_overlay(parts[0], parse_overlay(parts[1], folder.name)) == parts[2]


@SETS_THERE
@pytest.mark.parametrize("file", files("tests", "v1.1", "pass"), ids=lambda path: path.stem)
def test_every_valid_overlay_is_read(file):
    """An overlay that the specification's schema takes is read."""
    assert parse_overlay(read_yaml(file.read_text("utf-8"), file.name).data, file.name).actions


@SETS_THERE
@pytest.mark.parametrize("file", files("tests", "v1.1", "fail"), ids=lambda path: path.stem)
def test_every_invalid_overlay_is_refused(file):
    """An overlay that the specification's schema refuses is refused, with the file's name."""
    with pytest.raises(OverlayError, match=f"^{file.stem}"):
        parse_overlay(read_yaml(file.read_text("utf-8"), file.name).data, file.name)


def stated(*actions: Json, prose: str = "Only supports\n`5` and `10`") -> OverlayResult:
    """Overlay one small document whose `duration` says something."""
    duration = {"type": "integer", "description": prose}
    made = merged(a=document(request("nova-1", duration=duration)))
    return apply_overlays(made.document, [overlay(*actions)], Sources.of(made))


def left_alone(done: OverlayResult) -> str:
    """Why an action changed nothing."""
    assert done.unused
    (one,) = done.unapplied
    return str(one)


def closed(**more: Any) -> Json:
    update = {"enum": [5, 10], "x-wanflow-rests-on": {"enum": SAID}}
    target = "$.components.schemas[*].properties.duration"
    return {"target": target, "description": "why", "update": {**update, **more}}


def test_a_rule_that_rests_on_a_sentence_is_applied():
    """White space aside, the sentence is in the source: the rule holds."""
    after = stated(closed()).document
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
def test_a_document_that_does_not_say_the_whole_sentence_is_left_alone(prose: str):
    """The rule isn't applied, and that is said with both sentences; nothing fails."""
    why = left_alone(stated(closed(), prose=prose))
    assert "a.yaml" in why
    assert "/properties/duration: x.yaml, action 1 is not applied" in why
    assert "cites “Only supports `5` and `10`”, but the source spec says “" in why


@pytest.mark.parametrize(
    "update",
    [
        {"enum": [5]},
        {"maximum": 10, "enum": [5], "x-wanflow-rests-on": {"enum": SAID}},
        {"x-wanflow-effective-when": {"prompt": "x"}},
        {"allOf": [{"minimum": 5}]},
    ],
)
def test_a_rule_without_a_sentence_is_an_error(update):
    """Every rule that an overlay adds carries the sentence that it rests on."""
    action = {"target": "$.components.schemas[*].properties.duration", "description": "why"}
    with pytest.raises(OverlayError, match="cites no sentence"):
        stated({**action, "update": update})


def test_an_action_without_a_reason_is_an_error():
    """Every action says why."""
    with pytest.raises(OverlayError, match="must have a description with the reason"):
        stated({k: v for k, v in closed().items() if k != "description"})


def test_an_action_that_loosens_is_refused_with_a_body():
    """What the documents refuse stays refused; the warning shows a body that would pass."""
    action = {"target": "$.components.schemas[*].properties.duration.type", "remove": True}
    why = left_alone(stated({**action, "description": "why"}))
    assert re.search(r"loosens nova-1, which now accepts \{.*duration", why)


def test_an_action_may_loosen_when_it_says_why():
    """With its reason in the overlay, it may; and the reason must be needed."""
    action = {"target": "$.components.schemas[*].properties.duration.type", "remove": True}
    excuse = {"description": "why", "x-wanflow-loosens": "the server takes words as well"}
    assert not stated({**action, **excuse}).unapplied
    idle = {"target": "$.info", "update": {"summary": "s"}, **excuse}
    assert "it is marked as loosening, but loosens nothing" in left_alone(stated(idle))


def test_every_action_of_ours_is_needed(
    project: Checkout, sources: list[SourceSpec], built: BuildResult
):
    """Leaving any action of the committed overlays out changes the finished document."""
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
    """What only the prose states, the finished schemas state too."""
    rule = built.document["components"]["schemas"][name]["properties"][parameter]
    assert {key: rule.get(key) for key in rules} == rules
    cited = {one["keyword"] for one in rule["x-wanflow-rests-on"]}
    assert cited >= rules.keys() - {"maxItems"}


def test_every_callback_is_bound_to_https_and_the_public_internet(built: BuildResult):
    """All models: https only, 2048 characters, no internal address."""
    rules = [
        schema["properties"]["callback_url"]
        for name, schema in built.document["components"]["schemas"].items()
        if name.endswith("Request") and "discriminator" not in schema
    ]
    assert len(rules) == 5
    assert all(r["maxLength"] == 2048 and r["pattern"] == "^https://" for r in rules)
    assert all(r["x-wanflow-public-url"] is True for r in rules)


def test_a_document_without_overlays_builds(sources: list[SourceSpec]):
    """The overlays add; the merge stands without them, once the examples are whole."""
    small = [one for one in sources if one.name in ("wan2.5-text-to-video", "task-management")]
    assert build_from([source(one.name, one.document) for one in small], []).document["paths"]
