"""Kills that may rest on a time-out are repeated: on a busy machine a right server is late, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from self_tests.mutation.mutant import Mutant
from self_tests.mutation.runner import run_trials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from self_tests.mutation.runner import Outcome, Subject

    Trials = Callable[[Sequence[Subject], Mapping[str, str]], Sequence[Outcome]]

SHORTEST_TIME_OUT = 2.5
"""No test of the suite calls a server late, in seconds, before it has waited for longer."""


def confirmed(
    outcomes: Sequence[Outcome],
    mutants: Mapping[str, Subject],
    seed: int,
    jobs: int,
    trials: Trials | None = None,
) -> list[Outcome]:
    """Return the outcomes; one whose kill isn't confirmed is that of a survivor.

    A kill by an error that isn't a check's never counts. One whose test took as long as a time-out
    counts if that test, run alone, fails again, and passes on the unmodified mock.

    Args:
        outcomes: the outcomes.
        mutants: the mutants by name.
        seed: the random seed.
        jobs: how many to test concurrently.
        trials: runs the test of each name alone; by default in processes, as the first time.
    """
    run = trials or (lambda some, tests: run_trials(some, seed, jobs, first=tests, alone=True))
    slow = [one for one in outcomes if one.last >= SHORTEST_TIME_OUT and _by_check(one)]
    controls = {one.test: one.test for one in slow}
    right = run([_unmodified(test) for test in controls], controls) if controls else ()
    alarms = {one.test for one in right if one.killer}
    again = [one for one in slow if one.test not in alarms]
    repeated = (
        run([mutants[one.name] for one in again], {one.name: one.test for one in again})
        if again
        else ()
    )
    uncertain = {one.name for one in slow} - {one.name for one in repeated if _by_check(one)}
    return [
        one if _by_check(one) and one.name not in uncertain else evolve(one, killer="")
        for one in outcomes
    ]


def _by_check(one: Outcome) -> bool:
    return bool(one.killer) and not one.killer.startswith("(")


def _unmodified(name: str) -> Mutant:
    return Mutant(name, "status", "Nothing is wrong.", "submit")
