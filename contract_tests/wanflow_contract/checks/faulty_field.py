"""Which field of a request or a response a failure is about, as a pointer of a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow.catalog.violation import pointer_to
from wanflow_contract.checks.boundaries import ABSENT, cheapest
from wanflow_contract.checks.documented_responses import packaged_contract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wanflow.catalog.catalog import Model
    from wanflow_contract.checks.expectation import Expectation
    from wanflow_contract.support.exchange import Exchange

REQUEST, RESPONSE = "request", "response"
USUAL_HEADERS = frozenset(
    {
        *("host", "user-agent", "connection", "accept", "accept-encoding", "authorization"),
        *("content-type", "content-length", "transfer-encoding", "expect"),
    }
)


def request_field(name: str) -> str:
    """Return the pointer of a parameter of a request; of the whole request without one."""
    return f"{REQUEST} {pointer_to([name])}" if name else REQUEST


def response_field(*path: str | int) -> str:
    """Return the pointer of a field of a response; entries of a list have no number."""
    names = ["-" if isinstance(one, int) else one for one in path]
    return f"{RESPONSE} {pointer_to(names)}" if names else RESPONSE


def response_header(name: str) -> str:
    """Return the pointer of a header of a response."""
    return f"{RESPONSE} header {name}"


def violated_field(expectation: Expectation) -> str:
    """Return the pointer of the parameter that a request violates."""
    names = {name for name, _ in expectation.violated} or expectation.parameters
    return request_field(min(names, default=""))


def violated_rule(expectation: Expectation) -> str:
    """Return the keyword that a request violates, empty if it violates the whole form."""
    (name, rule) = min(expectation.violated, default=("", ""))
    return rule if name or rule else ""


def refused_field(exchange: Exchange) -> str:
    """Return the pointer of the parameter that a refusal is about.

    It is the one that the response names, or the only one that differs from the simplest request;
    if a request has an unusual header, it is that.
    """
    headers = unusual_headers(exchange)
    if headers:
        return f"{REQUEST} header {headers[0]}"
    body = exchange.request_body()
    model = model_of(body)
    if model is None:
        return REQUEST
    named = error_of(exchange).get("param")
    known = {"model", *model.parameters}
    if isinstance(named, str) and named in known:
        return request_field(named)
    changed = changed_fields(model, body)
    return request_field(changed[0]) if len(changed) == 1 else REQUEST


def unusual_headers(exchange: Exchange) -> Sequence[str]:
    """Return the names of the headers of a request that an ordinary one doesn't have."""
    return sorted({name.lower() for name, _ in exchange.request_headers} - USUAL_HEADERS)


def changed_fields(model: Model, body: dict[str, Any]) -> Sequence[str]:
    """Return the fields of a body that differ from the simplest request of its model."""
    base = cheapest(model)
    names = sorted({*base, *body})
    return [one for one in names if base.get(one, ABSENT) != body.get(one, ABSENT)]


def model_of(body: Any) -> Model | None:
    """Return the model that a request names, None if it names none."""
    name = body.get("model") if isinstance(body, dict) else None
    return packaged_contract().catalog.models.get(name) if isinstance(name, str) else None


def requested_model(exchange: Exchange) -> str:
    """Return the name of the model that a request is for, or the word for the lack of one."""
    model = model_of(exchange.request_body())
    return model.name if model else "no model"


def error_of(exchange: Exchange) -> dict[str, Any]:
    """Return the `error` object of a response, empty without one."""
    body = exchange.decoded()
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}
