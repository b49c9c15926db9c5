"""A constraint is added where its complete citation is; a changed citation is reported."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tests.spec.family import document, request, source
from wanflow.catalog.document import resolve_ref
from wanflow.catalog.keywords import citations_of
from wanflow.catalog.schema_walk import iter_subschemas
from wanflow.cli.spec import spec
from wanflow.spec.build import BuildResult, build, build_from
from wanflow.spec.checks.proposal import propose_action
from wanflow.spec.overlay.evidence import collapse_whitespace, contains_citation
from wanflow.spec.overlay.overlay import Overlay, parse_overlay, read_overlays
from wanflow.spec.project import Checkout
from wanflow.spec.read.yaml import read_yaml, write_yaml

if TYPE_CHECKING:
    import random
    from pathlib import Path

Json = dict[str, Any]

QUALITY = """Video quality, defaults to `720p`

**Description:**
- `480p`: Lower quality, lower price
- `720p`: Standard quality, standard price, this is the default
- `1080p`: High quality, higher price"""
DURATION = (
    "Only supports values `5` and `10`, representing `5 seconds` and `10 seconds` respectively"
)
HTTPS = "Only HTTPS protocol is supported"
IMAGES = "Reference image URL list for image-to-image and image editing functions"
LINKS: Json = {"type": "array", "items": {"type": "string", "format": "uri"}, "description": IMAGES}


@pytest.fixture(scope="module")
def overlays(project: Checkout) -> list[Overlay]:
    return read_overlays(project.overlays)


def with_overlays(
    overlays: list[Overlay], *, required: tuple[str, ...] = ("model",), **rules: Json
) -> Json:
    """The properties of one small document, as our overlays leave it; and what they warn of."""
    made = build_from(
        [source("nova", document(request("nova-1", required=required, **rules)))], overlays
    )
    schema: Json = made.document["components"]["schemas"]["Nova1Request"]
    return {**schema["properties"], "warnings": [str(one) for one in made.warnings]}


def test_a_constraint_needs_its_type_and_required(overlays: list[Overlay]):
    """The sentence alone isn't enough: the list must be required, the duration a number."""
    assert with_overlays(overlays, images=LINKS)["images"] == LINKS
    assert (
        with_overlays(overlays, required=("model", "images"), images=LINKS)["images"]["minItems"]
        == 1
    )
    words = {"type": "string", "description": DURATION}
    assert with_overlays(overlays, duration=words)["duration"] == words
    number = {"type": "integer", "description": DURATION}
    assert with_overlays(overlays, duration=number)["duration"]["enum"] == [5, 10]


def callback(*restrictions: str) -> Json:
    lines = "\n\n".join(f"- {one}" for one in ("Sent once", *restrictions, "Tried 3 times"))
    return {"type": "string", "format": "uri", "description": f"Where to call back\n\n{lines}"}


HOSTS = "(127.0.0.1, 10.x.x.x, 172.16-31.x.x, 192.168.x.x, etc.)"


@pytest.mark.parametrize(
    ("sentence", "rule"),
    [
        *((said, {"pattern": "^https://"}) for said in ("HTTPS protocol only", HTTPS)),
        *(
            (said, {"maxLength": 2048})
            for said in (
                "URL length max 2048 characters",
                "URL length must not exceed `2048` characters",
            )
        ),
        *(
            (f"{said} {HOSTS}", {"x-wanflow-public-url": True})
            for said in (
                "Callback to internal IP addresses is prohibited",
                "Callbacks to internal IP addresses are prohibited",
                "Callbacks to internal network IP addresses are prohibited",
                "Callbacks to private IP addresses are prohibited",
                "Internal IP addresses are prohibited",
                "Private IP addresses not allowed",
            )
        ),
    ],
)
def test_every_known_wording_of_a_callback_restriction_becomes_a_constraint(
    overlays: list[Overlay], sentence: str, rule: Json
):
    """Each restriction is separate, and the wording of the source is cited."""
    done = with_overlays(overlays, hook=callback(sentence))
    (keyword,) = rule
    rests = [{"keyword": keyword, "sentence": sentence}]
    own = callback(sentence)
    assert done["hook"] == {**own, **rule, "x-wanflow-rests-on": rests}
    assert done["warnings"] == []
    longer = callback(f"{sentence} and only for members")
    made = with_overlays(overlays, hook=longer)
    assert made["hook"] == longer
    assert "is not applied" in " ".join(made["warnings"])


