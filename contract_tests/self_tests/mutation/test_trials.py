"""The commands that test with mutants know all of them, and each one's trials run."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from self_tests import baseline_trials, plan_trials, watch_trials
from self_tests.mutation import __main__ as mutation
from self_tests.mutation import whole_runs
from self_tests.mutation.all_mutants import all_mutants, manual_mutants
from self_tests.mutation.mutant import MUTANTS
from self_tests.mutation.runner import FirstFailure, TrialRunner
from wanflow_contract.checks.definitions.responses import SCHEMA
from wanflow_contract.plan.order import Stage

COMMANDS = (mutation, baseline_trials, plan_trials, watch_trials, whole_runs)
FAULT = "submit-200-201"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda one: one.__name__)
def test_each_command_has_all_mutants(command) -> None:
    """Those of every module, and those of the spec; none has a set of its own."""
    assert command.all_mutants is all_mutants
    assert not hasattr(command, "MUTANTS")
    assert all_mutants() == MUTANTS
    assert manual_mutants().items() < all_mutants().items()


def test_no_module_of_mutants_is_left_out() -> None:
    """Each one is imported, and so has registered its own."""
    all_mutants()
    modules = {path.stem for path in Path(__file__).parent.glob("manual_*.py")}
    assert len(modules) > 10
    assert {f"self_tests.mutation.{one}" for one in modules} <= sys.modules.keys()


@pytest.mark.parametrize("runner", TrialRunner.__subclasses__(), ids=lambda one: one.__module__)
def test_a_runner_of_trials_is_called_as_the_others(runner) -> None:
    """What it overrides has the parameters of the class that calls it."""
    own = [name for name in vars(runner) if name in vars(TrialRunner) and name != "__init__"]
    assert own.count("_be_child") == 1
    for name in own:
        method = getattr(runner, name)
        if callable(method):
            expected = inspect.signature(getattr(TrialRunner, name)).parameters
            assert [*inspect.signature(method).parameters] == [*expected]


def test_there_are_runners_of_all_trials() -> None:
    """Otherwise the test above would have nothing to do."""
    assert {one.__module__ for one in TrialRunner.__subclasses__()} == {
        *(one.__name__ for one in (baseline_trials, plan_trials, whole_runs))
    }


@pytest.mark.parametrize(
    ("cost", "free"),
    [((0, None), True), ((0, Stage.SHARED), True), ((1, None), False), ((2, Stage.LIFE), False)],
)
def test_a_kill_is_free_if_its_test_costs_nothing(cost, free) -> None:
    """Whatever kind the mutant has."""
    tasks, stage = cost
    mark = SimpleNamespace(args=(tasks,), kwargs={} if stage is None else {"stage": stage})
    item: Any = SimpleNamespace(
        path=Path("test_errors.py"),
        name="test_a",
        nodeid="test_errors.py::test_a",
        fixturenames=("target",),
        get_closest_marker=lambda _name: mark,
    )
    seen = FirstFailure(SimpleNamespace(requests=1))
    with pytest.raises(Exception, match="it is 5") as failed:
        SCHEMA.require(False, "it is 5")
    seen.pytest_runtest_makereport(item, SimpleNamespace(excinfo=failed, duration=0.1))
    assert (seen.killer, seen.free) == ("schema", free)


@pytest.mark.slow  # collects the suite
def test_a_trial_with_a_baseline_is_red(monkeypatch) -> None:
    """The first finding that the baseline doesn't know ends it."""
    for name in baseline_trials.KEYS:
        monkeypatch.setenv(name, "")
    stack = baseline_trials.Stack(FAULT, (all_mutants()[FAULT],))
    (found,) = baseline_trials.run_stacks([stack], 1, 1, set())
    assert [found["findings"][one][0] for one in found["new"]] == ["documented-status"]
    assert found["triggered"]


@pytest.mark.slow  # runs the suite with a limit
def test_a_trial_with_a_limit_finds_a_free_fault(monkeypatch) -> None:
    """At 5 credits, and alone by a test that costs nothing."""
    monkeypatch.setattr(plan_trials.target_options, "LOCAL_TIMEOUT", 5.0)
    mutant = all_mutants()["submit-400-500"]
    assert plan_trials.found_alone([mutant], 1, 1)[mutant.name].free
    (found,) = plan_trials.run_stacks([plan_trials.Stack((mutant,))], 5, 1, 1)
    assert found["found"] == [True]
    assert found["charged"] <= 5


@pytest.mark.slow  # runs the demo
def test_a_trial_by_traffic_catches_a_fault() -> None:
    """What the demo sends shows it."""
    assert watch_trials.watch_mutant(all_mutants()[FAULT], 15).new
