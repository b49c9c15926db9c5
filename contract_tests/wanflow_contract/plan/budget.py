"""The spend budget: nothing is sent that might cost more than is left."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

from attrs import define, evolve, field, frozen

from wanflow_contract.checks.expectation import Expected
from wanflow_contract.plan.first_task import FirstTask
from wanflow_contract.plan.prices import (
    Prices,
    documented,
    documented_prices,
    reported_price,
    used_credits,
)
from wanflow_contract.plan.shared_budget import Decision, SharedBudget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wanflow_contract.checks.expectation import Expectation
    from wanflow_contract.support.exchange import Exchange

UNLIMITED = float("inf")
AMPLE = 2000.0
"""Credits from which on generated requests may be submitted, too."""
_WAIT, _PAUSE = 60.0, 0.02
_MOST_IMPLAUSIBLE = 2
PLAUSIBLE = 10.0
"""A price above what is left counts up to so many times the most that was expected.

What was charged must count, but one impossible number must not end a run."""
_IMPOSSIBLE = 1000.0
"""How many times the highest documented price no request costs, where nothing limits it."""
_KEY = "idempotency-key"


class BudgetExceeded(Exception):
    """A submission is not sent: it might cost more than is left, or than the account can pay."""


@frozen
class Reservation:
    """What is reserved for a request until its response is there.

    `credits` is None if nothing is reserved, because a correct server rejects the request.
    """

    body: Mapping[str, Any]
    credits: float | None = None
    charged: bool = False
    """Whether a correct server may accept the request."""


@frozen
class _Task:
    """What was submitted, the price that its receipt reported, and what counts."""

    body: Mapping[str, Any]
    reported: float | None
    counted: float
    used: float = 0.0
    """The most that it has used by a response that counts."""


@define(eq=False)
class SpendBudget:
    """The credits that may be spent and the submissions that may be made.

    `limit` is UNLIMITED where nothing is charged. A dry run records estimates. `spent_here` and
    `submissions` are those of this process; the shared budget has those of all. `invalid_tasks` and
    `spent_on_invalid` are what of them the server should have refused. `wait` is how many
    seconds a request waits for others whose cost isn't known yet.

    With `first_alone`, nothing is submitted beside the first task; see `FirstTask`.

    A reported price is not trusted: one that isn't a number from 0 up counts as not reported, one
    that is far above what is left is replaced by the most that the request may cost, and a price
    never counts less than that of an equal request. `unbelieved` counts those that were replaced,
    by model and price, and `unreported` the tasks without one, by model. If a task has used more by
    a later response, this counts, and what all other tasks reported counts as many times. Since a
    price may be 0, no more tasks are submitted than the limit pays for at the cheapest documented
    price.
    """

    limit: float = UNLIMITED
    shared_budget: SharedBudget = field(factory=SharedBudget)
    wait: float = _WAIT
    dry_run: bool = False
    first_alone: bool = False
    spent_here: float = 0.0
    submissions: int = 0
    invalid_tasks: int = 0
    spent_on_invalid: float = 0.0
    not_sent: int = 0
    prices: Prices = field(init=False)
    first: FirstTask = field(init=False)
    unbelieved: Counter[str] = field(factory=Counter[str])
    unreported: Counter[str] = field(factory=Counter[str])
    _implausible: Counter[str] = field(factory=Counter[str])
    _tasks: dict[str, _Task] = field(factory=dict[str, "_Task"])
    _keys: set[str] = field(factory=set[str])
    _understated: float = 1.0

    def __attrs_post_init__(self) -> None:
        """Read the prices."""
        self.prices = Prices(self.shared_budget)
        self.first = FirstTask(self.shared_budget, self.first_alone)

    @property
    def unlimited(self) -> bool:
        """Whether there is no limit."""
        return self.limit == UNLIMITED

    @property
    def ample(self) -> bool:
        """Whether there is enough left for generated requests."""
        return self.unlimited or self.limit - self.shared_budget.spent >= AMPLE

    @property
    def most_submissions(self) -> float:
        """How many tasks may be submitted."""
        return self.limit if self.unlimited else self.limit // documented_prices()[0]

    def reserve(self, expectation: Expectation | None, content: bytes | None) -> Reservation:
        """Reserve the most that a request may cost, if it may be accepted.

        A request that a correct server rejects is also sent when too little is left, until the
        server has accepted such a request.

        Raises:
            BudgetExceeded: it might be accepted, and may cost more than what is left.
        """
        body = _body(content)
        if self.unlimited or expectation is None:
            return Reservation(body)
        self._catch_up()
        rejected = expectation.expected is Expected.REJECT
        model = str(body.get("model"))
        if not rejected and self._implausible[model] >= _MOST_IMPLAUSIBLE:
            self.refuse(f"{model} reported prices above what was left")
        if not rejected:
            self.first.wait(model)
            self._catch_up()
        cost = self.prices.most(body)
        decision = self._reserve(cost)
        if decision is Decision.TOO_MUCH and rejected:
            cost = self.prices.most(body, margin=1.0)  # it is probably rejected
            decision = self._reserve(cost)
        if decision is Decision.RESERVED:
            return Reservation(body, cost, charged=not rejected)
        if not rejected or self.shared_budget.accepts_invalid:
            self.refuse(self._why(cost))
        return Reservation(body)

    def pay(
        self, expectation: Expectation | None, content: bytes | None, send: Callable[[], Exchange]
    ) -> Exchange:
        """Send a request within the budget, and record what it cost.

        Raises:
            BudgetExceeded: it might be accepted, and may cost more than what is left.
            CheckFailed: there is no response.
        """
        reservation = self.reserve(expectation, content)
        try:
            exchange = send()
        except BaseException:  # no response, or it was interrupted: it may have been accepted
            self.record_unknown(reservation)
            raise
        self.record(exchange, expectation, reservation)
        return exchange

    def record(
        self, exchange: Exchange, expectation: Expectation | None, reservation: Reservation
    ) -> None:
        """Record what a response says of the cost, and end the reservation."""
        accepted = 200 <= exchange.status < 300 and expectation is not None
        receipt = exchange.decoded() if accepted else None
        key = exchange.sent_header(_KEY)
        replayed = accepted and key in self._keys and _id(receipt) in self._tasks
        if key is not None:
            self._keys.add(key)
        if accepted and not replayed:
            before = self.spent_here
            self.record_cost(receipt, reservation)
            if expectation is not None and expectation.expected is Expected.REJECT:
                self.shared_budget.record_accepted_invalid()
                self.invalid_tasks += 1
                self.spent_on_invalid += self.spent_here - before
        elif exchange.status >= 500 and exchange.sent_header("prefer") is None:
            self.record_unknown(reservation)
        else:
            self.release(reservation)

    def release(self, reservation: Reservation) -> None:
        """End the reservation of a request that was not accepted."""
        self._settle(reservation, 0.0, 0)

    def record_cost(self, receipt: Any, reservation: Reservation) -> None:
        """Record an accepted submission with the price that its receipt reports."""
        price = None if self.dry_run else reported_price(receipt)
        if price == 0 and self.prices.charges(str(reservation.body.get("model"))):
            price = None  # a server that charges at the end may say so
        if price is not None and not self.unlimited:
            cost = self._believed(price * self.shared_budget.understated, reservation)
        elif price is not None and price <= _IMPOSSIBLE * documented(reservation.body):
            cost = price
        else:
            most = math.inf if reservation.credits is None else reservation.credits
            cost = min(most, self._assumed(price, reservation))
        self._tasks[_id(receipt)] = _Task(reservation.body, price, cost)
        if self.first.is_unpolled:
            self.end_first(_id(receipt))
        self._settle(reservation, cost, 1)

    def record_used(self, task: Any) -> None:
        """Count what a response says that a task of this process has used, if that is more."""
        known, used = self._tasks.get(_id(task)), used_credits(task)
        if self.unlimited or known is None or used is None:
            return
        counts = used > known.counted or _has_ended(task)
        if counts and used > known.used:
            self._tasks[_id(task)] = known = evolve(known, used=used)
            cost = self._believed_use(used, known)
            self._raise_to(_id(task), cost)
            if known.reported:
                self.shared_budget.record_understated(cost / known.reported)
            self._catch_up()

    def _believed_use(self, used: float, task: _Task) -> float:
        """Return what the use of a task counts: all, unless it is far above what is expected."""
        reservation, most = Reservation(task.body), self.prices.most(task.body)
        if used - task.counted > self._left_for(reservation) and used > PLAUSIBLE * most:
            self._disbelieve(used, reservation)
            return most
        self.prices.record(task.body, max(used, self.prices.least(task.body)))
        return max(used, self.prices.estimate(task.body))

    def _catch_up(self) -> None:
        """Let each task count as many times its reported price as another one has used."""
        times = self.shared_budget.understated
        if times > self._understated:
            self._understated = times
            for name, one in [*self._tasks.items()]:
                self._raise_to(name, (one.reported or 0.0) * times)

    def _raise_to(self, task_id: str, cost: float) -> None:
        """Let a task count at least so much."""
        known = self._tasks[task_id]
        more = cost - known.counted
        if more > 0:
            self._tasks[task_id] = evolve(known, counted=cost)
            self.spent_here = round(self.spent_here + more, 4)
            self.shared_budget.settle(None, more, 0)

    def _assumed(self, price: float | None, reservation: Reservation) -> float:
        """Return what counts in place of a price that isn't reported, or can't be right."""
        if price is not None:
            self._disbelieve(price, reservation)
        elif not (self.unlimited or self.dry_run):
            self.unreported[str(reservation.body.get("model"))] += 1
            return self.prices.unreported(reservation.body)
        return self.prices.estimate(reservation.body)

    def _believed(self, price: float, reservation: Reservation) -> float:
        """Return what a reported price counts: at least what requests like this one show."""
        body, most = reservation.body, reservation.credits
        if price > self._left_for(reservation):
            most = self.prices.most(body) if most is None else most
            if price > PLAUSIBLE * most:
                self._disbelieve(price, reservation)
                return most
        self.prices.record(body, max(price, self.prices.least(body)), grows=True)
        highest = self.prices.estimate(body)
        return max(price, highest if most is None else min(highest, most))

    def end_first(self, task_id: str | None) -> None:
        """Let others submit: the first task has ended, or there is none."""
        task = self._tasks.get(task_id or "")
        if task is None:
            self.first.end()
        else:
            trusted = task.used <= (task.reported or 0.0)
            self.first.end(str(task.body.get("model")), trusted=trusted)

    def _disbelieve(self, price: float, reservation: Reservation) -> None:
        model = str(reservation.body.get("model"))
        self._implausible[model] += 1
        self.unbelieved[f"{model}: {price:g} credits"] += 1

    def record_unknown(self, reservation: Reservation) -> None:
        """Record a request whose response doesn't say whether it was accepted."""
        may_cost = reservation.charged or (
            reservation.credits is not None and self.shared_budget.accepts_invalid
        )
        self._settle(reservation, reservation.credits or 0.0, 1 if may_cost else 0)

    def _left_for(self, reservation: Reservation) -> float:
        return self.shared_budget.left_beside(reservation.credits or 0.0, self.limit)

    def _reserve(self, cost: float) -> Decision:
        until = time.monotonic() + self.wait
        while True:
            decision = self.shared_budget.reserve(cost, self.limit, self.most_submissions)
            if decision is not Decision.WAIT or time.monotonic() >= until:
                return decision
            time.sleep(_PAUSE)

    def _settle(self, reservation: Reservation, cost: float, count: int) -> None:
        if not count and reservation.credits is None:
            return
        cost = cost if count else 0.0
        self.spent_here = round(self.spent_here + cost, 4)
        self.submissions += count
        self.shared_budget.settle(reservation.credits, cost, count)
        if self.first.is_unpolled:
            self.first.end()  # it was refused, or has no response

    def _why(self, cost: float) -> str:
        done = self.shared_budget.submissions
        if done >= self.most_submissions and self.shared_budget.spent + cost <= self.limit:
            return f"{done} tasks were submitted, which {self.limit:g} credits pay for at most"
        return (
            f"this submission may cost {cost:g} credits; "
            f"{self.shared_budget.spent:g} of {self.limit:g} are spent"
        )

    def refuse(self, reason: str) -> None:
        """Count a submission that is not sent, for a reason.

        Raises:
            BudgetExceeded: always.
        """
        self.not_sent += 1
        if self.first.thread.is_here:
            self.first.end()
        raise BudgetExceeded(reason)


def _has_ended(task: Any) -> bool:
    return cast("dict[str, Any]", task).get("status") == "completed"


def _id(receipt: Any) -> str:
    return str(cast("dict[str, Any]", receipt).get("id")) if isinstance(receipt, dict) else ""


def _body(content: bytes | None) -> dict[str, Any]:
    try:
        body: object = json.loads(content or b"")
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}
