"""Every change of a spec is reported: each node of each spec is mutated."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from wanflow.spec.checks.keywords import KNOWN
from wanflow.spec.diff.change_kinds import KINDS, Severity
from wanflow.spec.diff.diff import compare
from wanflow.spec.read.yaml import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.spec.build import BuildResult
    from wanflow.spec.project import Checkout
    from wanflow.spec.read.source import SourceSpec

Json = dict[str, Any]
Path_ = tuple[str | int, ...]

WHOLE = Path(__file__).parent / "whole.yaml"


def whole() -> Json:
    return read_yaml(WHOLE.read_text("utf-8"), WHOLE.name).data


def nodes(node: Any, at: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of every node below the root."""
    if isinstance(node, dict):
        children = list(node.items())
    elif isinstance(node, list):
        children = list(enumerate(node))
    else:
        return
    for key, value in children:
        yield (*at, key)
        yield from nodes(value, (*at, key))


def another(value: Any) -> Any:
    """Return another value of the same kind."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value}x"
        case list():
            return [*value, "x-more"]
        case dict():
            return {**value, "x-more": "more"}
        case _:
            return "x"


def mutated(document: Json, at: Path_, how: str) -> Json:
    """Return a copy with one node removed, changed or extended."""
    changed = copy.deepcopy(document)
    parent: Any = changed
    for key in at[:-1]:
        parent = parent[key]
    if how == "gone":
        del parent[at[-1]]
    else:
        parent[at[-1]] = another(parent[at[-1]])
    return changed


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("how", ["gone", "changed"])
def test_every_changed_node_is_reported(how: str, step: int):
    """A change of any keyword of OpenAPI is a line of the report, in both directions."""
    document = whole()
    silent = []
    for at in list(nodes(document))[::step]:
        changed = mutated(document, at, how)
        if not compare(document, changed).changes or not compare(changed, document).changes:
            silent.append(at)
    assert silent == []


def test_the_document_has_every_keyword():
    """The test spec has all keywords of JSON Schema and of OpenAPI's objects."""
    keys = {key for at in nodes(whole()) for key in at if isinstance(key, str)}
    assert keys >= KNOWN - {"discriminator"}


@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_changed_node_of_the_real_documents_is_reported(
    sources: list[SourceSpec], built: BuildResult, data: Any
):
    """This holds for random nodes of the received specs and of the merged one."""
    documents = [*(source.document for source in sources), built.document]
    document = data.draw(st.sampled_from(documents))
    at = data.draw(st.sampled_from(list(nodes(document))))
    how = data.draw(st.sampled_from(["gone", "changed"]))
    changed = mutated(document, at, how)
    difference = compare(document, changed)
    assert difference.changes, (at, how)
    assert all("\n" not in str(one) for one in difference.changes)


def change(document: Json, at: str, value: Any) -> Json:
    """Return a copy with a node set; missing parents are created."""
    changed = copy.deepcopy(document)
    *parents, last = at.split("|")
    node: Any = changed
    for key in parents:
        node = node[int(key)] if isinstance(node, list) else node.setdefault(key, {})
    if value is GONE:
        del node[last]
    else:
        node[last] = value
    return changed


