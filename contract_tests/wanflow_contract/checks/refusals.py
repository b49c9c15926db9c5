"""Checks of whether a request is accepted, and of what a refusal of an invalid one says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wanflow_contract.checks.definitions.access import SCHEME
from wanflow_contract.checks.definitions.headers import IGNORED
from wanflow_contract.checks.definitions.idempotency import ONCE
from wanflow_contract.checks.definitions.requests import ACCEPTS, NEARLY_JSON, PARAM, REJECTS
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import NO_JSON, packaged_oracle
from wanflow_contract.checks.faulty_field import (
    USUAL_HEADERS,
    error_of,
    refused_field,
    request_field,
    requested_model,
    violated_field,
    violated_rule,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wanflow_contract.checks.check import Check
    from wanflow_contract.checks.expectation import Expectation
    from wanflow_contract.support.exchange import Exchange

IDEMPOTENCY_KEY = "idempotency-key"
_LARGE = 65536
_OF_THE_MESSAGE = frozenset({413, 415})


def check_for(exchange: Exchange, usual: Check) -> Check:
    """Return the check that fails if a valid request is refused.

    The documents don't say that a request with other headers, or another spelling of the scheme,
    is accepted; its refusal is a note.
    """
    if (exchange.sent_header("authorization") or "").partition(" ")[0] != "Bearer":
        return SCHEME
    names = {name.lower() for name, _ in exchange.request_headers}
    if IDEMPOTENCY_KEY in names:
        return ONCE
    return IGNORED if names - USUAL_HEADERS else usual


def require_accepted(exchange: Exchange) -> None:
    """Check that a valid submission is accepted.

    Raises:
        CheckFailed: it is refused.
    """
    check_for(exchange, ACCEPTS).require(
        exchange.status == 200,
        f"answered with {exchange.status}",
        exchange,
        pointer=refused_field(exchange),
        shape=f"{requested_model(exchange)}: {exchange.status}",
    )


def check_rejection(operation_id: str, expectation: Expectation, exchange: Exchange) -> None:
    """Check that an invalid submission is rejected, and for the right parameter.

    Raises:
        CheckFailed: it isn't, or the error names a parameter that is valid.
    """
    check = NEARLY_JSON if expectation.reason == NO_JSON else REJECTS
    check.require(
        exchange.status in _right_statuses(expectation, exchange),
        f"{exchange.status}, but {expectation.reason}",
        exchange,
        cites=expectation.citation,
        pointer=violated_field(expectation),
        shape=_shape(expectation, exchange),
    )
    named, body = error_of(exchange).get("param"), exchange.request_body()
    of_the_body = exchange.status not in _OF_THE_MESSAGE
    if isinstance(named, str) and of_the_body and isinstance(body, dict):
        causes = packaged_oracle().causes(operation_id, body)
        fault = min(expectation.parameters, default="")
        PARAM.require(
            names_cause(named, causes),
            f"param is {named!r}, the request gives cause for {sorted(causes)}",
            exchange,
            pointer=request_field(fault),
            shape=f"{requested_model(exchange)}: param is {_described(named)}",
        )


def names_cause(param: str, causes: Iterable[str]) -> bool:
    """Return whether an error names a cause, alone or in a path such as `prompt[0].text`."""
    return any(re.search(rf"(?<!\w){re.escape(one)}(?!\w)", param) for one in causes)


def _described(param: str) -> str:
    if not param.strip():
        return "empty"
    fields = {
        name for one in packaged_contract().catalog.models.values() for name in one.parameters
    }
    return "another field" if param in {"model", *fields} else "no field"


def _right_statuses(expectation: Expectation, exchange: Exchange) -> set[int]:
    right = {400}
    right |= {404} if expectation.unknown_model else set()
    right |= {413} if expectation.too_long or len(exchange.sent) > _LARGE else set()
    kind = exchange.sent_header("content-type") or ""
    right |= {415} if kind.lower() != "application/json" else set()
    return right


def _shape(expectation: Expectation, exchange: Exchange) -> str:
    rule = violated_rule(expectation)
    broken = f"in violation of {rule}" if rule else "with an invalid body"
    return f"{requested_model(exchange)}: {exchange.status} {broken}"


def repeated_fields(receipt: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a receipt that a replay must repeat."""
    return {name: receipt.get(name) for name in ("created", "model")}
