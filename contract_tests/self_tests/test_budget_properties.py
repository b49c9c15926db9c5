"""The limit holds for every sequence of requests, reported prices, failures and processes."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from wanflow_contract.checks.boundaries import probes_of
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import Expectation, Expected, packaged_oracle
from wanflow_contract.plan.budget import PLAUSIBLE, BudgetExceeded, SpendBudget
from wanflow_contract.plan.prices import (
    amount_of,
    charged_parameters,
    documented_prices,
    reported_price,
    units_of,
)
from wanflow_contract.plan.shared_budget import SharedBudget
from wanflow_contract.support.exchange import Exchange

_ORACLE = packaged_oracle()
REQUESTS = [
    (json.dumps(probe.body).encode(), _ORACLE.expectation(model.operation_id, probe.body))
    for model in packaged_contract().catalog.models.values()
    for probe in list(probes_of(model))[::7]
]
_PRICES = st.one_of(
    st.sampled_from([-1, 0, 1e300, -1e300, 10**400, "5", None, True, [], {}, float("nan")]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(0, 60),
)
_OUTCOMES = st.sampled_from([200, 200, 200, 200, 202, 400, 401, 500, 502, None])
_STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, len(REQUESTS) - 1),
        _OUTCOMES,
        _PRICES,
        st.sampled_from(["", "", "a-key-of-16-chars"]),
        st.sampled_from(["new", "old"]),
        st.booleans(),
    ),
    max_size=60,
)
_LIMITS = st.one_of(st.sampled_from([0, 1, 5, 10, 20, 50, 60, 500]), st.floats(0, 2000))


class Run:
    """Some processes with one shared budget, which send requests and get responses later."""

    def __init__(self, limit: float, processes: int = 3) -> None:
        self.shared = SharedBudget()
        self.budgets = [SpendBudget(limit, self.shared, wait=0) for _ in range(processes)]
        self.waiting: list[tuple[int, Any, Any, Exchange | None]] = []
        self.above = 0.0
        """What was reported above what was reserved, and not too far above it to be believed."""
        self.numbers = count()

    def send(self, process: int, asked: bytes, expectation: Expectation) -> Any:
        """Return the reservation of a request, None if it isn't sent."""
        before = self.shared.spent
        try:
            made = self.budgets[process].reserve(expectation, asked)
        except BudgetExceeded:
            return None
        assert made.credits is None or before + made.credits <= self.budgets[process].limit + 1e-3
        return made

    def respond(self) -> None:
        """Receive the response of the request that waits longest."""
        process, expectation, reservation, exchange = self.waiting.pop(0)
        price = None if exchange is None else reported_price(exchange.decoded())
        if price is not None and reservation.credits is not None:
            self.above += max(
                0.0, min(price, PLAUSIBLE * reservation.credits) - reservation.credits
            )
        if exchange is None:
            self.budgets[process].record_unknown(reservation)
        else:
            self.budgets[process].record(exchange, expectation, reservation)


@settings(max_examples=300)
@given(_LIMITS, _STEPS)
def test_no_reported_price_lets_a_run_pass_its_limit(limit, steps) -> None:
    """Whatever is reported, in any order and process: neither credits nor tasks pass the limit.

    Two exceptions: a price above what the request could cost by all that was known is counted, and
    ends the run's submissions. And, left out here, a request that must be rejected is sent although
    too little is left for it, and is accepted; after one there are no more of these.
    """
    run = Run(limit)
    for process, number, status, price, key, which, later in steps:
        asked, expectation = REQUESTS[number]
        reservation = run.send(process, asked, expectation)
        if reservation is None:
            continue
        if reservation.credits is None:
            assert expectation.expected is Expected.REJECT
        answered = 400 if reservation.credits is None else status
        name = f"task-{next(run.numbers)}" if which == "new" else "task-0"
        receipt = json.dumps({"id": name, "usage": {"credits_reserved": price}}).encode()
        headers = (("idempotency-key", key),) if key else ()
        exchange = Exchange("POST", "", "", headers, asked, answered or 0, (), receipt)
        run.waiting.append((process, expectation, reservation, exchange if answered else None))
        while run.waiting and not later:
            run.respond()
        assert run.shared.spent <= limit + run.above + 1e-3
    while run.waiting:
        run.respond()
    assert run.shared.spent <= limit + run.above + 1e-3
    assert run.shared.submissions <= limit / documented_prices()[0]
    assert run.shared.spent >= -1e-9


def test_a_request_without_a_reported_price_counts_no_more_than_was_reserved() -> None:
    """Its documented price may be above what other prices of its model bound it by."""
    for limit in (1, 3, 6, 10, 60):
        run, prices = Run(limit), iter([0.1])
        for asked, expectation in REQUESTS:
            valid = expectation.expected is Expected.ACCEPT
            reservation = run.send(0, asked, expectation) if valid else None
            if reservation is None:
                continue
            usage = {"credits_reserved": next(prices, None)}
            receipt = json.dumps({"id": f"task-{next(run.numbers)}", "usage": usage}).encode()
            exchange = Exchange("POST", "", "", (), asked, 200, (), receipt)
            run.waiting.append((0, expectation, reservation, exchange))
            run.respond()
            assert run.shared.spent <= limit + 1e-3


@settings(max_examples=300)
@given(
    _LIMITS,
    st.floats(0.01, 2),
    st.floats(0.4, 1),
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, len(REQUESTS) - 1)), max_size=200),
    st.sampled_from(
        [("credits_reserved",), ("credits_reserved", "credits_used"), ("credits_used",)]
    ),
)
def test_a_correct_server_never_charges_more_than_the_limit(
    limit, scale, flat, order, said
) -> None:
    """Prices up to twice the documented ones: the limit is never passed.

    They grow with what the documents name, and less than in proportion with the rest. They are in
    the receipt, in the poll after it, or in both.
    """
    run, charged = Run(limit), 0.0
    for process, number in order:
        asked, expectation = REQUESTS[number]
        if expectation.expected is not Expected.ACCEPT:
            continue
        reservation = run.send(process, asked, expectation)
        if reservation is None:
            continue
        body = json.loads(asked)
        amount = amount_of(body)
        counted = units_of(body, charged_parameters(body))
        rest = (amount.units * amount.area / counted) ** flat
        price = documented_prices()[1] * scale * counted * rest
        charged += price
        usage = dict.fromkeys(said, price)
        name = f"task-{next(run.numbers)}"
        receipt = {"id": name, "usage": {"credits_reserved": usage.pop("credits_reserved", None)}}
        exchange = Exchange("POST", "", "", (), asked, 200, (), json.dumps(receipt).encode())
        run.waiting.append((process, expectation, reservation, exchange))
        run.respond()
        run.budgets[process].record_used({"id": name, "status": "completed", "usage": usage})
        assert charged <= limit + 1e-6
    if "credits_reserved" in said:
        assert abs(run.shared.spent - charged) < 0.01
    else:
        assert run.shared.spent > charged - 0.01
