"""The table of `wanflow ledger list` fits the terminal, whatever the texts in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanflow.cli.ledger_table import table
from wanflow.cli.text import display_width, shortened
from wanflow.ledger.job import Job, JobState

if TYPE_CHECKING:
    from collections.abc import Sequence


def job(prompt: str, name: str | None = None, state: JobState = JobState.SAVED) -> Job:
    body = {"model": "a-model", "prompt": prompt}
    return Job(
        *(7, "https://api.example", "key-1", name, 1, "a-model", body, False, None, state),
        *("task-unified-1-abcdefgh", None, None, None, None, None, (), 2.5, 1.8e9, 1.8e9),
        *(None, 1_800_000_000),
    )


TEXTS = [
    *("a fox", "一只狐狸在雪地里奔跑" * 9, "ثعلب سريع " * 20),
    *("e\u0301" * 99, "🦊" * 80, "x\ny\x1b[31m"),
]


@pytest.mark.parametrize("width", [20, 60, 80, 100, 200, 400])
def test_each_line_fits_the_terminal(width: int) -> None:
    """Wide letters count as two columns; what doesn't fit is replaced by an ellipsis."""
    jobs = [job(text, name=text[:9]) for text in TEXTS]
    heading, *lines = table(jobs, width)
    assert len(lines) == len(jobs)
    if width >= 60:
        assert all(display_width(line) <= width for line in (heading, *lines))
        assert {"JOB", "DATE", "STATE", "CREDITS", "PROMPT"} <= set(heading.split())
        assert any(line.endswith("…") for line in lines) is (width < 400)


def test_without_a_terminal_nothing_is_cut() -> None:
    """A pipe gets every column and the whole prompt."""
    heading, line = table([job("x" * 999)])
    assert "x" * 999 in line
    assert heading.split()[-2:] == ["DETAILS", "PROMPT"]


def test_a_text_from_right_to_left_is_last_in_its_line() -> None:
    """So that it moves no other column, and needs no control character."""
    for line in list(table([job(text) for text in TEXTS], 120))[1:]:
        assert line.isprintable()
    (_, line) = table([job("ثعلب")], 200)
    assert line.endswith("ثعلب")
    assert "a-model" in line


def test_columns_are_aligned() -> None:
    """Each column begins at the same place, also after wide letters."""
    jobs = [job("one", name="狐狸"), job("two", name="fox")]
    ends = {display_width(line.rpartition("  ")[0]) for line in list(table(jobs))[1:]}
    assert len(ends) == 1


def test_no_jobs_make_no_table() -> None:
    """There is no heading without rows."""
    none: Sequence[Job] = []
    assert list(table(none, 80)) == []


@given(st.text(max_size=40), st.integers(1, 30))
def test_a_shortened_text_is_as_wide_as_asked_at_most(text: str, width: int) -> None:
    """A text that fits is unchanged, another ends with an ellipsis."""
    cut = shortened(text, width)
    assert display_width(cut) <= width
    assert cut == text if display_width(text) <= width else cut.endswith("…")
