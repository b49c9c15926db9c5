"""Prices: what a server reports, what its tasks use, and what the budget counts."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from self_tests.reference_server.server import Server
from self_tests.submissions import ACCEPTED, submission, submit, submit_task
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.plan.budget import UNLIMITED, BudgetExceeded, SpendBudget
from wanflow_contract.plan.prices import (
    charged_parameters,
    documented,
    documented_of_model,
    documented_prices,
    prices_by_model,
    reported_price,
)
from wanflow_contract.plan.shared_budget import SharedBudget

if TYPE_CHECKING:
    from wanflow.catalog.catalog import Model

ROOT = Path(__file__).resolve().parents[2]
MODELS = packaged_contract().catalog.models


def reported(price: float) -> float:
    """Return a reported price as a number."""
    return reported_price({"usage": {"credits_reserved": price}}) or 0.0


def lowest_price(model: Model) -> float:
    """Return the documented price of the cheapest request of a model."""
    return documented_of_model(cheapest(model))


def _qualities(model: Model) -> list[str]:
    return model.parameters.get("quality", {}).get("enum", [])


def test_each_model_has_the_price_of_its_own_document() -> None:
    """The merged spec keeps which source names which price."""
    shown = {}
    for path in (ROOT / "specs/sources").glob("*.yaml"):
        schemas = yaml.safe_load(path.read_text()).get("components", {}).get("schemas", {})
        for one in schemas.values():
            if "credits_reserved" in one.get("properties", {}):
                shown[path.stem] = one["properties"]["credits_reserved"]["example"]
    assert prices_by_model() == shown
    assert prices_by_model().keys() == MODELS.keys()


def test_the_first_estimate_is_the_highest_documented_price() -> None:
    """Before a price was seen, a task costs as much as the dearest example, in proportion."""
    model = next(one for one in MODELS.values() if "duration" in one.parameters)
    once, twice = ({**cheapest(model), "duration": seconds} for seconds in (5, 10))
    assert documented(once) == documented_prices()[1]
    assert documented(twice) == 2 * documented_prices()[1]


def test_prices_that_were_seen_bound_those_that_are_guessed() -> None:
    """A price bounds those of the model's other requests, in proportion to what is asked."""
    model = next(one for one in MODELS.values() if "480p" in _qualities(one))
    budget, body = SpendBudget(1000.0), cheapest(model)
    submit(budget, json.dumps(body).encode(), {"credits_reserved": 0.5})
    assert budget.prices.most(body) == 0.5
    assert budget.prices.most({**body, "duration": 10}) == 2 * 2 * 0.5
    dearest = budget.prices.most({**body, "quality": "1080p"})
    assert dearest == pytest.approx(2 * 0.5 * (1080 / 480) ** 2)


def test_a_model_that_costs_more_than_documented_bounds_others_higher() -> None:
    """If one model costs four times as much as documented, so may another one."""
    one, other = (cheapest(model) for model in list(MODELS.values())[:2])
    budget = SpendBudget(1000.0)
    submit(budget, json.dumps(one).encode(), {"credits_reserved": 4 * documented(one)})
    assert budget.prices.most(other) >= 2 * 4 * documented(other)


def test_a_cheap_model_that_costs_ten_times_its_document_bounds_dear_ones() -> None:
    """An image of 10 credits for 1 lets expect a video of 50 for 5."""
    models = sorted(MODELS.values(), key=lowest_price)
    cheap, dear = cheapest(models[0]), cheapest(models[-1])
    budget, times = SpendBudget(1000.0), 10
    price = times * documented_of_model(cheap)
    submit(budget, json.dumps(cheap).encode(), {"credits_reserved": price})
    assert documented_of_model(cheap) < documented_of_model(dear)
    assert budget.prices.most(dear) >= times * documented_of_model(dear)


def test_a_server_that_reports_no_price_is_recorded_by_the_documents() -> None:
    """Without a price a task counts twice what the documents say, however many there are."""
    budget = SpendBudget(50.0)
    for _ in range(5):
        submit(budget, submission(), {})
    body = json.loads(submission())
    assert budget.shared_budget.spent == 5 * 2 * documented_of_model(body)
    assert budget.unreported == {body["model"]: 5}


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
def test_without_a_price_no_request_is_booked_at_ten_times_its_price(model) -> None:
    """An image of 0.3 credits counts as the document of its model says, not as a video."""
    budget, body = SpendBudget(1000.0), cheapest(model)
    real = Server.usage(Server.__new__(Server), model.kind, body)["credits_reserved"]
    submit(budget, json.dumps(body).encode(), {})
    assert real < budget.shared_budget.spent < 10 * real


@pytest.mark.parametrize("price", [-1, float("nan"), float("inf"), "7", None, True, [7]])
def test_what_is_no_price_counts_as_none(price) -> None:
    """A negative price or one that is no number counts as if there were none."""
    budget = SpendBudget(50.0)
    submit(budget, submission(), {"credits_reserved": price})
    assert budget.shared_budget.spent == 2 * documented_of_model(json.loads(submission()))


