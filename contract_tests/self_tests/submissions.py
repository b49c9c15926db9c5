"""Submissions that a budget counts, without a server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import Expectation, Expected
from wanflow_contract.support.exchange import Exchange

if TYPE_CHECKING:
    from wanflow_contract.plan.budget import SpendBudget

ACCEPTED = Expectation(Expected.ACCEPT)


def submission(**more: object) -> bytes:
    """Return a request of any model, with more fields."""
    model = next(iter(packaged_contract().catalog.models.values()))
    return json.dumps({**cheapest(model), **more}).encode()


def accepted_exchange(asked: bytes, receipt: dict[str, Any]) -> Exchange:
    """Return a submission and its receipt."""
    return Exchange("POST", "", "", (), asked, 200, (), json.dumps(receipt).encode())


def submit(budget: SpendBudget, body: bytes, usage: object) -> None:
    """Submit a request, and let the server report a price."""
    reservation = budget.reserve(ACCEPTED, body)
    receipt = {"id": uuid4().hex, "usage": usage}
    budget.record(accepted_exchange(body, receipt), ACCEPTED, reservation)


def submit_task(budget: SpendBudget, task: str, usage: dict[str, Any]) -> None:
    """Submit a request whose task has this id."""
    budget.record_cost({"id": task, "usage": usage}, budget.reserve(ACCEPTED, submission()))
