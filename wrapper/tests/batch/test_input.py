"""How files of jobs are parsed: line numbers, errors, types of cells, and templates."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanflow._text import decode_text
from wanflow.batch import JobSpec, RowError
from wanflow.batch.input import RowParser, read_csv, read_jsonl
from wanflow.catalog.catalog import packaged_catalog

CATALOG = packaged_catalog()
IMAGE_MODEL = next(m for m in CATALOG.models.values() if m.kind == "image")
IMAGE_TO_MODEL = next(m for m in CATALOG.models.values() if "image_urls" in m.parameters)
FORM = RowParser(CATALOG, IMAGE_MODEL.name)


def lines(found: Any) -> list[JobSpec | RowError]:
    made = list(found)
    assert made
    return made


def test_lines_keep_their_numbers() -> None:
    """Empty lines are skipped, and lines are numbered as in an editor."""
    text = ['{"prompt": "a"}\n', "\n", "oops\n", "[1]\n", '{"prompt": "b", "key": "k"}']
    found = lines(read_jsonl(text, FORM))
    assert [(type(one), getattr(one, "number", None) or one.line) for one in found] == [
        (JobSpec, 1),
        (RowError, 3),
        (RowError, 4),
        (JobSpec, 5),
    ]
    assert found[3].key == "k"
    assert found[3].body == {"model": IMAGE_MODEL.name, "prompt": "b"}


def test_cells_get_the_types_of_their_parameters() -> None:
    """Numbers are converted, a link becomes a list, and an empty cell isn't set."""
    form = RowParser(CATALOG, IMAGE_TO_MODEL.name)
    text = ["prompt,n,image_urls,key\n", "007,2,https://h.example/a.png,\n", "x,two,,k\n"]
    first, second = lines(read_csv(text, form))
    assert first.body["prompt"] == "007"
    assert first.body["image_urls"] == ["https://h.example/a.png"]
    assert first.key is None
    if "n" in IMAGE_TO_MODEL.parameters:
        assert first.body["n"] == 2
        assert second.body["n"] == "two", "the request's validation reports it"


def test_a_row_of_another_length_is_an_error() -> None:
    """The error of a row with more or fewer cells than the header has its line number."""
    found = lines(read_csv(["prompt,size\n", "a,b,c\n", "a\n"], FORM))
    assert [error.line for error in found] == [2, 3]


def test_a_row_of_several_lines_has_the_number_of_its_last_line() -> None:
    """A quoted cell may have line breaks."""
    found = lines(read_csv(["prompt\n", '"a\n', 'b"\n'], FORM))
    assert found[0].body["prompt"] == "a\nb"
    assert found[0].line == 3


def test_templates_use_columns() -> None:
    """Columns that only a template uses are not parameters; others are."""
    form = RowParser(CATALOG, IMAGE_MODEL.name, {"prompt": "a {animal} in {place}"})
    text = ['{"animal": "fox", "place": "snow", "n": 2}', '{"animal": "owl"}']
    first, second = lines(read_jsonl(text, form))
    assert first.body == {"model": IMAGE_MODEL.name, "n": 2, "prompt": "a fox in snow"}
    assert second.errors == ("a template needs place, which is missing",)


@given(st.text(), st.text())
def test_the_text_of_a_column_is_never_a_template(one: str, two: str) -> None:
    """Braces in a column are kept."""
    form = RowParser(CATALOG, IMAGE_MODEL.name, {"prompt": "<{one}|{two}>"})
    (line,) = lines(read_jsonl([json.dumps({"one": one, "two": two})], form))
    assert line.body["prompt"] == f"<{one}|{two}>"


@given(st.lists(st.text(st.characters(exclude_characters="\n\r"), min_size=1), min_size=1))
def test_any_text_is_parsed_or_an_error(rows: list[str]) -> None:
    """Any line becomes a job or a RowError."""
    for read in (read_jsonl, read_csv):
        for found in read([f"{row}\n" for row in rows], FORM):
            assert isinstance(found, JobSpec | RowError)


def test_a_duplicate_member_is_an_error() -> None:
    """Otherwise one of the two would be dropped silently."""
    (found,) = read_jsonl(['{"prompt": "a", "prompt": "b"}'], FORM)
    assert "'prompt' appears twice" in str(found)


ODD_BREAKS = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_only_line_feeds_end_a_line(end: str) -> None:
    """Other line separators of Unicode are part of the text, in JSON and in a cell."""
    text = json.dumps({"prompt": f"a{ODD_BREAKS[:3]}b"}, ensure_ascii=False)
    (first, second) = lines(read_jsonl(f"{text}{end}{text}{end}", FORM))
    assert first.body["prompt"] == second.body["prompt"] == f"a{ODD_BREAKS[:3]}b"
    (row, other) = lines(read_csv(f"prompt{end}a{ODD_BREAKS}b{end}c{end}", FORM))
    assert (row.body["prompt"], other.body["prompt"]) == (f"a{ODD_BREAKS}b", "c")


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_number_that_json_does_not_have_is_an_error(literal: str) -> None:
    """Python parses them, but no API does."""
    (found,) = lines(read_jsonl(f'{{"prompt": "a", "n": {literal}}}', FORM))
    assert isinstance(found, RowError)
    assert literal in found.message