@pytest.mark.parametrize(
    "receipt",
    [
        {"data": {"usage": {"credits_reserved": 7}}},
        [{"usage": {"credits_reserved": 7}}],
        {"usage": [{"credits_reserved": 7}], "credits_reserved": 0.1},
    ],
    ids=["in data", "in a list", "several"],
)
def test_a_price_counts_wherever_a_receipt_has_it(receipt) -> None:
    """A server that wraps its responses was charged 889 credits of 500."""
    budget = SpendBudget(50.0)
    budget.record_cost(receipt, budget.reserve(ACCEPTED, submission()))
    assert budget.shared_budget.spent == 7
    assert not budget.unreported


@pytest.mark.parametrize("price", [1e300, 10**400], ids=["1e300", "googol"])
def test_a_price_above_what_is_left_does_not_empty_the_budget(price) -> None:
    """A price that can't be right counts the most that the request may cost."""
    budget = SpendBudget(50.0)
    submit(budget, submission(), {"credits_reserved": price})
    assert budget.shared_budget.spent == 2 * documented(json.loads(submission()))
    submit(budget, submission(), {"credits_reserved": price})
    with pytest.raises(BudgetExceeded, match="reported prices above what was left"):
        budget.reserve(ACCEPTED, submission())


@pytest.mark.parametrize("limit", [50.0, UNLIMITED], ids=["limited", "unlimited"])
@pytest.mark.parametrize("price", [1e300, 10**400], ids=["1e300", "googol"])
def test_a_price_that_cannot_be_right_is_counted_and_named(limit, price) -> None:
    """Also without a limit it counts no more than the documents say."""
    budget, body = SpendBudget(limit), json.loads(submission())
    submit(budget, submission(), {"credits_reserved": price})
    assert list(budget.unbelieved) == [f"{body['model']}: {reported(price):g} credits"]
    assert budget.unbelieved.total() == 1
    assert documented_of_model(body) <= budget.spent_here <= 2 * documented(body)


@pytest.mark.parametrize("limit", [1000.0, UNLIMITED], ids=["limited", "unlimited"])
def test_a_price_far_above_the_documented_one_may_be_right(limit) -> None:
    """A server that costs a hundred times as much is believed."""
    budget = SpendBudget(limit)
    price = 100 * documented(json.loads(submission()))
    submit(budget, submission(), {"credits_reserved": price})
    assert (budget.spent_here, budget.unbelieved.total()) == (price, 0)


@pytest.mark.parametrize("receipt_says", [2, None], ids=["less", "nothing"])
@pytest.mark.parametrize(
    "where", [{"usage": {"credits_used": 4}}, {"data": {"usage": {"cost": {"credits": 4}}}}]
)
def test_what_a_task_has_used_counts_if_it_is_more_than_was_reported(receipt_says, where) -> None:
    """A server that reported half of its price was charged 99.6 credits of 50."""
    budget, receipt = (
        SpendBudget(50.0),
        {} if receipt_says is None else {"credits_reserved": receipt_says},
    )
    for number in (1, 2):
        submit_task(budget, f"task-{number}", receipt)
    for _ in range(3):  # each poll says it again
        budget.record_used({"id": "task-1", **where})
        budget.record_used({"id": "task-3", **where})
    first = 2 * documented_of_model(json.loads(submission())) if receipt_says is None else 4
    assert budget.shared_budget.spent == budget.spent_here == 4 + first
    assert budget.prices.most(json.loads(submission())) == 4, "equal requests cost as much"
    submit_task(budget, "task-4", receipt)
    assert budget.shared_budget.spent == 4 + first + 4


@pytest.mark.parametrize("limit", [20, 50, 60, 100, 500])
def test_prices_in_polls_alone_bound_those_of_models_that_were_not_seen(limit) -> None:
    """A server that charged ten times as much, and said so in polls alone, took 72 of 60."""
    budget, charged = SpendBudget(limit), 0.0
    for number, model in enumerate(sorted(MODELS.values(), key=lowest_price)):
        body = cheapest(model)
        price = 10 * Server.usage(Server.__new__(Server), model.kind, body)["credits_reserved"]
        with suppress(BudgetExceeded):
            reservation = budget.reserve(ACCEPTED, json.dumps(body).encode())
            charged += price
            budget.record_cost({"id": f"task-{number}"}, reservation)
        polled = {"id": f"task-{number}", "usage": {"credits_used": price}}
        for status in ("pending", "completed"):
            budget.record_used({**polled, "status": status})
    assert 0 < charged <= limit


def test_a_use_that_is_written_as_a_text_counts() -> None:
    """It is charged, however a faulty server writes it."""
    budget = SpendBudget(50.0)
    submit_task(budget, "task-1", {"credits_reserved": 3})
    budget.record_used({"id": "task-1", "usage": {"credits_used": "9.5"}})
    assert budget.shared_budget.spent == 9.5


@pytest.mark.parametrize("used", [22, 60])
def test_a_use_above_what_is_left_is_counted(used) -> None:
    """More than the limit was charged then, and the run must not spend as if it weren't."""
    budget = SpendBudget(20.0)
    submit_task(budget, "task-1", {"credits_reserved": 11})
    budget.record_used({"id": "task-1", "usage": {"credits_used": used}})
    assert budget.shared_budget.spent == used
    assert not budget.unbelieved


