"""Valid requests as bytes, for a raw connection."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wanflow_contract.checks.boundaries import cheapest

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow.catalog.catalog import Model
    from wanflow_contract.support.api_under_test import ApiUnderTest
    from wanflow_contract.support.exchange import Exchange
    from wanflow_contract.support.raw_http import RawConnection

JSON = "Content-Type: application/json"


def first_model(target: ApiUnderTest) -> Model:
    """Return the model that requests are made for."""
    return target.models[min(target.models)]


def bearer(target: ApiUnderTest) -> str:
    """Return the header line with the suite's key."""
    return f"Authorization: Bearer {target.keys[target.account]}"


def new_task(target: ApiUnderTest) -> str:
    """Return the id of a task, a new one if there is none yet that is still running."""
    running = (name for name, one in target.tasks.items() if one.account == target.account)
    return next(running, None) or target.some_task().id


def submission(raw: RawConnection, *lines: str, length: int | None = None) -> tuple[bytes, bytes]:
    """Return the head and the body of a valid submission."""
    model = first_model(raw.target)
    body = json.dumps(cheapest(model)).encode()
    size = len(body) if length is None else length
    counted = (f"Content-Length: {size}",) if size >= 0 else ()
    return raw.head("POST", model.path, bearer(raw.target), JSON, *counted, *lines), body


def query(raw: RawConnection, name: str, *lines: str, version: str = "1.1") -> bytes:
    """Return a valid query of a task."""
    shown = lines or (bearer(raw.target),)
    return raw.head("GET", raw.target.task_path(name), *shown, version=version)


def receive(raw: RawConnection, sent: bytes) -> Exchange:
    """Return the response to a request."""
    found = raw.receive(sent)
    assert found is not None
    return found


def charge(
    target: ApiUnderTest, body: bytes, work: Callable[[], Exchange | None]
) -> Exchange | None:
    """Send a submission within the budget, and record its cost."""
    headers = {"Content-Type": "application/json"}
    expectation = target.expectation("POST", first_model(target).path, headers, body)
    reservation, exchange = target.budget.reserve(expectation, body), None
    try:
        exchange = work()
    finally:
        if exchange is None:
            target.budget.record_unknown(reservation)
        else:
            target.budget.record(exchange, expectation, reservation)
    return exchange
