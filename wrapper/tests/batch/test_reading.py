"""Files become lines, each wrong one with its number, and templates put columns into texts."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanflow.batch import JobSpec, RowError
from wanflow.batch.input import RowParser, decode_text, read_csv, read_jsonl
from wanflow.catalog.catalog import packaged_catalog

CATALOG = packaged_catalog()
PICTURE = next(m for m in CATALOG.models.values() if m.kind == "image")
TAKES_LINKS = next(m for m in CATALOG.models.values() if "image_urls" in m.parameters)
FORM = RowParser(CATALOG, PICTURE.name)


def lines(found: Any) -> list[JobSpec | RowError]:
    made = list(found)
    assert made
    return made


def test_lines_keep_their_numbers() -> None:
    """Empty lines are passed over, and the others are counted as an editor counts them."""
    text = ['{"prompt": "a"}\n', "\n", "oops\n", "[1]\n", '{"prompt": "b", "key": "k"}']
    found = lines(read_jsonl(text, FORM))
    assert [(type(one), getattr(one, "number", None) or one.line) for one in found] == [
        (JobSpec, 1),
        (RowError, 3),
        (RowError, 4),
        (JobSpec, 5),
    ]
    assert found[3].key == "k"
    assert found[3].body == {"model": PICTURE.name, "prompt": "b"}


def test_cells_get_their_parameters_types() -> None:
    """A number is a number, a lone link is a list of one, and an empty cell isn't set."""
    form = RowParser(CATALOG, TAKES_LINKS.name)
    text = ["prompt,n,image_urls,key\n", "007,2,https://h.example/a.png,\n", "x,two,,k\n"]
    first, second = lines(read_csv(text, form))
    assert first.body["prompt"] == "007"
    assert first.body["image_urls"] == ["https://h.example/a.png"]
    assert first.key is None
    if "n" in TAKES_LINKS.parameters:
        assert first.body["n"] == 2
        assert second.body["n"] == "two", "the check of the request says what is wrong"


def test_a_row_of_another_length_is_a_fault() -> None:
    """A row with more or fewer cells than the head is told of by its line."""
    found = lines(read_csv(["prompt,size\n", "a,b,c\n", "a\n"], FORM))
    assert [fault.line for fault in found] == [2, 3]


def test_a_line_of_quotes_over_lines_is_numbered_by_its_end() -> None:
    """A cell may have line breaks."""
    found = lines(read_csv(["prompt\n", '"a\n', 'b"\n'], FORM))
    assert found[0].body["prompt"] == "a\nb"
    assert found[0].line == 3


def test_templates_are_made_of_columns() -> None:
    """Columns that only a template uses are no parameters; parameters stay."""
    form = RowParser(CATALOG, PICTURE.name, {"prompt": "a {animal} in {place}"})
    text = ['{"animal": "fox", "place": "snow", "n": 2}', '{"animal": "owl"}']
    first, second = lines(read_jsonl(text, form))
    assert first.body == {"model": PICTURE.name, "n": 2, "prompt": "a fox in snow"}
    assert second.errors == ("a template needs place, which is missing",)


@given(st.text(), st.text())
def test_a_columns_text_is_never_a_template(one: str, two: str) -> None:
    """Whatever a column holds, braces and all, comes out as it is."""
    form = RowParser(CATALOG, PICTURE.name, {"prompt": "<{one}|{two}>"})
    (line,) = lines(read_jsonl([json.dumps({"one": one, "two": two})], form))
    assert line.body["prompt"] == f"<{one}|{two}>"


@given(st.lists(st.text(st.characters(exclude_characters="\n\r"), min_size=1), min_size=1))
def test_no_text_breaks_the_reading(rows: list[str]) -> None:
    """Any text at all becomes lines and faults."""
    for read in (read_jsonl, read_csv):
        for found in read([f"{row}\n" for row in rows], FORM):
            assert isinstance(found, JobSpec | RowError)


def test_a_member_that_is_there_twice_is_a_fault() -> None:
    """Of two of a name, nobody knows which is meant, and one would be dropped unsaid."""
    (found,) = read_jsonl(['{"prompt": "a", "prompt": "b"}'], FORM)
    assert "'prompt' appears twice" in str(found)


ODD_BREAKS = "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_end_where_lines_end(end: str) -> None:
    """Other characters that break lines somewhere are letters of a text, in JSON and in a cell."""
    text = json.dumps({"prompt": f"a{ODD_BREAKS[:3]}b"}, ensure_ascii=False)
    (first, second) = lines(read_jsonl(f"{text}{end}{text}{end}", FORM))
    assert first.body["prompt"] == second.body["prompt"] == f"a{ODD_BREAKS[:3]}b"
    (row, other) = lines(read_csv(f"prompt{end}a{ODD_BREAKS}b{end}c{end}", FORM))
    assert (row.body["prompt"], other.body["prompt"]) == (f"a{ODD_BREAKS}b", "c")


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_what_is_no_number_of_json_is_a_fault(literal: str) -> None:
    """Python reads them; no API does."""
    (found,) = lines(read_jsonl(f'{{"prompt": "a", "n": {literal}}}', FORM))
    assert isinstance(found, RowError)
    assert literal in found.message