@pytest.mark.parametrize(
    ("own", "left"),
    [
        ({"enum": [5]}, {"enum": [5]}),
        ({"example": 6}, {"example": 6}),
        ({"default": 6}, {"default": 6}),
        ({"minimum": 11}, {"minimum": 11}),
    ],
)
def test_the_source_takes_precedence_over_an_overlay(
    overlays: list[Overlay], own: Json, left: Json
):
    """Its enum, example, default and bounds stay; a warning says that the action isn't applied."""
    rule = {"type": "integer", "description": DURATION, **own}
    done = with_overlays(overlays, duration=rule)
    assert done["duration"] == {"type": "integer", "description": DURATION, **left}
    assert any("10-duration.yaml, action 1 is not applied" in line for line in done["warnings"])


def test_an_example_request_takes_precedence_over_an_overlay(overlays: list[Overlay]):
    """A request that the source has as an example must stay valid."""
    rule = {"type": "integer", "description": DURATION}
    shown = {"model": "nova-1", "duration": 4}
    made = build_from(
        [source("nova", document(request("nova-1", duration=rule), example=shown))], overlays
    )
    assert (
        "enum"
        not in made.document["components"]["schemas"]["Nova1Request"]["properties"]["duration"]
    )
    assert any("the spec has the example" in str(one) for one in made.unapplied)


GROWN = {
    "one more at the end": (QUALITY, QUALITY + "\n- `4k`: Highest quality"),
    "one more before": (QUALITY, QUALITY.replace("- `480p`", "- `360p`: Least\n- `480p`")),
    "one more after an empty line": (QUALITY, QUALITY + "\n\n- `4k`: Highest quality"),
    "another mark": (QUALITY, QUALITY + "\n* `4k`: Highest quality"),
    "one gone": (QUALITY, QUALITY.rpartition("\n")[0]),
    "another order": (QUALITY, QUALITY.replace("`480p`", "`x`").replace("`1080p`", "`480p`")),
    "in one line": (
        collapse_whitespace(QUALITY),
        collapse_whitespace(QUALITY) + " - `4k`: Highest quality",
    ),
    "another word": (QUALITY, QUALITY.replace("High quality", "Best quality")),
}


@pytest.mark.parametrize(("before", "after"), GROWN.values(), ids=GROWN)
def test_an_enum_cites_its_complete_list(overlays: list[Overlay], before: str, after: str):
    """A longer, shorter, reordered or reworded list is a different one."""
    held = with_overlays(overlays, quality={"type": "string", "description": before})
    assert held["quality"]["enum"] == ["480p", "720p", "1080p"]
    done = with_overlays(overlays, quality={"type": "string", "description": after})
    assert "enum" not in done["quality"]
    assert any("is not applied" in line or "reads like a rule" in line for line in done["warnings"])


ENTRIES = st.lists(st.sampled_from(["480p", "720p", "1080p", "4k", "2k"]), min_size=2, unique=True)


@given(ENTRIES, ENTRIES)
def test_only_the_same_list_is_a_citation(one: list[str], other: list[str]):
    """Of any two lists, one is found in the other's text only if they are equal."""
    lines = [[f"`{name}`: Quality {name}" for name in names] for names in (one, other)]
    text = "Quality\n\n" + "\n".join(f"- {line}" for line in lines[1]) + "\n\nSee below."
    assert contains_citation(text, " - ".join(lines[0]), "enum") == (one == other)


@given(st.sampled_from([DURATION, IMAGES]), st.randoms())
def test_only_the_same_sentence_is_a_citation(sentence: str, chance: random.Random):
    """It may be wrapped anywhere; with a word added, removed or moved it is another."""
    words = sentence.split()
    wrapped = "".join(word + chance.choice([" ", "\n", "  "]) for word in words)
    assert contains_citation(f"How long\n- {wrapped}\n- Other", sentence, "enum")
    place = chance.randrange(len(words))
    for changed in (
        [*words[:place], *words[place + 1 :]],
        [*words[:place], "not", *words[place:]],
        [*words, "and", "`15`"],
        words[::-1],
    ):
        assert not contains_citation(f"- {' '.join(changed)}", sentence, "enum")


