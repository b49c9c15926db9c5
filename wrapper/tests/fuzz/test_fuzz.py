"""What reads other people's bytes refuses what it can't read, in its own words.

`make fuzz` tries a million inputs each; here are its seeds, its findings, and some changes of each.
"""

from __future__ import annotations

import pytest

from tests.examples import examples
from tests.fuzz.mutation import MOST, changed, seeds
from tests.fuzz.targets import TARGETS

by_target = pytest.mark.parametrize("name", TARGETS)
SLOW = {"pages": 30, "yaml": 30, "json_document": 60}
"""Inputs of what takes a millisecond each."""


@by_target
def test_seeds_and_findings_raise_nothing_else(name: str) -> None:
    """Findings are kept as seeds, so none of them comes back."""
    known = seeds(name)
    assert known
    for data in known:
        assert len(data) <= 2 * MOST, "seeds are small"
        TARGETS[name](data)


@by_target
def test_changes_of_the_seeds_raise_nothing_else(name: str) -> None:
    """The same ones in each run: a failure's number makes the input again."""
    known = seeds(name)
    for number in range(examples(SLOW.get(name, 600))):
        TARGETS[name](changed(known, number))


def test_an_input_is_made_again_by_its_number() -> None:
    """And another number makes another input."""
    known = seeds("csv")
    assert changed(known, 7) == changed(known, 7)
    assert len({changed(known, number) for number in range(100)}) > 80