def test_a_number_of_endless_digits_is_a_fault() -> None:
    """It is told, and nothing breaks."""
    (found,) = lines(read_jsonl(f'{{"n": {"9" * 5000}}}', FORM))
    assert isinstance(found, RowError)


@pytest.mark.parametrize("text", ['{"a": {"b": 1, "b": 2}}', '{"a": [{"b": 1, "b": 2}]}'])
def test_a_member_inside_that_is_there_twice_is_a_fault(text: str) -> None:
    """However deep it is."""
    (found,) = lines(read_jsonl(text, FORM))
    assert "'b' appears twice" in str(found)


def test_a_json_array_is_told_from_lines() -> None:
    """The sentence says how to make lines of it."""
    (found,) = lines(read_jsonl('[\n{"prompt": "a"},\n{"prompt": "b"}\n]\n', FORM))
    assert "a JSON array" in str(found)
    assert "jq" in str(found)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_excels_tables_are_read(separator: str, end: str) -> None:
    """Separators, trimmed heads, empty rows and columns, and cells with all of these in quotes."""
    rows = (
        (" prompt ", "size", "n", ""),
        ("a", "1024x768", "2", ""),
        ("", "", "", ""),
        ('"b;c,d\te ""f"""', "", "", ""),
    )
    text = end.join(separator.join(row) for row in rows) + end
    first, second = lines(read_csv(text, FORM))
    assert first.body == {"model": PICTURE.name, "prompt": "a", "size": "1024x768", "n": 2}
    assert second.body == {"model": PICTURE.name, "prompt": 'b;c,d\te "f"'}
    assert (first.line, second.line) == (2, 4)


@pytest.mark.parametrize("line", ["sep=|\n", '"sep=|"\r\n', "SEP=|\n"])
def test_a_line_that_names_the_separator_is_honoured_and_skipped(line: str) -> None:
    """Excel writes and reads it; lines are counted with it."""
    first, fault = lines(read_csv(f"{line}prompt|size\na;b,c|\nx|y|z\n", FORM))
    assert first.body["prompt"] == "a;b,c"
    assert (first.line, fault.line) == (3, 4)


def test_a_separator_that_cannot_be_told_is_asked_for() -> None:
    """The sentence names those that it could be; columns that models have decide it."""
    (fault,) = lines(read_csv("shade;animal,size\nx;y,z\n", FORM))
    assert "the comma or the semicolon" in str(fault)
    assert "sep=" in str(fault)
    form = RowParser(CATALOG, PICTURE.name, {"prompt": "a {b,c}"})
    (line,) = lines(read_csv("b,c;size\nx;1024x768\n", form))
    assert line.body["prompt"] == "a x"


@pytest.mark.parametrize("text", ["prompt,size,prompt\na,b,c\n", "prompt, prompt \na,b\n"])
def test_a_column_that_is_there_twice_is_a_fault(text: str) -> None:
    """One of the two would be dropped, and the other be paid for."""
    (fault,) = lines(read_csv(text, FORM))
    assert fault == RowError(1, "column 'prompt' appears twice")


def test_a_cell_in_a_column_without_a_name_is_a_fault() -> None:
    """Nobody knows what it is."""
    (fault,) = lines(read_csv("prompt,\na,b\n", FORM))
    assert fault == RowError(2, "cell 2 is in a column without a name")


@pytest.mark.parametrize("word", ["TRUE", "true", "True", " FALSE ", "false"])
def test_excels_booleans_are_booleans_where_the_parameter_takes_one(word: str) -> None:
    """In a prompt the same word is a word."""
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
def test_the_marks_of_a_coding_are_honoured(coding: str) -> None:
    """Excel's "Unicode text" is UTF-16 by tabs; its "CSV UTF-8" begins with a mark."""
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(coding, b"")
    (line,) = lines(read_csv(decode_text(mark + TABLE.encode(coding)), FORM))
    assert line.body["prompt"] == "ä — 猫"


@pytest.mark.parametrize("content", [TABLE.encode("cp1252", "replace"), b"\xff\xfe\x00"])
def test_what_is_no_unicode_gets_a_sentence(content: bytes) -> None:
    """It says what to save it as."""
    with pytest.raises(ValueError, match="save it as UTF-8"):
        decode_text(content)


@given(st.text(st.characters(codec="utf-8")), st.sampled_from([",", ";", "\t"]))
def test_any_text_of_a_cell_comes_back(text: str, separator: str) -> None:
    """What a table's writer has put into quotes is read as it was, whatever it is."""
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=separator).writerows([["prompt", "size"], [text, "x"]])
    (line,) = lines(read_csv(written.getvalue(), FORM))
    assert line.body.get("prompt", "") == text
