"""Schemathesis' cases, sent through the suite's own wire and held to the suite's own laws."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import requests
import schemathesis
from schemathesis.core.transport import Response

from wanflow.catalog.document import load_packaged
from wanflow_contract.checks.expectation import Word
from wanflow_contract.support.budget import PurseEmpty

if TYPE_CHECKING:
    from wanflow_contract.support.api_under_test import Target
    from wanflow_contract.support.exchange import Exchange


def make_schema() -> Any:
    """Return the document as Schemathesis has it; keys are tested elsewhere."""
    schema = schemathesis.openapi.from_dict(load_packaged())
    schema.config.generation.update(with_security_parameters=False)
    return schema


def send(target: Target, case: Any) -> Exchange:
    """Send a case with the suite's key; what could be taken only where there is enough to spend.

    Raises:
        LawBroken: the answer breaks a law.
        PurseEmpty: the case might be taken, and would cost.
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
    verdict = target.verdict(method, path, headers, content)
    if not target.purse.roomy and verdict is not None and verdict.word is not Word.REFUSED:
        target.purse.refused += 1
        raise PurseEmpty("chance doesn't spend from a small purse")
    return target.exchange(method, path, headers, content)


def as_response(exchange: Exchange) -> Response:
    """Return an exchange in the form in which Schemathesis looks for links."""
    plain = [one for one in exchange.headers if one[0].lower() != "content-encoding"]
    request = httpx.Request(
        exchange.method, exchange.url, headers=list(exchange.request_headers), content=exchange.sent
    )
    response = httpx.Response(
        exchange.status, headers=plain, content=exchange.content, request=request
    )
    response.elapsed = timedelta(seconds=exchange.seconds)
    return Response.from_any(response)


def is_query(target: Target, exchange: Exchange) -> bool:
    """Tell whether an exchange is a look at a task that this run made."""
    last = urlsplit(exchange.url).path.rpartition("/")[2]
    return exchange.method == "GET" and last in target.lives


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