GONE = object()
POST = "paths|/v1/moons/generations|post"
SCHEMA = "components|schemas|MoonRequest"
NOTICED: dict[str, tuple[str, Any, str]] = {
    "a deprecated operation": (f"{POST}|deprecated", True, "WF201"),
    "a deprecated request": (f"{SCHEMA}|deprecated", True, "WF201"),
    "a deprecated parameter": (f"{SCHEMA}|properties|seed|deprecated", True, "WF201"),
    "a deprecated header": (
        f"{POST}|responses|200|headers|X-Left|deprecated",
        True,
        "WF201",
    ),
    "a deprecated value": (f"{SCHEMA}|properties|model|x-deprecated-values|moon-2", "x", "WF202"),
    "a deprecated branch": ("components|schemas|Kind|oneOf|1|deprecated", True, "WF202"),
    "not deprecated any more": ("components|schemas|Kind|oneOf|0|deprecated", False, "WF321"),
    "another sunset": (f"{POST}|x-sunset", "2029-01-01", "WF203"),
    "another replacement": (f"{POST}|x-replaced-by", "x", "WF203"),
    "a header": (f"{POST}|responses|200|headers|X-New", {"schema": {}}, "WF318"),
    "a header gone": (f"{POST}|responses|200|headers|X-Left", GONE, "WF121"),
    "a header's schema": (f"{POST}|responses|200|headers|X-Left|schema|minimum", 1, "WF204"),
    "a link": (f"{POST}|responses|200|links|b", {"operationId": "getMoon"}, "WF319"),
    "a link gone": (f"{POST}|responses|200|links|getMoon", GONE, "WF122"),
    "a link's parameter": (f"{POST}|responses|200|links|getMoon|parameters|x", "$x", "WF205"),
    "a callback": (f"{POST}|callbacks|b", {}, "WF320"),
    "a callback gone": (f"{POST}|callbacks|onMoon", GONE, "WF123"),
    "a callback's body": (
        f"{POST}|callbacks|onMoon|{{$request.body#/callback_url}}|post|requestBody|required",
        True,
        "WF206",
    ),
    "a webhook gone": ("webhooks|moonRose", GONE, "WF123"),
    "the default server": ("servers|0|url", "https://other.example.com", "WF107"),
    "a server's variable": ("servers|0|variables|region|default", "us", "WF208"),
    "security": (f"{POST}|security", [{"key": []}], "WF105"),
    "a default": (f"{SCHEMA}|properties|seed|default", 2, "WF115"),
    "an enumeration's text": (f"{SCHEMA}|properties|model|description", "x", "WF402"),
    "a text": (f"{SCHEMA}|properties|prompt|description", "x", "WF401"),
    "an example": (f"{SCHEMA}|properties|prompt|example", "x", "WF403"),
    "a request's example": (
        f"{POST}|requestBody|content|application/json|examples|one|value",
        {},
        "WF403",
    ),
    "the title": ("info|title", "x", "WF404"),
    "a tag's text": ("tags|0|description", "x", "WF405"),
    "an extension": (f"{SCHEMA}|x-anything", 1, "WF407"),
    "a style": ("paths|/v1/moons/generations|parameters|0|style", "form", "WF124"),
    "a read-only mark": ("components|schemas|Moon|properties|id|readOnly", False, "WF207"),
}


@pytest.mark.parametrize(("at", "value", "number"), NOTICED.values(), ids=NOTICED)
def test_each_change_has_its_kind(at: str, value: Any, number: str):
    """The id is that of the change, whatever else changes because of it."""
    difference = compare(whole(), change(whole(), at, value))
    assert number in {one.id for one in difference.changes}, difference.to_text()


def test_a_property_named_like_a_keyword_is_a_property():
    """A property named `deprecated` is a parameter."""
    new = change(whole(), f"{SCHEMA}|properties|sunset", {"type": "string"})
    assert {one.id for one in compare(whole(), new).changes} & {"WF201", "WF203"} == set()


def test_a_deprecation_names_its_replacement():
    """The line has the date and the replacement if the spec has them."""
    new = change(whole(), f"{POST}|deprecated", True)
    (line,) = [str(one) for one in compare(whole(), new).changes if one.id == "WF201"]
    assert "2030-01-01" in line
    assert "createSun" in line


def test_no_change_is_reported_twice():
    """One change of a parameter, a model, a status or a server is one line."""
    for at, value in (
        (f"{POST}|responses|402", {"description": "x"}),
        (f"{POST}|operationId", "make"),
        ("paths|/v1/x", {"get": {"operationId": "x", "responses": {}}}),
        (f"{SCHEMA}|properties|prompt|example", "other"),
    ):
        assert len(compare(whole(), change(whole(), at, value)).changes) == 1, at


def test_the_id_determines_the_severity():
    """The hundreds of an id are its level, and every level has ids."""
    levels = {number[2]: kind.severity for number, kind in KINDS.items()}
    assert levels["1"] is Severity.BREAKING
    assert levels["2"] is Severity.WARNING
    assert levels["3"] is Severity.ADDITIVE
    assert levels["4"] is Severity.INFO
    assert json.dumps(list(KINDS)) == json.dumps(sorted(KINDS))


def test_the_docs_list_every_id(project: Checkout):
    """docs/changes.md has each id with its title, and no other."""
    text = (project.root / "docs" / "changes.md").read_text("utf-8")
    listed = re.findall(r"^\| (WF\d+) \| (.*) \|$", text, re.MULTILINE)
    assert listed == sorted((number, kind.title) for number, kind in KINDS.items())
