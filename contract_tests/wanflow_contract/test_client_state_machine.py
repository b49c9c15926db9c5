"""The client's word on many tasks is the server's word: a state machine over both colours."""

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
from wanflow_contract.checks.task_history import BUSINESS_CODES, COMPLETED, FAILED
from wanflow_contract.support.client_drivers import COLOURS, PATIENCE, Face

if TYPE_CHECKING:
    from wanflow_contract.checks.task_history import Life
    from wanflow_contract.support.api_under_test import Target

FAST = settings(
    max_examples=10,
    stateful_step_count=12,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
FULL = settings(FAST, max_examples=150, stateful_step_count=30)


def machine_of(target: Target, faces: dict[str, Face]) -> Any:
    """Return a machine that acts by clients, and asks the target itself what became of it."""
    names = sorted(target.models)
    accounts = sorted(faces)
    endings = [None, *sorted(BUSINESS_CODES)]

    class Clients(RuleBasedStateMachine):
        tasks = Bundle("tasks")

        @rule(
            target=tasks,
            name=st.sampled_from(names),
            account=st.sampled_from(accounts),
            ending=st.sampled_from(endings),
        )
        def submit(self, name: str, account: str, ending: str | None) -> tuple[Any, Life]:
            request = dict(target.models[name].example)
            if ending is not None:
                request["prompt"] = f"a cat [mock:fail={ending}]"
            task = faces[account].do(lambda client: client.submit(request))
            life = target.adopt(request, account, task.snapshot.raw)
            return task, life

        @rule(pair=tasks)
        def refresh(self, pair: tuple[Any, Life]) -> None:
            task, life = pair
            faces[life.key].do(lambda _client: task.refresh())
            target.look(life)
            assert task.id == life.id
            assert task.model == life.model.name

        @rule(pair=tasks)
        def wait(self, pair: tuple[Any, Life]) -> None:
            task, life = pair
            target.wait(life)
            if life.status == COMPLETED:
                result = faces[life.key].do(lambda _client: task.wait(timeout=5))
                assert result.urls == life.links
                assert result.task_id == life.id
            else:
                assert life.status == FAILED
                with pytest.raises(wanflow.TaskFailed) as caught:
                    faces[life.key].do(lambda _client: task.wait(timeout=5))
                assert caught.value.code == life.state["error"]["code"]
                assert caught.value.task_id == life.id

        @rule(pair=tasks, account=st.sampled_from(accounts))
        def resume(self, pair: tuple[Any, Life], account: str) -> None:
            """A task is taken up by its id alone, with its own key and no other."""
            _task, life = pair
            if account == life.key:
                found = faces[account].do(lambda client: client.task(life.id).refresh())
                assert found.status == target.look(life).status or life.ended
                return
            with pytest.raises((wanflow.NotFound, errors.PermissionDenied)):
                faces[account].do(lambda client: client.task(life.id).refresh())

    return Clients


def run(target: Target, colour: str, chosen: settings) -> None:
    """Run the machine with a client for each account."""
    if not target.purse.free:
        pytest.skip("it takes many tasks, failed ones too")
    faces = {
        name: Face(colour, api_key=key, base_url=target.base_url, **PATIENCE)
        for name, key in target.keys.items()
    }
    try:
        run_state_machine_as_test(machine_of(target, faces), settings=chosen)
    finally:
        for face in faces.values():
            face.close()


@pytest.mark.fast
@pytest.mark.controls
@pytest.mark.parametrize("colour", COLOURS)
def test_the_client_tells_what_the_server_tells(target, colour) -> None:
    """Whatever is done through clients, they say of each task what the server says."""
    run(target, colour, FAST)


@pytest.mark.full
@pytest.mark.controls
@pytest.mark.parametrize("colour", COLOURS)
def test_the_client_tells_what_the_server_tells_for_long(target, colour) -> None:
    """The same, longer."""
    run(target, colour, FULL)
