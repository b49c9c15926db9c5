"""The client reports the same as the server about many tasks: a Hypothesis state machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    rule,
    run_state_machine_as_test,
)

import wanflow
from wanflow import errors
from wanflow_contract.checks.task_state import BUSINESS_CODES, COMPLETED, FAILED
from wanflow_contract.support.client_drivers import CLIENT_KINDS, ClientDriver, timeouts_of

if TYPE_CHECKING:
    from wanflow_contract.checks.task_history import TaskHistory
    from wanflow_contract.support.api_under_test import ApiUnderTest

FAST = settings(
    max_examples=10,
    stateful_step_count=12,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
FULL = settings(FAST, max_examples=150, stateful_step_count=30)


def machine_of(target: ApiUnderTest, drivers: dict[str, ClientDriver]) -> Any:
    """Return a machine that acts through clients and compares with the target."""
    names = sorted(target.models)
    accounts = sorted(drivers)
    endings = [None, *sorted(BUSINESS_CODES)]

    class Clients(RuleBasedStateMachine):
        tasks = Bundle("tasks")

        @rule(
            target=tasks,
            name=st.sampled_from(names),
            account=st.sampled_from(accounts),
            ending=st.sampled_from(endings),
        )
        def submit(self, name: str, account: str, ending: str | None) -> tuple[Any, TaskHistory]:
            request = dict(target.models[name].example)
            if ending is not None:
                request["prompt"] = f"a cat [mock:fail={ending}]"
            task = drivers[account].do(lambda client: client.submit(request))
            history = target.track(request, account, task.snapshot.raw)
            return task, history

        @rule(pair=tasks)
        def refresh(self, pair: tuple[Any, TaskHistory]) -> None:
            task, history = pair
            drivers[history.account].do(lambda _client: task.refresh())
            target.poll(history)
            assert task.id == history.id
            assert task.model == history.model.name

        @rule(pair=tasks)
        def wait(self, pair: tuple[Any, TaskHistory]) -> None:
            task, history = pair
            target.wait(history)
            if history.status == COMPLETED:
                result = drivers[history.account].do(lambda _client: task.wait(timeout=5))
                assert result.urls == history.links
                assert result.task_id == history.id
            else:
                assert history.status == FAILED
                with pytest.raises(wanflow.TaskFailed) as caught:
                    drivers[history.account].do(lambda _client: task.wait(timeout=5))
                assert caught.value.code == history.state["error"]["code"]
                assert caught.value.task_id == history.id

        @rule(pair=tasks, account=st.sampled_from(accounts))
        def resume(self, pair: tuple[Any, TaskHistory], account: str) -> None:
            """A task is resumed by its id, with its own key only."""
            _task, history = pair
            if account == history.account:
                found = drivers[account].do(lambda client: client.task(history.id).refresh())
                assert found.status == target.poll(history).status or history.ended
                return
            with pytest.raises((wanflow.NotFound, errors.PermissionDenied)):
                drivers[account].do(lambda client: client.task(history.id).refresh())

    return Clients


def run(target: ApiUnderTest, client_kind: str, chosen: settings) -> None:
    """Run the machine with a client for each account."""
    if not target.budget.unlimited:
        pytest.skip("it needs an unlimited budget")
    drivers = {
        name: ClientDriver(
            client_kind, api_key=key, base_url=target.base_url, **timeouts_of(target)
        )
        for name, key in target.keys.items()
    }
    try:
        run_state_machine_as_test(machine_of(target, drivers), settings=chosen)
    finally:
        for driver in drivers.values():
            driver.close()


@pytest.mark.fast
@pytest.mark.costs(50)
@pytest.mark.mock_controls
@pytest.mark.parametrize("client_kind", CLIENT_KINDS)
def test_the_client_reports_what_the_server_reports(target, client_kind) -> None:
    """After any sequence of actions, clients report of each task what the server reports."""
    run(target, client_kind, FAST)


@pytest.mark.slow
@pytest.mark.costs(500)
@pytest.mark.mock_controls
@pytest.mark.parametrize("client_kind", CLIENT_KINDS)
def test_the_client_reports_what_the_server_reports_in_long_runs(target, client_kind) -> None:
    """The same, longer."""
    run(target, client_kind, FULL)
