"""Keywords of OpenAPI 3.0 in documents of 3.1 are converted, with right locations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

from tests.spec.family import VIDEOS, document, request, source
from wanflow.spec.build import build_from
from wanflow.spec.errors import FindingsError, InvalidDocument
from wanflow.spec.intake.importer import import_locations
from wanflow.spec.intake.loader import load_file
from wanflow.spec.project import Checkout
from wanflow.spec.read.yaml import write_yaml

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]

LEFTOVERS: dict[str, tuple[Json, Any]] = {
    "a type": ({"type": "string", "nullable": True}, "x"),
    "several types": ({"type": ["string", "integer"], "nullable": True}, 5),
    "a type that is nullable already": ({"type": ["string", "null"], "nullable": True}, "x"),
    "a list of values": ({"type": "string", "enum": ["x"], "nullable": True}, "x"),
    "a list without a type": ({"enum": ["x"], "nullable": True}, "x"),
    "a constant": ({"type": "string", "const": "x", "nullable": True}, "x"),
    "a reference": ({"$ref": "#/components/schemas/Word", "nullable": True}, "x"),
    "branches": ({"oneOf": [{"type": "string"}], "nullable": True}, "x"),
    "one of any": ({"anyOf": [{"type": "string"}], "nullable": True}, "x"),
    "all of": ({"allOf": [{"$ref": "#/components/schemas/Word"}], "nullable": True}, "x"),
    "entries": ({"type": "array", "items": {"type": "string"}, "nullable": True}, ["x"]),
    "with a note": (
        {"$ref": "#/components/schemas/Word", "nullable": True, "description": "a word"},
        "x",
    ),
}


@pytest.mark.parametrize("name", ["word", "value", "example", "default", "examples", "schema"])
@pytest.mark.parametrize(("rule", "value"), LEFTOVERS.values(), ids=LEFTOVERS)
def test_nullable_accepts_null_and_nothing_else(name: str, rule: Json, value: Any) -> None:
    """Beside a type, an enum, a constant, a reference or branches, for any property name."""
    data = document(request("nova-1", **{name: rule}), Word={"type": "string"})
    schemas = build_from([source("nova", data)], []).document["components"]
    whole = {"$ref": "#/components/schemas/Nova1Request", "components": schemas}
    assert '"nullable"' not in str(schemas).replace("'", '"')
    judge = jsonschema_rs.validator_for(whole)
    assert judge.is_valid({"model": "nova-1", name: None})
    assert judge.is_valid({"model": "nova-1", name: value})
    assert not judge.is_valid({"model": "nova-1", name: {"other": 1}})


def test_nullable_false_has_no_effect() -> None:
    """It is equal to leaving it out."""
    data = document(request("nova-1", word={"type": "string", "nullable": False}))
    schemas = build_from([source("nova", data)], []).document["components"]["schemas"]
    assert schemas["Nova1Request"]["properties"]["word"] == {"type": "string"}


def test_a_property_may_have_the_name_nullable() -> None:
    """The name of a parameter is not a keyword."""
    data = document(request("nova-1", nullable={"type": "boolean"}, exclusiveMinimum=True))
    schemas = build_from([source("nova", data)], []).document["components"]["schemas"]
    assert schemas["Nova1Request"]["properties"]["nullable"] == {"type": "boolean"}


def test_an_unknown_keyword_is_reported_at_the_line_in_the_page(tmp_path: Path) -> None:
    """The line is that of the page, not of a file that we generate."""
    text = write_yaml(document(request("nova-1", word={"type": "string", "nulable": True})))
    page = f"# Nova\n\n\n````yaml nova.json post {VIDEOS}\n{text}````\n"
    at = next(n for n, line in enumerate(page.split("\n"), 1) if "nulable" in line)
    path = tmp_path / "nova.md"
    path.write_text(page)
    (tmp_path / "c" / "specs" / "sources").mkdir(parents=True)
    with pytest.raises(
        (InvalidDocument, FindingsError), match=rf"nova\.md, line {at}: .*nulable"
    ) as caught:
        import_locations(Checkout(tmp_path / "c"), [path])
    assert "openapi.yaml" not in str(caught.value)


@pytest.mark.parametrize(
    "kind",
    [
        *("application/json; charset=utf-8", "application/json;charset=UTF-8"),
        *("Application/JSON", "*/*", "application/*", "application/json"),
    ],
)
def test_json_with_parameters_or_wildcards_is_json(kind: str, tmp_path: Path) -> None:
    """In requests and responses; and messages about it have the right line."""
    data = document(request("nova-1", word={"type": "string", "default": 5}))
    node = data["paths"][VIDEOS]["post"]
    for holder in (node["requestBody"], *node["responses"].values()):
        holder["content"] = {kind: holder["content"]["application/json"]}
    path = tmp_path / "nova.yaml"
    path.write_text(write_yaml(data))
    received = load_file(path).source
    made = build_from([received], [])
    assert list(made.document["paths"][VIDEOS]["post"]["requestBody"]["content"]) == [
        "application/json"
    ]
    place = f"/paths/{VIDEOS.replace('/', '~1')}/post/requestBody/content/application~1json/schema"
    assert received.lines[place] > 1


def test_two_json_media_types_in_one_body_stay_two() -> None:
    """Their schemas may differ, so neither is dropped."""
    data = document(request("nova-1"))
    content = data["paths"][VIDEOS]["post"]["requestBody"]["content"]
    content["application/json; charset=utf-8"] = {"schema": {"type": "object"}}
    with pytest.raises(InvalidDocument, match="must be only application/json"):
        build_from([source("nova", data)], [])
