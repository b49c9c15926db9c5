"""Charges by the number of images or seconds, compared among requests that differ in it alone."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow_contract.checks.definitions.billing import CHARGE, PRECHARGE
from wanflow_contract.checks.faulty_field import request_field
from wanflow_contract.checks.recent import Recent
from wanflow_contract.checks.task_state import COMPLETED, TOKENS, credits_used, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wanflow.catalog.catalog import Model
    from wanflow_contract.checks.check import Check
    from wanflow_contract.checks.task_history import TaskHistory
    from wanflow_contract.support.exchange import Exchange

_CHARGED = re.compile(r"pre-charged? based on the (?:value of )?`(\w+)`(?: value)?", re.IGNORECASE)
_CENT, _SLIGHTLY = 0.01, 0.1
_TWICE = 2.0
_MOST = 1e15
"""From here on, floating-point numbers lose fractions."""


def charged_fields(model: Model) -> Mapping[str, str]:
    """Return the parameters by whose values a model is charged, each with its sentence."""
    return {
        name: found
        for name, rule in model.parameters.items()
        if (found := _sentence(rule.get("description", "")))
    }


@lru_cache(1024)
def _sentence(description: str) -> str:
    found = _CHARGED.search(description)
    return found[0] if found else ""


@define(eq=False, repr=False)
class Charges:
    """The amounts of `tasks`, by what else was requested and by the charged number.

    With `prices_may_change`, two amounts are compared only if one of them was there before the
    other and after it.
    """

    tasks: Mapping[str, TaskHistory]
    prices_may_change: bool = False
    _seen: Recent[tuple[str, ...], dict[float, tuple[float, str]]] = field(factory=Recent)

    def check_reserved(self, history: TaskHistory, exchange: Exchange) -> None:
        """Check that a submission reserves more than an equal one for fewer images or seconds.

        Raises:
            CheckFailed: it doesn't.
        """
        usage = history.receipt.get("usage")
        amount = usage.get("credits_reserved") if isinstance(usage, dict) else None
        self._check(PRECHARGE, history, amount, exchange)

    def check_used(self, history: TaskHistory, body: dict[str, Any], exchange: Exchange) -> None:
        """Check that a completed task used more than an equal one for fewer images or seconds.

        A request that wasn't seen is equal to none.

        Raises:
            CheckFailed: it didn't.
        """
        usage = history.receipt.get("usage")
        by_token = isinstance(usage, dict) and usage.get("billing_rule") == TOKENS
        whole = len(history.links) == history.expected_results
        seen = set(history.model.required) <= history.request.keys()
        if status_of(body) == COMPLETED and whole and seen and not by_token:
            self._check(CHARGE, history, credits_used(body), exchange)

    def _check(self, check: Check, history: TaskHistory, value: Any, exchange: Exchange) -> None:
        amount = _number(value)
        for name, sentence in charged_fields(history.model).items():
            count = _number(history.request.get(name))
            if amount is None or not count:
                continue
            key = (check.name, history.account, _without(history.request, name))
            seen = self._seen.setdefault(key, {})
            if seen.get(count, (amount, ""))[0] != amount:
                seen.clear()  # prices have changed
            for other, (price, first) in self._compared(seen, count).items():
                (less, low), (more, high) = sorted([(other, price), (count, amount)])
                check.require(
                    less == more or _is_higher(low, high, more / less),
                    f"{low} for {name} {less}, {high} for {more}",
                    *self._submission_of(first),
                    exchange,
                    pointer=request_field(name),
                    shape=f"{history.model.name}: no higher price",
                    cites=sentence,
                )
            seen.setdefault(count, (amount, history.id))

    def _compared(self, seen: dict[float, tuple[float, str]], count: float) -> dict[float, Any]:
        """Return the amounts, in the order in which they came, that one is compared with."""
        if not self.prices_may_change:
            return seen
        numbers = list(seen)
        later = numbers[numbers.index(count) + 1 :] if count in seen else []
        return {number: seen[number] for number in later}

    def _submission_of(self, task_id: str) -> Iterator[Exchange]:
        known = self.tasks.get(task_id)
        if known is not None:
            yield known.first


def _number(value: Any) -> int | float | None:
    """Return a number from 0 up, None for anything else, and for one that is too large."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if number and 0 <= value < _MOST else None


def _without(request: dict[str, Any], name: str) -> str:
    """Return what stands for a request without a parameter, and without the one for callbacks."""
    rest = {key: value for key, value in request.items() if key not in {name, "callback_url"}}
    return blake2b(json.dumps(rest, sort_keys=True).encode(), digest_size=16).hexdigest()


def _is_higher(low: float, high: float, times: float) -> bool:
    """Return whether an amount for so many times as much is higher, as far as rounding shows."""
    whole = low == int(low) and high == int(high)
    if low == high:
        return high <= (1 if whole else _CENT) or (whole and times < _TWICE)
    return low < high if whole else low * (1 + _SLIGHTLY * (times - 1)) < high
