"""The name that a template gives a file: valid everywhere, inside its directory, and recordable."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.core.test_file_names import DEVICES, IDS
from tests.examples import examples
from wanflow import InvalidRequest
from wanflow._core.file_formats import EXTENSIONS
from wanflow._core.file_names import (
    BATCH_FIELDS,
    FIELDS,
    NameTemplate,
    parse_template,
    recorded_template,
    task_values,
)

HOSTILE = st.sampled_from(
    [
        *("/", "\\", "..", ".", "~", "-", " ", "\x00", "\n", "\x1b[31m", "\u202e", "\ud83d", ":"),
        *("con", "NUL", "com1", "report", "index", "a", "é", "e\u0301", "日本", "x" * 50, "$HOME"),
        *("{{", "}}", "{", "}", "*", "?", "|", "<", "%", ".png", "AUX.", "CON .", "\u00b9"),
    ]
)
FIELD = st.sampled_from([f"{{{name}}}" for name in (*BATCH_FIELDS, "index:03", "index!r", "0")])
TEMPLATES = st.lists(HOSTILE | FIELD | st.text(max_size=5), max_size=6).map("".join)
PLAIN = st.sampled_from(["a", "é", "e\u0301", "日本", " ", "-", ".png", "com1", "{{", "}}", "~"])
VALID = st.lists(
    PLAIN | FIELD.filter(lambda one: one[1:-1] in {*BATCH_FIELDS, "index:03"}), max_size=6
)
"""Templates most of which are valid; of hostile ones few are."""
TEMPLATES_TO_USE = VALID.map("".join) | TEMPLATES
VALUES = st.lists(HOSTILE | st.text(max_size=8), max_size=5).map("".join)


def parsed(text: str) -> NameTemplate:
    """Parse a template, or skip the example."""
    try:
        return parse_template(text, BATCH_FIELDS)
    except InvalidRequest:
        assume(False)
        raise


@settings(max_examples=examples(600))
@given(TEMPLATES)
@example("")
@example("x" * 81)
@example("con")
@example("a/b")
@example("{prompt}")
@example("{index}.{ext}")
@example("cat.PNG")
@example("{index:3}")
@example("{task_id[0]}")
def test_a_template_is_accepted_or_refused_in_one_sentence(text: str) -> None:
    """The sentence names the template, and can be printed on every terminal."""
    try:
        template = parse_template(text)
    except InvalidRequest as error:
        sentence = str(error)
        assert sentence.startswith(f"the name {text!a} can't be used: ")
        assert sentence.isprintable()
    else:
        assert template.fields <= set(FIELDS)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("a/{index}", "'/' can't be in it"),
        ("a\\b", "can't be in it"),
        ("..", "can't begin with '.'"),
        ("-{index}", "can't begin with '-'"),
        ("{prompt}", "{prompt} is no field here; the fields are {task_id}, {index}"),
        ("{ext}", "each file gets the extension of its format"),
        ("cat.png", "leave out .png"),
        ("NUL", "nul is a reserved name"),
        ("con.{index}", "con is a reserved name"),
        ("report", "report is a reserved name"),
        ("x" * 81, "at most 80"),
        ("{", "braces"),
        ("{model.name}", "plain name in braces"),
        ("{model:03}", "only {index} has a format"),
    ],
)
def test_a_refused_template_says_why(text: str, reason: str) -> None:
    """The reason names what is wrong, and what is allowed."""
    with pytest.raises(InvalidRequest, match=re.escape(reason)):
        parse_template(text)


@pytest.mark.parametrize("value", [7, b"{index}", ["{index}"], object])
def test_a_name_is_a_text(value: Any) -> None:
    """Other values are refused."""
    with pytest.raises(InvalidRequest, match="name must be a text"):
        parse_template(value)


@settings(max_examples=examples(600))
@given(TEMPLATES_TO_USE, VALUES, IDS, VALUES, st.integers(0, 5000), st.integers(1, 5001))
@example("{key}", "con", "t", "m", 0, 1)
@example("{key}.x", "NUL", "t", "m", 0, 1)
@example("{key}", "", "t", "", 0, 1)
@example("{key}{model}", ".." * 80, "t", "\u202e", 3, 4)
@example("{task_id}", "", "../../etc/passwd", "", 0, 1)
def test_every_name_is_valid_on_every_system(
    text: str, key: str, task_id: str, model: str, index: int, count: int
) -> None:
    """Whatever the key, the id and the model are: one part of a path, no device, not hidden."""
    template = parsed(text).bind(key=key)
    for stem in template.stems(task_values(task_id, model, None), index, count):
        assert stem
        assert stem == stem.strip(" .")
        assert not stem.startswith("-")
        assert PurePosixPath(stem).parts == PureWindowsPath(stem).parts == (stem,)
        assert not set(stem) & set('<>:"/\\|?*{}\x00')
        assert not any(unicodedata.category(letter)[0] in "CZ" for letter in stem.replace(" ", ""))
        assert not DEVICES.fullmatch(stem.casefold())
        assert stem.casefold() not in {"report", "index"}
        assert len(f".{stem}~12345678.part.json{max(EXTENSIONS, key=len)}".encode()) <= 255


@settings(max_examples=examples(400))
@given(TEMPLATES_TO_USE, VALUES, VALUES, IDS, st.integers(0, 20))
def test_a_recorded_template_gives_the_same_names(
    text: str, key: str, model: str, task_id: str, index: int
) -> None:
    """A resumed job reads its template from the ledger, where the key is a part of it."""
    template = parsed(text).bind(key=key, model=model)
    read = recorded_template(str(template))
    assert read is not None
    values = task_values(task_id, "another model", 1.0e9)
    assert read.stems(values, index, 30) == template.stems(values, index, 30)


@settings(max_examples=examples(300))
@given(TEMPLATES_TO_USE, st.lists(IDS, min_size=2, max_size=4, unique=True), st.integers(1, 12))
def test_the_second_names_of_files_differ(text: str, ids: list[str], count: int) -> None:
    """Where the first name is another file's, the second is only this file's."""
    template = parsed(text)
    seconds = [
        unicodedata.normalize("NFKC", template.stems(task_values(one, "m", 0.0), index, count)[1])
        for one in ids
        for index in range(count)
    ]
    assert len({name.casefold() for name in seconds}) == len(ids) * count


@settings(max_examples=examples(200))
@given(TEMPLATES_TO_USE, IDS, st.integers(2, 300))
def test_several_files_of_a_task_have_different_names(text: str, task_id: str, count: int) -> None:
    """They are numbered, with or without a field for that; long names end with a digest."""
    values = task_values(task_id, "m", 0.0)
    stems = [parsed(text).stems(values, index, count)[0] for index in range(count)]
    assert len({stem.casefold() for stem in stems}) == count


def test_the_fields_of_a_task() -> None:
    """The index counts from 1, the date is that of the task's creation, in UTC."""
    template = parse_template("{date} {model}-{task_id}_{index:03}")
    values = task_values("task-1x", "maker/large 2.0", 1_700_000_000.0)
    assert template.stems(values, 4, 9)[0] == "2023-11-14 maker_large 2.0-task-1x_005"
    assert parse_template("{date}{model}").stems(task_values("t", None, None), 0, 1)[0] == (
        "unknownunknown"
    )


def test_a_recorded_text_that_is_no_template_is_ignored() -> None:
    """A ledger can be written by other programs."""
    assert recorded_template("../{") is None
    assert recorded_template(None) is None
