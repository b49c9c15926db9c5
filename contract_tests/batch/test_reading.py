"""Files become lines, each wrong one with its number, and templates put columns into texts."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wanflow.batch import Fault, Line
from wanflow.batch.reading import Form, read_csv, read_jsonl
from wanflow.spec.catalog import packaged_catalog

CATALOG = packaged_catalog()
PICTURE = next(m for m in CATALOG.models.values() if m.kind == "image")
TAKES_LINKS = next(m for m in CATALOG.models.values() if "image_urls" in m.parameters)
FORM = Form(CATALOG, PICTURE.name)


def lines(found: Any) -> list[Line | Fault]:
    made = list(found)
    assert made
    return made


def test_lines_keep_their_numbers() -> None:
    """Empty lines are passed over, and the others are counted as an editor counts them."""
    text = ['{"prompt": "a"}\n', "\n", "oops\n", "[1]\n", '{"prompt": "b", "key": "k"}']
    found = lines(read_jsonl(text, FORM))
    assert [(type(one), getattr(one, "number", None) or one.line) for one in found] == [
        (Line, 1),
        (Fault, 3),
        (Fault, 4),
        (Line, 5),
    ]
    assert found[3].key == "k"
    assert found[3].body == {"model": PICTURE.name, "prompt": "b"}


def test_cells_get_their_parameters_types() -> None:
    """A number is a number, a lone link is a list of one, and an empty cell isn't set."""
    form = Form(CATALOG, TAKES_LINKS.name)
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
    assert found[0].number == 3


def test_templates_are_made_of_columns() -> None:
    """Columns that only a template uses are no parameters; parameters stay."""
    form = Form(CATALOG, PICTURE.name, {"prompt": "a {animal} in {place}"})
    text = ['{"animal": "fox", "place": "snow", "n": 2}', '{"animal": "owl"}']
    first, second = lines(read_jsonl(text, form))
    assert first.body == {"model": PICTURE.name, "n": 2, "prompt": "a fox in snow"}
    assert second.faults == ("a template needs place, which the line doesn't have",)


@given(st.text(), st.text())
def test_a_columns_text_is_never_a_template(one: str, two: str) -> None:
    """Whatever a column holds, braces and all, comes out as it is."""
    form = Form(CATALOG, PICTURE.name, {"prompt": "<{one}|{two}>"})
    (line,) = lines(read_jsonl([json.dumps({"one": one, "two": two})], form))
    assert line.body["prompt"] == f"<{one}|{two}>"


@given(st.lists(st.text(st.characters(exclude_characters="\n\r"), min_size=1), min_size=1))
def test_no_text_breaks_the_reading(rows: list[str]) -> None:
    """Any text at all becomes lines and faults."""
    for read in (read_jsonl, read_csv):
        for found in read([f"{row}\n" for row in rows], FORM):
            assert isinstance(found, Line | Fault)


def test_a_member_that_is_there_twice_is_a_fault() -> None:
    """Of two of a name, nobody knows which is meant, and one would be dropped unsaid."""
    (found,) = read_jsonl(['{"prompt": "a", "prompt": "b"}'], FORM)
    assert "'prompt' is there twice" in str(found)
