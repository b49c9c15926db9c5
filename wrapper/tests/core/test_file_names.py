"""The name of a result's file: unique, derived from the task's id, and inside its directory."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from wanflow._core.file_names import file_stem

SAFE = re.compile(r"[a-z0-9][a-z0-9._~-]{0,129}")
DEVICES = re.compile(r"(con|prn|aux|nul|clock\$|com[0-9]|lpt[0-9])(\..*)?")
PIECES = st.sampled_from(
    [
        *("t", "T", "task", "-1", "-2", "-10", "-999", "-1000", ".", "..", "_", "~", "/", "\\"),
        *("é", "e\u0301", "ß", "SS", "İ", "\ud83d", " ", "\x00", "\n", "x" * 60),
        *("con", "nul", "COM1", "report", ".mp4"),
    ]
)
IDS = st.lists(PIECES, max_size=5).map("".join) | st.text(max_size=40)


def stems(task_id: str, count: int) -> list[str]:
    return [file_stem(task_id, index, count) for index in range(count)]


def test_an_ordinary_task_id_is_used_unchanged() -> None:
    """Several files of a task are numbered."""
    task_id = "task-unified-1756817821-4x3rx6ny"
    assert file_stem(task_id, 0, 1) == task_id
    assert stems(task_id, 3) == [f"{task_id}-{n}" for n in (1, 2, 3)]
    assert stems("t", 2) == ["t-1", "t-2"]


@settings(max_examples=examples(400))
@given(st.lists(st.tuples(IDS, st.integers(1, 4)), max_size=12, unique_by=lambda one: one[0]))
@example([("t", 2), ("t-1", 1), ("t-1", 2), ("t-1-1", 1)])
@example([("x" * 120 + "a", 1), ("x" * 120 + "b", 1), ("x" * 121, 2)])
@example([("A", 1), ("a", 1), ("A ", 1), (" a", 1), ("_a", 1), ("a_", 1)])
def test_no_two_files_have_the_same_name(tasks: list[tuple[str, int]]) -> None:
    """This holds for all ids, on file systems with and without case sensitivity."""
    names = [name for task_id, count in dict(tasks).items() for name in stems(task_id, count)]
    folded = {unicodedata.normalize("NFKC", name).casefold() for name in names}
    assert len(folded) == len(names)


@settings(max_examples=examples(400))
@given(IDS, st.integers(0, 5000))
def test_every_name_is_valid_on_every_system(task_id: str, index: int) -> None:
    """It has no separator or control character, is no Windows device, not hidden, not too long."""
    for name in (file_stem(task_id, 0, 1), file_stem(task_id, index, index + 2)):
        assert SAFE.fullmatch(name)
        assert not DEVICES.fullmatch(name)
        assert len(f".{name}~12345678.part.json") <= 255


def test_a_four_digit_number_is_no_other_tasks_name() -> None:
    """A number of four digits may be a part of an id, so it is separated differently."""
    names = [file_stem("t", index, 3000) for index in range(3000)]
    assert len(set(names)) == 3000
    assert not {file_stem(f"t-{number}", 0, 1) for number in range(1, 3001)} & set(names)


@pytest.mark.parametrize("page", ["report", "index"])
def test_no_file_has_the_name_of_a_batch_report(page: str) -> None:
    """`report.json` and `index.html` are in the same directory."""
    assert file_stem(page, 0, 1) != page
