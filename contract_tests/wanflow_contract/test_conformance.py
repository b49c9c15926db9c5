"""Conformance: every response to any request of any operation is documented."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from schemathesis.generation.stateful import run_state_machine_as_test

from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.plan.budget import BudgetExceeded
from wanflow_contract.plan.order import Stage
from wanflow_contract.support.cases import as_response, is_query, make_schema, send

if TYPE_CHECKING:
    from wanflow_contract.support.api_under_test import ApiUnderTest

SCHEMA = make_schema()
FAST = settings(
    max_examples=60,
    deadline=None,
    phases=[one for one in Phase if one is not Phase.explain],
    suppress_health_check=list(HealthCheck),
)
FULL = settings(FAST, max_examples=1000)


def send_generated(target: ApiUnderTest, case: Any) -> None:
    """Send a generated case unless the budget doesn't allow it."""
    with suppress(BudgetExceeded):
        send(target, case)


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.GENERATED)
@SCHEMA.parametrize()
@FAST
def test_every_response_is_documented(case, target) -> None:
    """Every response to examples, boundary values and random requests passes the checks."""
    send_generated(target, case)


@pytest.mark.slow
@pytest.mark.costs(0, stage=Stage.GENERATED)
@SCHEMA.parametrize()
@FULL
def test_every_response_to_a_thousand_requests_is_documented(case, target) -> None:
    """The same with many more requests."""
    send_generated(target, case)


def machine_of(target: ApiUnderTest) -> tuple[Any, list[str]]:
    """Return a machine that follows the spec's links, and the list of paths it followed."""
    followed: list[str] = []
    base: Any = SCHEMA.as_state_machine()

    class Linked(base):  # type: ignore[misc, valid-type]
        def call(self, case: Any, **_kwargs: Any) -> Any:
            exchange = send(target, case)
            if is_query(target, exchange):
                followed.append(exchange.path)
            return as_response(exchange)

        def after_call(self, response: Any, case: Any) -> None:
            """Record nothing; the suite has its own journal."""

        def validate_response(self, response: Any, case: Any, **_kwargs: Any) -> None:
            """Do nothing; the response is already checked."""

    return Linked, followed


def test_the_spec_links_each_submission_to_the_task_query() -> None:
    """Without links the stateful test would test nothing."""
    submissions = [one for one in packaged_contract().operations.values() if one.is_submission]
    assert SCHEMA.statistic.transitions.total >= len(submissions) > 0


@pytest.mark.fast
@pytest.mark.costs(25)
def test_links_of_a_submission_lead_to_its_task(target) -> None:
    """Following a link from a submission leads to its task, in every state."""
    machine, followed = machine_of(target)
    chosen = settings(
        max_examples=25,
        stateful_step_count=8,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=chosen)
    assert followed, "no link was followed: the stateful test has tested nothing"