def test_a_number_of_very_many_digits_is_an_error() -> None:
    """It is a RowError, not an exception."""
    (found,) = lines(read_jsonl(f'{{"n": {"9" * 5000}}}', FORM))
    assert isinstance(found, RowError)


@pytest.mark.parametrize("text", ['{"a": {"b": 1, "b": 2}}', '{"a": [{"b": 1, "b": 2}]}'])
def test_a_duplicate_member_of_an_inner_object_is_an_error(text: str) -> None:
    """It is found at any depth."""
    (found,) = lines(read_jsonl(text, FORM))
    assert "'b' appears twice" in str(found)


def test_a_json_array_is_an_error() -> None:
    """The message explains how to convert it to lines."""
    (found,) = lines(read_jsonl('[\n{"prompt": "a"},\n{"prompt": "b"}\n]\n', FORM))
    assert "a JSON array" in str(found)
    assert "jq" in str(found)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_tables_of_excel_are_parsed(separator: str, end: str) -> None:
    """Separators, blanks in the header, empty rows and columns, and quoted cells."""
    rows = (
        (" prompt ", "size", "n", ""),
        ("a", "1024x768", "2", ""),
        ("", "", "", ""),
        ('"b;c,d\te ""f"""', "", "", ""),
    )
    text = end.join(separator.join(row) for row in rows) + end
    first, second = lines(read_csv(text, FORM))
    assert first.body == {"model": IMAGE_MODEL.name, "prompt": "a", "size": "1024x768", "n": 2}
    assert second.body == {"model": IMAGE_MODEL.name, "prompt": 'b;c,d\te "f"'}
    assert (first.line, second.line) == (2, 4)


@pytest.mark.parametrize("line", ["sep=|\n", '"sep=|"\r\n', "SEP=|\n"])
def test_a_line_that_sets_the_separator_is_used_and_skipped(line: str) -> None:
    """Excel writes and reads it; it counts as a line."""
    first, error = lines(read_csv(f"{line}prompt|size\na;b,c|\nx|y|z\n", FORM))
    assert first.body["prompt"] == "a;b,c"
    assert (first.line, error.line) == (3, 4)


def test_an_ambiguous_separator_is_an_error() -> None:
    """The message names the candidates; known column names decide."""
    (error,) = lines(read_csv("shade;animal,size\nx;y,z\n", FORM))
    assert "the comma or the semicolon" in str(error)
    assert "sep=" in str(error)
    form = RowParser(CATALOG, IMAGE_MODEL.name, {"prompt": "a {b,c}"})
    (line,) = lines(read_csv("b,c;size\nx;1024x768\n", form))
    assert line.body["prompt"] == "a x"


@pytest.mark.parametrize("text", ["prompt,size,prompt\na,b,c\n", "prompt, prompt \na,b\n"])
def test_a_duplicate_column_is_an_error(text: str) -> None:
    """One of the two would be dropped, and the other charged."""
    (error,) = lines(read_csv(text, FORM))
    assert error == RowError(1, "column 'prompt' appears twice")


def test_a_cell_in_a_column_without_a_name_is_an_error() -> None:
    """It can't be a parameter."""
    (error,) = lines(read_csv("prompt,\na,b\n", FORM))
    assert error == RowError(2, "cell 2 is in a column without a name")


@pytest.mark.parametrize("word", ["TRUE", "true", "True", " FALSE ", "false"])
def test_booleans_of_excel_are_converted_for_boolean_parameters(word: str) -> None:
    """In a prompt the same word is text."""
    model, name = next(
        (model, name)
        for model in CATALOG.models.values()
        for name, schema in model.parameters.items()
        if schema.get("type") == "boolean" and "prompt" in model.parameters
    )
    (line,) = lines(read_csv(f"prompt,{name}\n{word},{word}\n", RowParser(CATALOG, model.name)))
    assert line.body[name] is (word.strip().lower() == "true")
    assert line.body["prompt"] == word


TABLE = "prompt\tsize\nä — 猫\t1024x768\n"


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_byte_order_mark_is_respected(coding: str) -> None:
    """Excel's "Unicode text" is UTF-16 with tabs; its "CSV UTF-8" begins with a mark."""
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(coding, b"")
    (line,) = lines(read_csv(decode_text(mark + TABLE.encode(coding)), FORM))
    assert line.body["prompt"] == "ä — 猫"


@pytest.mark.parametrize("content", [TABLE.encode("cp1252", "replace"), b"\xff\xfe\x00"])
def test_a_file_that_is_not_unicode_is_an_error(content: bytes) -> None:
    """The message says in which encoding to save it."""
    with pytest.raises(ValueError, match="save it as UTF-8"):
        decode_text(content)


@given(st.text(st.characters(codec="utf-8")), st.sampled_from([",", ";", "\t"]))
def test_any_text_of_a_cell_is_parsed_unchanged(text: str, separator: str) -> None:
    """A cell that a CSV writer has quoted is parsed as it was."""
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=separator).writerows([["prompt", "size"], [text, "x"]])
    (line,) = lines(read_csv(written.getvalue(), FORM))
    assert line.body.get("prompt", "") == text
