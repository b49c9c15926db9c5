"""Conformance: whatever is sent, in every operation, the answer is one that the document has."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from schemathesis.generation.stateful import run_state_machine_as_test

from wanflow_contract.checks.documented_responses import packaged_promises
from wanflow_contract.support.budget import PurseEmpty
from wanflow_contract.support.cases import as_response, is_query, make_schema, send

if TYPE_CHECKING:
    from wanflow_contract.support.api_under_test import Target

SCHEMA = make_schema()
FAST = settings(
    max_examples=60,
    deadline=None,
    phases=[one for one in Phase if one is not Phase.explain],
    suppress_health_check=list(HealthCheck),
)
FULL = settings(FAST, max_examples=1000)


def chance(target: Target, case: Any) -> None:
    """Send a case unless it might cost what a run can't spare."""
    with suppress(PurseEmpty):
        send(target, case)


@pytest.mark.fast
@SCHEMA.parametrize()
@FAST
def test_every_answer_is_one_that_the_document_has(case, target) -> None:
    """Examples, boundaries and chance, right and wrong: every answer keeps the laws of answers."""
    chance(target, case)


@pytest.mark.full
@SCHEMA.parametrize()
@FULL
def test_every_answer_to_a_thousand_requests_is_one_that_the_document_has(case, target) -> None:
    """The same with many more requests."""
    chance(target, case)


def machine_of(target: Target) -> tuple[Any, list[str]]:
    """Return a machine that follows the document's links, and the ids that it has followed."""
    followed: list[str] = []
    base: Any = SCHEMA.as_state_machine()

    class Linked(base):  # type: ignore[misc, valid-type]
        def call(self, case: Any, **_kwargs: Any) -> Any:
            exchange = send(target, case)
            if is_query(target, exchange):
                followed.append(exchange.path)
            return as_response(exchange)

        def after_call(self, response: Any, case: Any) -> None:
            """Keep no records: the suite's own journal does."""

        def validate_response(self, response: Any, case: Any, **_kwargs: Any) -> None:
            """Leave it to the laws, which have judged the answer by now."""

    return Linked, followed


def test_the_document_links_each_submission_to_the_task_query() -> None:
    """Without links nothing stateful would be tested, and nobody would notice."""
    submissions = [one for one in packaged_promises().operations.values() if one.submits]
    assert SCHEMA.statistic.transitions.total >= len(submissions) > 0


@pytest.mark.fast
def test_what_a_submission_links_to_is_there(target) -> None:
    """Following a link from a submission leads to its task, in every state that it has."""
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
