"""Send Schemathesis cases through the suite's own client, and check the responses."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import requests
import schemathesis
from hypothesis import core
from schemathesis.core.transport import Response

from wanflow.catalog.document import load_packaged
from wanflow_contract.checks.expectation import Expected
from wanflow_contract.plan.budget import BudgetExceeded

if TYPE_CHECKING:
    from wanflow_contract.support.api_under_test import ApiUnderTest
    from wanflow_contract.support.exchange import Exchange


def make_schema() -> Any:
    """Return the spec as a Schemathesis schema; API keys are tested elsewhere."""
    schema = schemathesis.openapi.from_dict(load_packaged())
    schema.config.generation.update(with_security_parameters=False)
    # Schemathesis draws a seed of its own, which Hypothesis would use instead of the given one.
    seed: int | None = core.global_force_seed
    if seed is not None:
        schema.config.seed = seed
    return schema


def send(target: ApiUnderTest, case: Any) -> Exchange:
    """Send a case with the suite's key; one that may be accepted only if the budget is ample.

    Raises:
        CheckFailed: a check of the response fails.
        BudgetExceeded: the case might be accepted and charged.
    """
    wanted = case.as_transport_kwargs(base_url=target.base_url, headers=target.authorization())
    names = ("method", "url", "headers", "params", "data", "json", "files", "cookies")
    request = requests.Request(**{name: wanted[name] for name in names if name in wanted})
    ready = request.prepare()
    path = (ready.url or "").removeprefix(target.base_url)
    content: Any = ready.body.encode() if isinstance(ready.body, str) else ready.body
    headers = {name: _text(value) for name, value in ready.headers.items()}
    headers.pop("Content-Length", None)
    method = ready.method or case.method
    expectation = target.expectation(method, path, headers, content)
    if (
        not target.budget.ample
        and expectation is not None
        and expectation.expected is not Expected.REJECT
    ):
        target.budget.not_sent += 1
        raise BudgetExceeded("generated requests are not submitted with a small spend limit")
    return target.exchange(method, path, headers, content)


def as_response(exchange: Exchange) -> Response:
    """Return an exchange as the response in which Schemathesis finds links."""
    plain = [one for one in exchange.headers if one[0].lower() != "content-encoding"]
    request = httpx.Request(
        exchange.method, exchange.url, headers=list(exchange.request_headers), content=exchange.sent
    )
    response = httpx.Response(
        exchange.status, headers=plain, content=exchange.content, request=request
    )
    response.elapsed = timedelta(seconds=exchange.seconds)
    return Response.from_any(response)


def is_query(target: ApiUnderTest, exchange: Exchange) -> bool:
    """Return whether an exchange is a poll of a task of this run."""
    last = exchange.url.partition("?")[0].rpartition("/")[2]
    return exchange.method == "GET" and last in target.tasks


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