@pytest.mark.parametrize("status", ["pending", "processing", "failed", "completed"])
def test_less_than_was_expected_is_a_price_once_a_task_has_ended(status) -> None:
    """Before its end a task may have used a part only, and one that failed may be free."""
    budget, body = SpendBudget(100.0), json.loads(submission())
    submit_task(budget, "task-1", {})
    for used in (0.5, 0.1):
        budget.record_used({"id": "task-1", "status": status, "usage": {"credits_used": used}})
    assert budget.shared_budget.spent == 2 * documented_of_model(body), "nothing is given back"
    assert budget.prices.most(body) == (0.5 if status == "completed" else 2 * documented(body))


def test_all_processes_know_how_much_less_a_server_reports(tmp_path) -> None:
    """What others have submitted counts from their next request on."""
    one, other = (SpendBudget(500.0, SharedBudget(tmp_path / "budget")) for _ in range(2))
    submit_task(one, "task-1", {"credits_reserved": 2})
    submit_task(other, "task-2", {"credits_reserved": 3})
    one.record_used({"id": "task-1", "usage": {"credits_used": 20}})
    submit_task(other, "task-3", {"credits_reserved": 3})
    assert one.shared_budget.spent == 20 + 30 + 30
    assert other.spent_here == 30 + 30


def test_a_server_that_reports_zero_and_charges_at_the_end_is_not_free() -> None:
    """Once a task has used something, a price of 0 counts as none."""
    budget, body = SpendBudget(500.0), json.loads(submission())
    submit_task(budget, "task-1", {"credits_reserved": 0})
    assert budget.shared_budget.spent == 0
    budget.record_used({"id": "task-1", "usage": {"credits_used": 7}})
    submit_task(budget, "task-2", {"credits_reserved": 0})
    assert budget.shared_budget.spent == 7 + 7
    other = json.dumps({**body, "prompt": "a" * 1000}).encode()
    submit(budget, other, {"credits_reserved": 0})
    assert budget.shared_budget.spent >= 7 + 7 + 7


@pytest.mark.parametrize("used", [0, 1, -5, None, "nine", "-9", "nan", True, float("nan")])
def test_what_a_task_has_used_gives_nothing_back(used) -> None:
    """A reported amount is somebody else's word: only what raises the sum counts."""
    budget = SpendBudget(50.0)
    submit_task(budget, "task-1", {"credits_reserved": 3})
    budget.record_used({"id": "task-1", "usage": {"credits_used": used}})
    assert budget.shared_budget.spent == 3


def test_an_impossible_use_does_not_empty_the_budget() -> None:
    """It counts the most that the request may cost, and is named."""
    budget = SpendBudget(50.0)
    submit_task(budget, "task-1", {"credits_reserved": 3})
    budget.record_used({"id": "task-1", "usage": {"credits_used": 1e300}})
    assert budget.shared_budget.spent == 3
    assert budget.unbelieved.total() == 1


def test_a_falling_price_counts_the_highest() -> None:
    """Equal requests cost the same, so that a lower price later counts as the earlier one."""
    budget = SpendBudget(50.0)
    for price in (4, 3, 2, 0.5, 0):
        submit(budget, submission(), {"credits_reserved": price})
    assert budget.shared_budget.spent == 5 * 4


def test_a_price_that_ignores_the_number_of_images_counts_by_it() -> None:
    """By the documents four images cost four times as much as one, whatever a receipt says."""
    found = ((one, name) for one in MODELS.values() for name in charged_parameters(cheapest(one)))
    model, name = next(found)
    one, four = ({**cheapest(model), name: number} for number in (1, 4))
    budget = SpendBudget(1000.0)
    for body, spent in ((one, 5), (four, 25), (four, 45), (one, 50), ({**four, name: 2}, 60)):
        submit(budget, json.dumps(body).encode(), {"credits_reserved": 5})
        assert budget.shared_budget.spent == spent


def test_several_images_of_any_request_cost_more_than_the_cheapest_one() -> None:
    """A price that ignores their number does so for other texts, too."""
    budget, model = SpendBudget(1000.0), next(m for m in MODELS.values() if "n" in m.parameters)
    for count, prompt, spent in ((1, "a", 5), (4, "a cat", 25), (1, "a dog", 30)):
        body = {**cheapest(model), "n": count, "prompt": prompt}
        submit(budget, json.dumps(body).encode(), {"credits_reserved": 5})
        assert budget.shared_budget.spent == spent


def test_a_price_of_zero_does_not_let_a_run_submit_for_ever() -> None:
    """At a price of 0 there are as many tasks as the limit pays for at the lowest price."""
    budget = SpendBudget(20.0)
    for _ in range(int(20 / documented_prices()[0])):
        submit(budget, submission(), {"credits_reserved": 0})
    with pytest.raises(BudgetExceeded, match="20 tasks were submitted"):
        budget.reserve(ACCEPTED, submission())
