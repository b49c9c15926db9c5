"""Options are made from any spec, with any parameter names."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from wanflow.catalog.catalog import Model, packaged_catalog
from wanflow.cli.model_options import ModelOptions, parameters_of
from wanflow.cli.text import counted, first_sentence, one_line, printable
from wanflow.cli.values import parse_value, to_text, types_of

USED_FLAGS = {"-h", "--help", "--json", "--output-dir", "-o"}
NAMES = st.text(min_size=1, max_size=12) | st.sampled_from(
    ["json", "out", "help", "image_urls", "image_url", "IMAGE-URLS", "a.b", "--", "名前", "\x1b[2J"]
)
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers(),
    "number": st.floats(allow_nan=False, allow_infinity=False, width=32).map(
        lambda value: round(value, 3)
    ),
    "boolean": st.booleans(),
    "string": st.text(),
}


def model(properties: dict[str, Any], **more: Any) -> Model:
    schema = {"type": "object", "properties": properties, **more}
    return Model("nova", "image", "/v1/x", "createX", "Nova", schema, {})


def form(properties: dict[str, Any], document: dict[str, Any] | None = None) -> ModelOptions:
    return ModelOptions.from_parameters(
        parameters_of(document or {}, model(properties)), USED_FLAGS
    )


def parsed(made: ModelOptions, words: list[str]) -> dict[str, Any]:
    """Parse arguments with the options, and return the request's fields."""
    bodies: list[dict[str, Any]] = []
    command = click.Command(
        "nova",
        params=list(made.options),
        callback=lambda **values: bodies.append(made.body(values)),
    )
    done = CliRunner().invoke(command, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return bodies[0]


@given(st.lists(NAMES, min_size=1, max_size=8, unique=True))
def test_every_parameter_has_its_own_option(names: list[str]) -> None:
    """No two options share a name, none has a name of the command's options, and each is ASCII."""
    made = form({name: {"type": "string"} for name in names})
    flags = [flag for option in made.options for flag in option.opts]
    assert len(made.options) == len([name for name in names if name != "model"])
    assert len(set(flags)) == len(flags)
    assert not USED_FLAGS & set(flags)
    assert all(flag.startswith("--") and flag.isascii() and flag.isprintable() for flag in flags)


@given(st.dictionaries(NAMES, st.sampled_from(sorted(SCALARS)), min_size=1, max_size=5), st.data())
def test_values_are_passed_with_their_type(kinds: dict[str, str], data: st.DataObject) -> None:
    """A value given as text is in the request with the name and type of the spec."""
    kinds.pop("model", None)
    made = form({name: {"type": kind} for name, kind in kinds.items()})
    wanted = {name: data.draw(SCALARS[kind]) for name, kind in kinds.items()}
    words: list[str] = []
    for parameter, option in made.entries.values():
        words += [option.opts[-1], to_text(wanted[parameter.name])]
    found = parsed(made, words)
    assert found == wanted
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in wanted.items()
    }


@given(st.lists(st.text(min_size=1).filter(lambda text: not text.lstrip().startswith("["))))
def test_lists_are_given_entry_by_entry(entries: list[str]) -> None:
    """The option of a list is given once for each entry, in the singular or the plural."""
    made = form({"image_urls": {"type": "array", "items": {"type": "string"}}})
    (option,) = made.options
    assert option.opts == ["--image-url", "--image-urls"]
    words = [word for n, entry in enumerate(entries) for word in (option.opts[n % 2], entry)]
    assert parsed(made, words) == ({"image_urls": entries} if entries else {})


def test_a_full_name_takes_precedence_over_a_singular() -> None:
    """If a spec has both, each keeps its own name."""
    listed = {"type": "array", "items": {"type": "string"}}
    made = form({"image_urls": listed, "image_url": {"type": "string"}})
    assert [option.opts for option in made.options] == [["--image-urls"], ["--image-url"]]


