"""The price of more images or seconds: one that ignores them is a finding, and no right one is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.charges import Charges, charged_fields
from wanflow_contract.checks.check import CheckFailed
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.task_history import TaskHistory
from wanflow_contract.support.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MODELS = packaged_contract().catalog.models
CHARGED = [(model, name) for model in MODELS.values() for name in charged_fields(model)]
COUNTED = next(model for model, name in CHARGED if "maximum" in model.parameters[name])
RESPONSE = Exchange("GET", "http://api.example/v1/x", "/v1/x", (), b"", 200, (), b"{}")
NUMBERS = st.permutations([1, 2, 3, 4])
ROUNDED: list[Callable[[float], float]] = [math.ceil, math.floor, round, lambda one: round(one, 2)]


def task(number: int, account: str = "one", *, rule: str = "per_call", **more: Any) -> TaskHistory:
    """Return a completed task of so many images."""
    request = {**cheapest(COUNTED), "n": number, **more}
    receipt = {"id": f"task-unified-{number}", "usage": {"billing_rule": rule}}
    state = {"status": "completed", "results": [f"http://x/{one}" for one in range(number)]}
    return TaskHistory(COUNTED, request, account, receipt, RESPONSE, RESPONSE, state)


def judge(
    tasks: Sequence[TaskHistory],
    amounts: Sequence[float | None],
    used: bool,
    *,
    prices_may_change: bool = False,
) -> None:
    """Let the amounts be reserved for tasks, or be used by them."""
    charges = Charges({one.id: one for one in tasks}, prices_may_change)
    for one, amount in zip(tasks, amounts, strict=True):
        if used:
            body = {**one.state, "usage": {"credits_used": amount}}
            charges.check_used(one, body, RESPONSE)
        else:
            one.receipt["usage"]["credits_reserved"] = amount
            charges.check_reserved(one, RESPONSE)


def test_the_documents_say_what_is_charged() -> None:
    """Images by their number, videos by their seconds; each with the sentence that says so."""
    assert {model.name for model, _ in CHARGED} == set(MODELS)
    for model, name in CHARGED:
        sentence = charged_fields(model)[name]
        assert f"`{name}`" in sentence
        assert sentence in model.parameters[name]["description"]


@given(st.floats(0.01, 1000), st.sampled_from(ROUNDED), NUMBERS, st.booleans())
def test_a_price_in_proportion_is_right_however_it_is_rounded(unit, rounded, numbers, used) -> None:
    """Whole credits hide small differences; the order of the requests doesn't matter."""
    judge([task(one) for one in numbers], [rounded(unit * one) for one in numbers], used)


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("amount", [0, 1, 0.0, None, "4", True, math.inf, 10**400, -1])
def test_what_is_free_or_says_nothing_is_no_finding(used, amount) -> None:
    """A server may charge nothing, round to one credit, or leave the amount out."""
    judge([task(1), task(4)], [amount] * 2, used)


@given(st.floats(1.01, 1000), NUMBERS, st.booleans())
def test_one_price_for_all_is_found(price, numbers, used) -> None:
    """It cites the sentence of the model, and points to the parameter."""
    price = price + 0.001 if price == int(price) else price
    with pytest.raises(CheckFailed) as found:
        judge([task(one) for one in numbers], [price] * 4, used)
    assert found.value.check.name == ("charge" if used else "pre-charge")
    assert found.value.pointer == "request /n"
    assert "`n`" in found.value.cites


def test_tasks_of_different_requests_are_not_compared() -> None:
    """Other texts, accounts and requests that nobody saw may have any price."""
    judge([task(1), task(4, prompt="another")], [4.5, 4.5], used=False)
    judge([task(1), task(4, "two")], [4.5, 4.5], used=False)
    unseen = [task(one) for one in (1, 4)]
    for one in unseen:
        del one.request["prompt"]
    judge(unseen, [4.5, 4.5], used=True)


def test_a_task_by_token_or_with_fewer_results_may_have_used_anything() -> None:
    """Tokens are no images, and what wasn't generated isn't charged."""
    judge([task(1, rule="per_token"), task(4, rule="per_token")], [4.5, 4.5], used=True)
    partial = task(4)
    partial.state["results"] = partial.state["results"][:1]
    judge([task(1), partial], [4.5, 4.5], used=True)


def test_a_price_that_has_changed_is_compared_with_those_after_it() -> None:
    """A watch may last for days."""
    judge([task(1), task(1), task(4)], [4.5, 1.1, 4.4], used=False)


@given(
    st.lists(st.tuples(st.integers(1, 4), st.floats(0.02, 1000)), max_size=40),
    st.floats(0.02, 1000),
    st.booleans(),
)
def test_while_watching_a_changed_price_is_no_finding(traffic, unit, used) -> None:
    """A price that changes for good, between any two requests, is right: no request is repeated."""
    tasks, amounts = list[TaskHistory](), list[float]()
    for number, new in traffic:
        unit = new if len(tasks) % 5 == 0 else unit
        tasks.append(task(number))
        amounts.append(round(number * unit, 2))
    judge(tasks, amounts, used, prices_may_change=True)


@given(st.floats(1.01, 1000), NUMBERS, st.booleans())
def test_while_watching_one_price_for_all_is_found_once_a_request_is_repeated(
    price, numbers, used
) -> None:
    """What was so before another request and after it was so at its time."""
    price = price + 0.001 if price == int(price) else price
    tasks = [task(one) for one in numbers]
    judge(tasks, [price] * 4, used, prices_may_change=True)
    with pytest.raises(CheckFailed):
        judge([*tasks, tasks[0]], [price] * 5, used, prices_may_change=True)
