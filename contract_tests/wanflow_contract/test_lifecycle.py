"""The life cycle: many tasks of several accounts, polled in any order, stay consistent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule, run_state_machine_as_test

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.definitions.access import FOUND, KEY_REQUIRED, PRIVATE, UNKNOWN
from wanflow_contract.checks.definitions.mock_controls import REQUESTED_END
from wanflow_contract.checks.definitions.tasks import NEW
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.task_state import BUSINESS_CODES
from wanflow_contract.plan.order import Stage
from wanflow_contract.test_idempotency import HEADER, new_key

if TYPE_CHECKING:
    from wanflow_contract.checks.task_history import TaskHistory
    from wanflow_contract.support.api_under_test import ApiUnderTest

PROGRESSION = "X-Mock-Progression"
FAST = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],  # no shrinking: a finding has few exchanges already
    suppress_health_check=list(HealthCheck),
)
FULL = settings(FAST, max_examples=300, stateful_step_count=50)


def machine_of(target: ApiUnderTest) -> Any:  # noqa: C901 - a class of many small rules
    """Return a machine that submits, polls, waits and queries in any order."""
    names = sorted(target.models)
    accounts = sorted(target.keys)
    endings = [None, *sorted(BUSINESS_CODES)] if target.has_mock_controls else [None]
    progressions = (
        [None, "immediately", "polls=1", "polls=5"] if target.has_mock_controls else [None]
    )

    class Tasks(RuleBasedStateMachine):
        histories = Bundle("histories")

        def __init__(self) -> None:
            super().__init__()
            self.endings: dict[str, str | None] = {}

        @rule(
            target=histories,
            name=st.sampled_from(names),
            account=st.sampled_from(accounts),
            ending=st.sampled_from(endings),
            count=st.integers(1, 4),
            progression=st.sampled_from(progressions),
        )
        def submit(
            self, name: str, account: str, ending: str | None, count: int, progression: str | None
        ) -> TaskHistory:
            model = target.models[name]
            body = cheapest(model)
            if "n" in model.parameters and target.budget.ample:
                body["n"] = count
            if ending is not None:
                body["prompt"] = f"a cat [mock:fail={ending}]"
            headers = {PROGRESSION: progression} if progression else {}
            history = target.submit(body, account, **headers)
            self.endings[history.id] = ending
            return target.poll(history)

        @rule(history=histories)
        def poll(self, history: TaskHistory) -> None:
            target.poll(history)

        @rule(history=histories)
        def wait(self, history: TaskHistory) -> None:
            target.wait(history)
            target.poll(history)
            wanted = self.endings.get(history.id)
            if wanted is not None:
                check_requested_end(history, wanted)

        @rule(history=histories, account=st.sampled_from(accounts))
        def query_from(self, history: TaskHistory, account: str) -> None:
            exchange = target.get_task(history.id, account)
            if account == history.account:
                FOUND.require(exchange.status == 200, str(exchange.status), exchange)
            else:
                PRIVATE.require(exchange.status in {403, 404}, str(exchange.status), exchange)

        @rule(
            history=histories,
            tail=st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=3),
        )
        def misspell(self, history: TaskHistory, tail: str) -> None:
            if history.id + tail not in target.tasks:
                exchange = target.get_task(history.id + tail, history.account)
                UNKNOWN.require(exchange.status in {400, 404}, str(exchange.status), exchange)

        @rule(name=st.sampled_from(names), account=st.sampled_from(accounts))
        def refused(self, name: str, account: str) -> None:
            """A rejected submission makes no task."""
            model = target.models[name]
            target.post(model, {**model.example, "model": name + "-no"}, account)
            target.post(model, {"model": name}, account)

    return Tasks


@pytest.mark.fast
@pytest.mark.costs(1, stage=Stage.LIFE)
@pytest.mark.parametrize("name", sorted(packaged_contract().catalog.models))
def test_a_task_moves_forward_only(target, name) -> None:
    """A task that is polled many times moves forward only, and doesn't change after its end."""
    progression = {PROGRESSION: "polls=6"} if target.has_mock_controls else {}
    more = {"n": 2} if "n" in target.models[name].parameters and target.budget.ample else {}
    key = {HEADER: new_key()}
    history = target.submit({**cheapest(target.models[name]), **more}, **progression, **key)
    target.wait(history)
    for _ in range(6):
        target.poll(history)
    keyless = target.exchange("GET", target.task_path(history.id), {})
    KEY_REQUIRED.require(keyless.status == 401, str(keyless.status), history.last, keyless)
    again = {"Content-Type": "application/json", **key}
    keyless = target.exchange("POST", target.models[name].path, again, history.first.sent)
    KEY_REQUIRED.require(
        keyless.status == 401,
        f"{keyless.status} with a used idempotency key",
        history.first,
        keyless,
    )


@pytest.mark.fast
@pytest.mark.mock_controls
def test_a_failed_request_can_be_submitted_again(target) -> None:
    """The same request after a failure is a new task, which isn't failed already."""
    name = min(target.models)
    body = {**cheapest(target.models[name]), "prompt": "a dog [mock:fail=service_error]"}
    failed = target.wait(target.submit(body))
    again = target.submit(body)
    NEW.require(again.id != failed.id, "the failed task again", failed.last, again.first)
    NEW.require(not again.ended, f"{again.status} already", failed.last, again.first)
    target.wait(again)


@pytest.mark.fast
@pytest.mark.costs(2)
def test_concurrent_submissions_make_separate_tasks(target) -> None:
    """Concurrent requests are not mixed up: each task is as requested."""
    models = [one for one in target.models.values() if "n" in one.parameters]
    counts = range(1, 5) if target.budget.ample else range(1, 2)
    bodies = [{**cheapest(model), "n": count} for model in models for count in counts]
    accounts = [name for name, _ in zip(cycle(target.keys), bodies, strict=False)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        histories = list(pool.map(target.submit, bodies, accounts))
        made = {history.id for history in histories}
        NEW.require(len(made) == len(bodies), "two have one id", histories[0].first)
        for _ in range(3):
            list(pool.map(target.poll, histories))
        list(pool.map(target.wait, histories))


@pytest.mark.fast
@pytest.mark.costs(3)
def test_tasks_stay_consistent_in_any_order_of_actions(target) -> None:
    """After any sequence of actions, every poll of every task passes the checks."""
    run_state_machine_as_test(machine_of(target), settings=FAST if target.budget.ample else _few())


@pytest.mark.slow
@pytest.mark.costs(2600)
def test_tasks_stay_consistent_in_long_runs(target) -> None:
    """The same, longer."""
    if not target.budget.ample:
        pytest.skip("many tasks need a large spend limit")
    run_state_machine_as_test(machine_of(target), settings=FULL)


def _few() -> settings:
    return settings(FAST, max_examples=1, stateful_step_count=8)


def check_requested_end(history: TaskHistory, wanted: str) -> None:
    """Check that a task that was to fail has the code that was asked for.

    Raises:
        CheckFailed: it has another one, or hasn't failed.
    """
    code = (history.state.get("error") or {}).get("code")
    REQUESTED_END.require(
        code == wanted,
        f"{history.status} ({code}), not {wanted}",
        history.last,
        shape=f"{history.status} with another code",
    )