def test_every_cited_sentence_is_in_its_source(built: BuildResult):
    """For every constraint of the committed spec, the sentence is in the model's own source."""
    texts = {
        call.source.name: collapse_whitespace(call.source.text.replace("\n", " "))
        for call in built.merge_result.operations
    }
    checked = 0
    for call in built.merge_result.operations:
        for model in call.models:
            name = built.document["paths"][call.path][call.method]["requestBody"]["content"]
            union = resolve_ref(built.document, name["application/json"]["schema"])
            mapping = union["discriminator"]["mapping"]
            schema = built.document["components"]["schemas"][mapping[model].rpartition("/")[2]]
            for _, inner in iter_subschemas(schema, ""):
                for sentence in citations_of(inner).values():
                    assert collapse_whitespace(sentence) in texts[call.source.name]
                    checked += 1
    assert checked > 30


@pytest.fixture
def checkout(tmp_path: Path, project: Checkout) -> Checkout:
    for name in ("specs", "generated"):
        shutil.copytree(project.root / name, tmp_path / "checkout" / name)
    for name in ("pyproject.toml", "CHANGELOG.md"):
        shutil.copy(project.root / name, tmp_path / "checkout" / name)
    return Checkout(tmp_path / "checkout")


def run(checkout: Checkout, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(spec, ["--root", str(checkout.root), *words])
    return done.exit_code, done.output


CHANGES = {
    "a list grows": (
        "`1080p`: High quality, higher price\n",
        "`1080p`: High quality, higher price\n\n            - `4k`: Highest quality\n",
        "quality",
    ),
    "a sentence changes": ("Only supports values `5` and `10`", "Can be `4` or `8`", "duration"),
    "a sentence moves": (
        f"            - {DURATION.replace('and `10 ', 'and@`10 ')}\n".replace("@", "\n" + " " * 12),
        "",
        "duration",
    ),
}


@pytest.mark.processes
@pytest.mark.parametrize(
    ("old", "new", "parameter"),
    [
        pytest.param(
            *change, id=kind, marks=pytest.mark.slow if kind != "a sentence changes" else []
        )
        for kind, change in CHANGES.items()
    ],
)
def test_a_constraint_whose_citation_changed_is_dropped_and_reported(
    checkout: Checkout, tmp_path: Path, old: str, new: str, parameter: str
):
    """`import`, `diff`, `regenerate` and the changelog name it."""
    before = str(tmp_path / "before.yaml")
    shutil.copy(checkout.spec, before)
    name = "wan2.5-text-to-video"
    text = (checkout.sources / f"{name}.yaml").read_text()
    assert text.count(old) == 1
    changed = text.replace(old, new)
    if not new:
        changed = changed.replace(
            "limited to 2000 tokens", f"limited to 2000 tokens\n\n{' ' * 12}{DURATION}"
        )
    (tmp_path / f"{name}.yaml").write_text(changed)
    code, output = run(checkout, "import", str(tmp_path / f"{name}.yaml"))
    said = f"/properties/{parameter}: the rule `enum` isn't applied any more"
    assert code == 0, output
    assert f"warning: {name}: {said}" in output
    code, output = run(checkout, "diff", before)
    assert code == 2
    assert said in output
    code, output = run(checkout, "regenerate")
    assert code == 0, output
    assert said in output
    assert "nothing that" not in output
    assert said in checkout.changelog.read_text()
    schema = build(checkout).document["components"]["schemas"]["Wan25TextToVideoRequest"]
    assert "enum" not in schema["properties"][parameter]
    code, output = run(checkout, "check")
    assert code == 0
    assert f"/properties/{parameter}" in output or not new or "Can be" in new


SENTENCES: dict[str, tuple[Json, str, Json]] = {
    "values": ({"type": "integer"}, "Only supports `4`, `8` values", {"enum": [4, 8]}),
    "an example that breaks it": (
        {"type": "integer", "example": 5},
        "Only supports `4`, `8` values",
        {"enum": [4, 8], "example": 4},
    ),
    "words": (
        {"type": "string"},
        "Supported modes: `fast`, `slow` (cheaper)",
        {"enum": ["fast", "slow"]},
    ),
    "numbers": ({"type": "integer"}, "Must be one of 5, 10, 15.", {"enum": [5, 10, 15]}),
    "a list": (
        {"type": "string"},
        "- `std`: Standard\n- `pro`: Professional",
        {"enum": ["std", "pro"]},
    ),
    "a range": ({"type": "integer"}, "Any value between [1, 9]", {"minimum": 1, "maximum": 9}),
    "a range that sounds like a list": (
        {"type": "integer"},
        "Only supports values 1 to 4",
        {"minimum": 1, "maximum": 4},
    ),
    "a range with units": (
        {"type": "integer"},
        "Only supports `5` seconds to `10` seconds, where more costs more",
        {"minimum": 5, "maximum": 10},
    ),
    "a range in words": (
        {"type": "number"},
        "Allowed values are between 1 and 4.",
        {"minimum": 1, "maximum": 4},
    ),
    "a wide range": ({"type": "number"}, "Range: 0.5~2.5", {"minimum": 0.5, "maximum": 2.5}),
    "a length": ({"type": "string"}, "It must not exceed `800` characters", {"maxLength": 800}),
    "a number of": ({"type": "array", "items": {}}, "Up to `4` images", {"maxItems": 4}),
    "at least": ({"type": "array", "items": {}}, "At least 1 image", {"minItems": 1}),
    "a step": ({"type": "integer"}, "Must be a multiple of `8`", {"multipleOf": 8}),
    "https": ({"type": "string"}, "Only HTTPS is supported", {"pattern": "^https://"}),
}


@pytest.mark.parametrize(("rule", "sentence", "wanted"), SENTENCES.values(), ids=SENTENCES)
def test_the_action_that_an_import_proposes_can_be_pasted(
    tmp_path: Path, rule: Json, sentence: str, wanted: Json
):
    """Below the warning is an action; under `actions:` it is applied without a warning."""
    data = document(request("nova-1", x={**rule, "description": f"What it is\n\n{sentence}"}))
    root = tmp_path / "checkout"
    (root / "specs" / "sources").mkdir(parents=True)
    (tmp_path / "nova.yaml").write_text(write_yaml(data))
    code, output = run(Checkout(root), "import", str(tmp_path / "nova.yaml"))
    assert code == 0, output
    lines = output.splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("  - target:"))
    pasted = [line for line in lines[begin:] if line.startswith(("  - ", "    "))]
    head = "overlay: 1.1.0\ninfo:\n  title: t\n  version: '1'\nactions:\n"
    text = head + "\n".join(pasted) + "\n"
    overlay = parse_overlay(read_yaml(text, "90-pasted.yaml").data, "90-pasted.yaml")
    assert overlay.actions
    (root / "specs" / "overlays").mkdir()
    (root / "specs" / "overlays" / "90-pasted.yaml").write_text(text)
    made = build(Checkout(root))
    schema = made.document["components"]["schemas"]["Nova1Request"]["properties"]["x"]
    assert {key: schema.get(key) for key in wanted} == wanted
    assert made.warnings == []
    assert run(Checkout(root), "import", str(tmp_path / "nova.yaml")) == (0, "nova: as it was\n")


@pytest.mark.parametrize("kind", ["integer", "number", "string"])
def test_a_range_beside_another_value_proposes_nothing(kind: str):
    """No keyword says it, and its numbers alone would refuse what lies between them."""
    schema = {"type": kind, "description": "Only supports values 5 or 10 to 15"}
    assert propose_action({"x": schema}, "/x", schema, schema["description"]) == ""


def test_our_overlays_do_not_fail_on_other_sources(tmp_path: Path, project: Checkout):
    """Our overlays and accepted sentences with sources that they aren't about: nothing fails."""
    root = tmp_path / "checkout"
    shutil.copytree(project.root / "specs", root / "specs")
    shutil.rmtree(root / "specs" / "sources")
    (root / "specs" / "sources").mkdir()
    (root / "specs" / "sources.lock").unlink()
    data = document(request("nova-1", prompt={"type": "string"}))
    (tmp_path / "nova.yaml").write_text(write_yaml(data))
    assert run(Checkout(root), "import", str(tmp_path / "nova.yaml"))[0] == 0
    made = build(Checkout(root))
    assert made.unapplied == []
    assert (
        "links" not in made.document["paths"]["/v1/videos/generations"]["post"]["responses"]["200"]
    )