def test_fields_of_objects() -> None:
    """Each field of an object has an option, through references and levels."""
    document = {"components": {"schemas": {"Inner": {"properties": {"x": {"type": "integer"}}}}}}
    outer = {
        "type": "object",
        "properties": {"inner": {"$ref": "#/components/schemas/Inner"}},
    }
    made = form({"outer": outer}, document)
    assert parsed(made, ["--outer.inner.x", "3", "--outer", '{"y": 1}']) == {
        "outer": {"y": 1, "inner": {"x": 3}}
    }


def test_a_recursive_schema() -> None:
    """Options of a recursive schema are limited."""
    node: dict[str, Any] = {"$ref": "#/components/schemas/Node"}
    again = {"type": "object", "properties": {"next": node, "all": {"anyOf": [node]}}}
    document = {"components": {"schemas": {"Node": again}}}
    assert 1 < len(form({"node": node}, document).options) < 100


def test_branches_and_references_are_resolved() -> None:
    """A value is parsed by the types of all branches and references of a schema."""
    document = {"components": {"schemas": {"Whole": {"type": "integer"}}}}
    whole = {"$ref": "#/components/schemas/Whole"}
    made = form(
        {
            "one": {"anyOf": [whole, {"type": "null"}]},
            "many": {"type": "array", "items": whole},
            "any": {},
            "const": {"const": 4},
        },
        document,
    )
    words = ["--one", "1", "--many", "2", "--many", "[3]", "--any", '{"a": null}', "--const", "4"]
    assert parsed(made, words) == {"one": 1, "many": [2, 3], "any": {"a": None}, "const": 4}


@given(st.text())
def test_any_text_is_parsed(word: str) -> None:
    """A text is parsed as JSON or rejected with ValueError; a string is kept unchanged."""
    assert parse_value(word, {"type": "string"}) == word
    for schema in ({"type": "integer"}, {"enum": [5, "x", None, True]}, {}, {"type": "object"}):
        with suppress(ValueError):
            json.dumps(parse_value(word, schema))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_choices_are_parsed_with_their_type(choice: Any) -> None:
    """The text of an allowed value is parsed as that value, with its type."""
    found = parse_value(to_text(choice), {"enum": [choice]})
    assert json.dumps(found) == json.dumps(choice)
    assert types_of({"enum": [choice]})


@given(st.text())
def test_text_of_a_spec_cannot_control_the_terminal(text: str) -> None:
    """No text of a spec is printed with control characters."""
    assert all(
        letter.isprintable() or letter in "\n\u3000" or letter.isspace()
        for letter in printable(text)
    )
    for shown in (printable(text), one_line(text), first_sentence(text)):
        assert not {chr(n) for n in (*range(10), *range(11, 32), *range(127, 160))} & set(shown)
    assert "\n" not in one_line(text)


@given(st.text())
def test_json_keeps_its_meaning(text: str) -> None:
    """Escaping JSON for a terminal doesn't change its value."""
    assert json.loads(printable(json.dumps(text, ensure_ascii=False))) == text


def test_hostile_descriptions() -> None:
    """Escape sequences in a description or metavar are not in the help."""
    nasty = "\x1b]0;owned\x07\x9b31m"
    made = form({"x": {"type": "string", "description": nasty, "enum": [nasty], "default": nasty}})
    command = click.Command("nova", params=list(made.options), help=one_line(nasty))
    text = CliRunner().invoke(command, ["--help"]).output
    assert "owned" in text
    assert not {"\x1b", "\x07", "\x9b"} & set(text)


def test_every_model_of_the_documents_has_all_its_options() -> None:
    """Every parameter of every model has an option."""
    catalog = packaged_catalog()
    assert catalog.models
    for one in catalog.models.values():
        made = ModelOptions.from_parameters(parameters_of(catalog.document, one), USED_FLAGS)
        assert {p.path[0] for p, _ in made.entries.values()} == set(one.parameters)


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (21, "21 files")]
)
def test_one_thing_is_not_named_in_the_plural(number: int, shown: str) -> None:
    """A message says "1 file", and "files" for any other number."""
    assert counted(number, "file") == shown
