"""Valid requests that an account can't pay: after a few, no more of them are sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow.catalog.document import is_object
from wanflow_contract.checks.expectation import Expected
from wanflow_contract.plan.prices import documented_of_model

if TYPE_CHECKING:
    from wanflow_contract.checks.expectation import Expectation
    from wanflow_contract.support.exchange import Exchange

_NO_CREDITS = 402
_ENOUGH = 2


@define(eq=False)
class UnpaidRequests:
    """The prices of valid requests that were refused with 402, by key and model.

    An account may pay for a smaller request of the same model, so such a one is still sent.
    """

    _refused: dict[tuple[str, str], list[float]] = field(factory=dict)

    def why_not(self, key: str, expectation: Expectation | None, content: bytes | None) -> str:
        """Return why a request isn't sent, empty if it is: an invalid one always is."""
        body = _body(content)
        if not _may_be_accepted(expectation) or body is None:
            return ""
        cost = documented_of_model(body)
        as_large = [one for one in self._refused.get(_whose(key, body), ()) if one <= cost]
        return (
            f"the account has too few credits: {len(as_large)} valid requests of this model"
            f" were refused with {_NO_CREDITS}"
            if len(as_large) >= _ENOUGH
            else ""
        )

    def record(self, key: str, expectation: Expectation | None, exchange: Exchange) -> None:
        """Record a request that was refused; after one that was accepted, none counts."""
        body = _body(exchange.sent)
        if not _may_be_accepted(expectation) or body is None:
            return
        if exchange.status == _NO_CREDITS:
            self._refused.setdefault(_whose(key, body), []).append(documented_of_model(body))
        elif exchange.status // 100 == 2:
            self._refused.pop(_whose(key, body), None)


def _may_be_accepted(expectation: Expectation | None) -> bool:
    return expectation is not None and expectation.expected is not Expected.REJECT


def _whose(key: str, body: dict[str, Any]) -> tuple[str, str]:
    return key, str(body.get("model"))


def _body(content: bytes | None) -> dict[str, Any] | None:
    try:
        body: object = json.loads(content or b"")
    except (ValueError, RecursionError):
        return None
    return body if is_object(body) else None
