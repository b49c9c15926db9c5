"""The set of mutants is large, varied and provable; the unmodified mock has no findings."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from attrs import asdict

from self_tests.mutation.__main__ import PAGE
from self_tests.mutation.all_mutants import all_mutants, manual_mutants
from self_tests.mutation.false_positives import Run, run
from self_tests.mutation.false_positives import render as render_false_positives
from self_tests.mutation.kill_proof import SCRIPTS, shows_fault
from self_tests.mutation.mutant import KINDS, Mutant
from self_tests.mutation.report import render, wilson
from self_tests.mutation.runner import Outcome, outcome_path, run_trials

MANUAL = manual_mutants()
UNMODIFIED = Mutant("whole", "status", "Nothing is wrong.", "submit")
FAULTS = ("submit-200-201", "any-account-sees", "result-lost", "callback-twice")


def test_the_set_is_large_and_of_every_class() -> None:
    """There are at least 80 mutants, some of every class."""
    assert len(MANUAL) >= 80
    assert set(Counter(one.kind for one in MANUAL.values())) | {
        "validation missing",
        "validation too strict",
    } == set(KINDS)
    assert {one.script for one in MANUAL.values()} <= SCRIPTS.keys()


def test_the_page_has_every_mutant_and_no_other() -> None:
    """One that was added or renamed since is run, or its row is another's."""
    rows = re.findall(
        r"^\| `([\w.-]+)` \| (.*?) \| ([\w ]+) \| [0-9]", PAGE.read_text(), re.MULTILINE
    )
    assert Counter(name for name, _, _ in rows) == Counter(all_mutants().keys())
    assert {name: kind for name, _, kind in rows} == {
        name: one.kind for name, one in all_mutants().items()
    }


def test_each_schema_generates_mutants() -> None:
    """Generated mutants exist for missing and for too strict validation."""
    made = [one for name, one in all_mutants().items() if name not in MANUAL]
    kinds = Counter(one.kind for one in made)
    assert min(kinds[kind] for kind in (KINDS[1], KINDS[4], KINDS[5])) >= 20
    assert all(one.probe for one in made if one.edit)


def test_a_kill_proof_shows_a_fault_and_nothing_else() -> None:
    """A fault is shown by its script; without a fault, nothing is shown."""
    assert shows_fault(MANUAL[FAULTS[0]])
    assert shows_fault(UNMODIFIED) is None


def test_an_interval_contains_its_rate() -> None:
    """Wilson's interval contains the rate, and narrows with larger numbers."""
    low, high = wilson(80, 80)
    assert 0.94 < low < 0.96
    assert high == pytest.approx(1.0)
    assert wilson(0, 0) == (0.0, 1.0)
    few, many = wilson(8, 10), wilson(800, 1000)
    assert few[0] < many[0] < 0.8 < many[1] < few[1]


def test_survivors_are_named() -> None:
    """The page lists exactly the survivors."""
    dead, alive = (
        Outcome(name, MANUAL[name].kind, killer, 1, 1, 1, 0.1)
        for name, killer in ((FAULTS[0], "documented-status"), (FAULTS[1], ""))
    )
    text = render({1: [dead, alive]}, MANUAL, [], {}, 1, 1.0)
    survivors = text.partition("## Survivors")[2].partition("##")[0]
    assert FAULTS[1] in survivors
    assert FAULTS[0] not in survivors


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_mutants_are_killed_by_a_check(name) -> None:
    """Mutants of several classes are killed, each by a check."""
    (outcome,) = run_trials([MANUAL[name]], seed=1, jobs=1)
    assert outcome.triggered
    assert outcome.killer
    assert not outcome.killer.startswith("(")


@pytest.mark.slow  # collects the suite
def test_a_run_that_was_stopped_goes_on(tmp_path) -> None:
    """A mutant whose outcome is there is not tested again, wherever it is now; the others are."""
    known = Outcome(FAULTS[0], "status", "kept", 1, 1, 1, 0.1)
    outcome_path(tmp_path, known.name).write_text(json.dumps(asdict(known)))
    mutants = [MANUAL[name] for name in FAULTS[1::-1]]
    found = run_trials(mutants, seed=1, jobs=1, into=tmp_path)
    assert [one.name for one in found] == [*FAULTS[1::-1]]
    assert found[1] == known
    assert found[0].killer not in {"", "kept"}


class TestCleanRuns:
    """Runs on the unmodified mock."""

    def test_a_run_that_sent_nothing_is_not_clean(self) -> None:
        """A run is clean only if it sent requests and has no findings."""
        assert Run(1, "fast", 0, 3000, 1.0, ()).clean
        assert not Run(1, "fast", 0, 0, 1.0, ()).clean
        assert not Run(1, "fast", 1, 3000, 1.0, ("test_a",)).clean

    def test_a_false_alarm_is_named(self) -> None:
        """The page names the tests that failed."""
        text = render_false_positives(
            [Run(1, "fast", 0, 30, 1.0, ()), Run(2, "fast", 1, 30, 1.0, ("test_a",))]
        )
        assert "1 of 2 runs found nothing" in text
        assert "`test_a`" in text

    @pytest.mark.slow
    def test_the_unmodified_mock_has_no_findings(self) -> None:
        """A run of the suite in its own process has no findings on the mock."""
        found = run("fast", 7)
        assert found.clean, found
        assert found.requests > 1000
