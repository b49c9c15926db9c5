"""What a server reported about its tasks: prices, billing rules, result URLs, times."""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow_contract.checks.definitions.billing import ONE_RULE, STABLE_PRICE
from wanflow_contract.checks.definitions.ends import UNIQUE_LINKS
from wanflow_contract.checks.definitions.headers import DATE
from wanflow_contract.checks.definitions.tasks import CREATED
from wanflow_contract.checks.faulty_field import response_field, response_header
from wanflow_contract.checks.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wanflow_contract.checks.task_history import TaskHistory
    from wanflow_contract.support.exchange import Exchange

_SOON = 600
"""Seconds; time zones differ by more."""
_HOUR = 3600
_DAY = 24 * _HOUR
_YEAR = 365 * _DAY


@define(eq=False, repr=False)
class Reported:
    """The prices, billing rules and result URLs of `tasks`, the first of each."""

    tasks: Mapping[str, TaskHistory]
    _prices: Recent[tuple[str, bytes], tuple[Any, str]] = field(factory=Recent)
    _links: Recent[str, str] = field(factory=Recent)
    _rules: dict[tuple[str, str, str], tuple[Any, str]] = field(factory=dict)

    def check_rules(self, history: TaskHistory, exchange: Exchange) -> None:
        """Check that a model has one billing rule, and an account one group.

        Raises:
            CheckFailed: there is another.
        """
        usage = history.receipt.get("usage")
        for name, of in (("billing_rule", history.model.name), ("user_group", "")):
            value = usage.get(name) if isinstance(usage, dict) else None
            if value is not None:
                whose = (history.account, name, of)
                was, first = self._rules.setdefault(whose, (value, history.id))
                ONE_RULE.require(
                    was == value,
                    f"{name} was {was}, is {value}",
                    *self._submission_of(first),
                    exchange,
                    pointer=response_field("usage", name),
                    shape="another value",
                )

    def check_price(self, history: TaskHistory, exchange: Exchange) -> None:
        """Check that equal requests have the same price.

        Raises:
            CheckFailed: one has another.
        """
        usage = history.receipt.get("usage")
        value = usage.get("credits_reserved") if isinstance(usage, dict) else None
        if value is not None:
            request = json.dumps(history.request, sort_keys=True).encode()
            whose = (history.account, blake2b(request, digest_size=16).digest())
            was, first = self._prices.setdefault(whose, (value, history.id))
            STABLE_PRICE.require(
                was == value,
                f"it was {was}, and is {value}",
                *self._submission_of(first),
                exchange,
                pointer=response_field("usage", "credits_reserved"),
            )

    def register(self, history: TaskHistory, links: list[str], exchange: Exchange) -> None:
        """Check that result URLs belong to one task only; equal requests may share them.

        Raises:
            CheckFailed: a task of another request has one of them.
        """
        for link in links:
            owner = self.tasks.get(self._links.setdefault(link, history.id), history)
            UNIQUE_LINKS.require(
                owner.id == history.id or owner.request == history.request,
                link,
                owner.first,
                owner.last,
                exchange,
                pointer=response_field("results"),
                shape="a URL of two tasks",
            )

    def _submission_of(self, task_id: str) -> tuple[Exchange, ...]:
        """Return the exchange that submitted a task, if the task is still known."""
        known = self.tasks.get(task_id)
        return () if known is None else (known.first,)


def check_created(created: Any, exchange: Exchange, clock: Callable[[], float] | None) -> None:
    """Check that a task was created now, by this machine's clock or by another one.

    Raises:
        CheckFailed: it wasn't, or the response's own date isn't now.
    """
    number = isinstance(created, int | float)
    away = _from_now(created, clock) if number else 0.0
    CREATED.require(
        number and abs(away) < _SOON,
        f"created {created!r}, {away:.0f} s from now",
        exchange,
        pointer=response_field("created"),
        shape=_away(away) if number else "not a number",
    )
    date = _date_of(exchange)
    if date is not None:
        away = _from_now(date, clock)
        DATE.require(
            abs(away) < _SOON,
            f"Date is {away:.0f} s from now",
            exchange,
            pointer=response_header("Date"),
            shape=_away(away),
        )


def _from_now(seconds: float, clock: Callable[[], float] | None) -> float:
    """Return how far away a time is from now, by the clock that is nearer."""
    away = seconds - time.time()
    return away if clock is None or abs(away) < _SOON else min(away, seconds - clock(), key=abs)


def _date_of(exchange: Exchange) -> float | None:
    """Return the time that the Date of a response says, None if it says none."""
    try:
        return parsedate_to_datetime(exchange.header("date") or "").timestamp()
    except (ValueError, OverflowError):
        return None


def _away(seconds: float) -> str:
    """Return how far away a time is, in words that are the same in each run."""
    names = {"minutes": _HOUR - 1, "hours": _DAY, "days": _YEAR}
    size = next((name for name, most in names.items() if abs(seconds) < most), "years")
    return f"{size} {'ahead' if seconds > 0 else 'behind'}"
