"""The life cycle: many tasks of several accounts, in any order, each an orderly life."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule, run_state_machine_as_test

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import Law
from wanflow_contract.checks.documented_responses import packaged_promises
from wanflow_contract.checks.task_history import BUSINESS_CODES
from wanflow_contract.support.api_under_test import FOUND, GUARDED, NEW, PRIVATE, UNKNOWN, Target

if TYPE_CHECKING:
    from wanflow_contract.checks.task_history import Life

ASKED = Law("asked-end", "A task ends as the server was asked to have it end.")
PROGRESSION = "X-Mock-Progression"
FAST = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],  # a finding has its own exchanges, and few
    suppress_health_check=list(HealthCheck),
)
FULL = settings(FAST, max_examples=300, stateful_step_count=50)


def machine_of(target: Target) -> Any:  # noqa: C901 - a class of many small rules
    """Return a machine over a target: submit, look, wait, pry and misspell in any order."""
    names = sorted(target.models)
    accounts = sorted(target.keys)
    endings = [None, *sorted(BUSINESS_CODES)] if target.steered else [None]
    progressions = [None, "immediately", "polls=1", "polls=5"] if target.steered else [None]

    class Lives(RuleBasedStateMachine):
        lives = Bundle("lives")

        def __init__(self) -> None:
            super().__init__()
            self.endings: dict[str, str | None] = {}

        @rule(
            target=lives,
            name=st.sampled_from(names),
            account=st.sampled_from(accounts),
            ending=st.sampled_from(endings),
            count=st.integers(1, 4),
            progression=st.sampled_from(progressions),
        )
        def submit(
            self, name: str, account: str, ending: str | None, count: int, progression: str | None
        ) -> Life:
            model = target.models[name]
            body = cheapest(model)
            if "n" in model.parameters and target.purse.roomy:
                body["n"] = count
            if ending is not None:
                body["prompt"] = f"a cat [mock:fail={ending}]"
            headers = {PROGRESSION: progression} if progression else {}
            life = target.submit(body, account, **headers)
            self.endings[life.id] = ending
            return target.look(life)

        @rule(life=lives)
        def look(self, life: Life) -> None:
            target.look(life)

        @rule(life=lives)
        def wait(self, life: Life) -> None:
            target.wait(life)
            target.look(life)
            wanted = self.endings.get(life.id)
            if wanted is not None:
                told = (life.state.get("error") or {}).get("code")
                ASKED.holds(told == wanted, f"{life.status} ({told}), not {wanted}", life.last)

        @rule(life=lives, account=st.sampled_from(accounts))
        def pry(self, life: Life, account: str) -> None:
            exchange = target.ask(life.id, account)
            if account == life.key:
                FOUND.holds(exchange.status == 200, str(exchange.status), exchange)
            else:
                PRIVATE.holds(exchange.status in {403, 404}, str(exchange.status), exchange)

        @rule(
            life=lives, tail=st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=3)
        )
        def misspell(self, life: Life, tail: str) -> None:
            exchange = target.ask(life.id + tail, life.key)
            UNKNOWN.holds(exchange.status in {400, 404}, str(exchange.status), exchange)

        @rule(name=st.sampled_from(names), account=st.sampled_from(accounts))
        def refused(self, name: str, account: str) -> None:
            """A refused submission makes no task that others could be confused with."""
            model = target.models[name]
            target.post(model, {**model.example, "model": name + "-no"}, account)
            target.post(model, {"model": name}, account)

    return Lives


@pytest.mark.fast
@pytest.mark.parametrize("name", sorted(packaged_promises().catalog.models))
def test_a_long_life_is_orderly(target, name) -> None:
    """A task that is looked at many times moves forward only, and is left alone at its end."""
    progression = {PROGRESSION: "polls=6"} if target.steered else {}
    more = {"n": 2} if "n" in target.models[name].parameters and target.purse.roomy else {}
    life = target.submit({**cheapest(target.models[name]), **more}, **progression)
    target.wait(life)
    for _ in range(6):
        target.look(life)
    exchange = target.exchange("GET", target.address(life.id), {})
    GUARDED.holds(exchange.status == 401, str(exchange.status), life.last, exchange)


@pytest.mark.fast
def test_submissions_at_once_are_tasks_of_their_own(target) -> None:
    """Requests that come together are not mixed up: each task has what it was asked for."""
    models = [one for one in target.models.values() if "n" in one.parameters]
    counts = range(1, 5) if target.purse.roomy else range(1, 2)
    bodies = [{**cheapest(model), "n": count} for model in models for count in counts]
    accounts = [name for name, _ in zip(cycle(target.keys), bodies, strict=False)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        lives = list(pool.map(target.submit, bodies, accounts))
        assert lives
        made = {life.id for life in lives}
        NEW.holds(len(made) == len(bodies), "two have one id", lives[0].first)
        for _ in range(3):
            list(pool.map(target.look, lives))
        list(pool.map(target.wait, lives))


@pytest.mark.fast
def test_each_life_is_orderly(target) -> None:
    """Whatever is done in whatever order, every look at every task keeps the laws of lives."""
    run_state_machine_as_test(machine_of(target), settings=FAST if target.purse.roomy else _few())


@pytest.mark.full
def test_many_long_lives_are_orderly(target) -> None:
    """The same, longer."""
    if not target.purse.roomy:
        pytest.skip("a run that pays for each submission lives few lives")
    run_state_machine_as_test(machine_of(target), settings=FULL)


def _few() -> settings:
    return settings(FAST, max_examples=1, stateful_step_count=8)
