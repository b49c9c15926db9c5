"""A kill that may rest on a time-out counts only if it can be repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from self_tests.mutation import manual_states
from self_tests.mutation.confirmation import SHORTEST_TIME_OUT, confirmed
from self_tests.mutation.mutant import MUTANTS
from self_tests.mutation.runner import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from self_tests.mutation.runner import Subject

assert manual_states
LATE, TEST = SHORTEST_TIME_OUT + 1, "test_wire.py::test_it"


def outcome(name: str, killer: str = "responds", last: float = LATE, test: str = TEST) -> Outcome:
    """Return the outcome of a mutant whose test took some seconds."""
    return Outcome(name, "status", killer, 1, 1, 1, last, test, 0.1, last)


class Machine:
    """Runs tests alone: all mutants but those of `alive` are killed, and `alarms` fail always."""

    def __init__(self, alive: Sequence[str] = (), alarms: Sequence[str] = ()) -> None:
        self.alive, self.alarms, self.ran = alive, alarms, list[str]()

    def __call__(self, subjects: Sequence[Subject], tests: Mapping[str, str]) -> Sequence[Outcome]:
        """Return an outcome of each."""
        self.ran += [one.name for one in subjects]
        return [outcome(one.name, self.killer(one.name), test=tests[one.name]) for one in subjects]

    def killer(self, name: str) -> str:
        """Return what kills: a mutant's name is one of the set, a control's the test."""
        fails = name not in self.alive if name in MUTANTS else name in self.alarms
        return "responds" if fails else ""


def killers(outcomes: Sequence[Outcome], machine: Machine) -> list[str]:
    """Return what killed each, once confirmed."""
    return [one.killer for one in confirmed(outcomes, MUTANTS, 1, 1, machine)]


def test_a_quick_kill_is_not_repeated() -> None:
    """A failure that came before any time-out is none."""
    machine = Machine()
    assert killers([outcome("result-lost", last=SHORTEST_TIME_OUT - 1)], machine) == ["responds"]
    assert not machine.ran


def test_a_late_kill_counts_if_it_happens_again_and_not_on_the_mock() -> None:
    """The unmodified mock passes the same test."""
    machine = Machine()
    assert killers([outcome("result-lost")], machine) == ["responds"]
    assert machine.ran == [TEST, "result-lost"]


@pytest.mark.parametrize(
    "machine", [Machine(alive=["result-lost"]), Machine(alarms=[TEST])], ids=["once", "always"]
)
def test_a_kill_by_a_busy_machine_does_not_count(machine) -> None:
    """The test passes when it is repeated, or it fails on the unmodified mock, too."""
    assert killers([outcome("result-lost"), outcome("any-account-sees", last=0.1)], machine) == [
        "",
        "responds",
    ]


@pytest.mark.parametrize("last", [0.1, LATE])
def test_an_error_that_is_no_check_kills_nothing(last) -> None:
    """An exception of the suite itself is no finding."""
    assert killers([outcome("result-lost", "(ReadTimeout)", last)], Machine()) == [""]
