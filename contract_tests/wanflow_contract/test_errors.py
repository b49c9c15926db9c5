"""Every documented error: the server returns it as documented, and clients raise its exception."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

import wanflow
from wanflow import errors
from wanflow_contract.checks.definitions.mock_controls import FORCED_STATUS, SUGGESTED, SUGGESTION
from wanflow_contract.checks.definitions.requests import PARAM
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.faulty_field import error_of
from wanflow_contract.checks.invalid_requests import invalid_requests_of
from wanflow_contract.checks.response_checks import check_response
from wanflow_contract.support.client_drivers import (
    CLIENT_KINDS,
    call_client,
    fault_header_transport,
)
from wanflow_contract.support.exchange import shows_key

CONTRACT = packaged_contract()
ERRORS = [one for one in CONTRACT.statuses() if one[1] >= 400]
EXAMPLES = [
    (name, status, example)
    for name, status in ERRORS
    for example in CONTRACT.operations[name].responses[status].examples
]
TASK_ID = "task-unified-1756817821-4x3rx6ny"
PATHS = sorted({model.path for model in CONTRACT.catalog.models.values()})
NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*[0-9-][A-Za-z0-9._-]*")
TYPES = {
    400: errors.BadRequest,
    401: wanflow.AuthenticationFailed,
    402: wanflow.InsufficientCredits,
    403: errors.PermissionDenied,
    404: wanflow.NotFound,
    413: errors.RequestTooLarge,
    429: wanflow.RateLimited,
}
_SEVERAL = 3
assert ERRORS, "the document lists no errors"
assert len(EXAMPLES) >= len(ERRORS), "an error of the document has no example"


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("unknown", ["no-such-model", "wan0.1-no-such-model"])
@pytest.mark.parametrize("path", PATHS)
def test_a_suggested_model_exists(target, path, unknown) -> None:
    """A suggestion in the form of a model's name is a model of the documents or the server."""
    headers = {**target.authorization(), "Content-Type": "application/json"}
    body = json.dumps({"model": unknown, "prompt": "a cat"}).encode()
    exchange = target.exchange("POST", path, headers, body)
    name = error_of(exchange).get("fallback_suggestion")
    SUGGESTED.evaluated(exchange)
    if not isinstance(name, str) or not NAME.fullmatch(name) or name in target.models:
        return
    # Requested by its name alone, an existing model is rejected for its missing parameters.
    asked = json.dumps({"model": name}).encode()
    seen = [target.exchange("POST", one, headers, asked) for one in PATHS]
    there = any(one.status == 400 for one in seen) or exchange.status == 400
    SUGGESTED.require(there, f"{name!r} doesn't exist", exchange, *seen)


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("model", CONTRACT.catalog.models.values(), ids=lambda model: model.name)
def test_errors_name_other_parameters_than_the_model(target, model) -> None:
    """A server that names invalid parameters doesn't always name the model."""
    seen = [
        target.post(model, body)
        for body, expectation in invalid_requests_of(model)
        if len(expectation.parameters) == 1 and "model" not in expectation.parameters
    ]
    errors = [error_of(exchange) for exchange in seen if exchange.status == 400]
    named = [error["param"] for error in errors if isinstance(error.get("param"), str)]
    blamed = {name for name in named if name}
    PARAM.require(len(named) < _SEVERAL or blamed != {"model"}, "always the model", *seen[:3])


def type_of(status: int) -> type[wanflow.APIError]:
    return wanflow.ServerError if status >= 500 else TYPES.get(status, wanflow.APIError)


def example_request(operation_id: str) -> dict[str, Any]:
    """A valid request of an operation's first model."""
    found = (one for one in CONTRACT.catalog.models.values() if one.operation_id == operation_id)
    return dict(next(found).example)


def raised_error(operation_id: str, client_kind: str, **settings) -> wanflow.APIError:
    """Use an operation through the client and return the API error that it raises.

    After a submission, an error that doesn't prove that nothing was accepted is the cause of
    `SubmitUncertain`.
    """

    def work(client):
        if operation_id == CONTRACT.status_operation.id:
            return client.task(TASK_ID).refresh()
        return client.submit(example_request(operation_id))

    with pytest.raises((wanflow.APIError, wanflow.SubmitUncertain)) as caught:
        call_client(client_kind, work, retry_timeout=0, **settings)
    error = caught.value
    if isinstance(error, wanflow.APIError):
        return error
    assert isinstance(error, wanflow.SubmitUncertain)
    cause = error.__cause__
    assert isinstance(cause, wanflow.ServerError), "a rejection was taken as uncertain"
    assert (error.status, error.code, error.body) == (cause.status, cause.code, cause.body)
    return cause


def send_valid_request(target, operation_id: str, **headers: str):
    """Send a valid request of an operation with extra headers."""
    if operation_id == CONTRACT.status_operation.id:
        return target.get_task(TASK_ID, **headers)
    body = example_request(operation_id)
    return target.post(target.models[body["model"]], body, headers=headers)


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.mock_controls
@pytest.mark.parametrize(("operation_id", "status"), ERRORS)
def test_each_documented_error_is_as_documented(target, operation_id, status) -> None:
    """Each documented error has the documented schema, code and type."""
    exchange = send_valid_request(target, operation_id, Prefer=f"code={status}")
    FORCED_STATUS.require(exchange.status == status, f"{exchange.status}, not {status}", exchange)
    documented = CONTRACT.operations[operation_id].responses[status]
    check_response(CONTRACT.operations[operation_id], exchange)
    forms = {_form(one.get("fallback_suggestion")) for one in documented.errors}
    found = error_of(exchange).get("fallback_suggestion")
    if len(forms) == 1:
        detail = f"{found!r}, and the examples have {sorted(forms)}"
        SUGGESTION.require(_form(found) in forms, detail, exchange)


def _form(suggestion: object) -> str:
    """Return what a suggestion consists of: a link, a number of seconds, or other words."""
    match suggestion:
        case str() if re.match(r"https?://", suggestion):
            return "a link"
        case str() if re.search(r"\b[0-9]+ seconds?\b", suggestion):
            return "seconds"
        case _:
            return "words or nothing"


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.mock_controls
@pytest.mark.parametrize("client_kind", CLIENT_KINDS)
@pytest.mark.parametrize(("operation_id", "status"), ERRORS)
def test_each_documented_error_of_a_server_has_its_exception(
    target, operation_id, status, client_kind
) -> None:
    """The client raises each documented error of a server as its exception."""
    transport = fault_header_transport(client_kind, {"Prefer": f"code={status}"})
    key = target.keys[target.account]
    error = raised_error(
        operation_id, client_kind, api_key=key, base_url=target.base_url, transport=transport
    )
    assert type(error) is type_of(status)
    assert error.status == status
    assert not shows_key(f"{error!r} {error} {error.body!r}", [key])


@pytest.mark.fast
@pytest.mark.parametrize("client_kind", CLIENT_KINDS)
@pytest.mark.parametrize(("operation_id", "status", "example"), EXAMPLES)
def test_each_example_of_an_error_has_its_exception(
    operation_id, status, example, client_kind
) -> None:
    """The client raises each documented example of an error, with an integer or string code."""

    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=example)

    error = raised_error(
        operation_id,
        client_kind,
        api_key="key-of-a-test",
        base_url="http://api.example/apiv1",
        transport=httpx.MockTransport(answer),
    )
    shown = example["error"]
    assert type(error) is type_of(status)
    assert (error.status, error.code, error.type) == (status, shown["code"], shown["type"])
    assert error.param == shown.get("param")
    assert error.fallback_suggestion == shown.get("fallback_suggestion")
    assert shown["message"] in str(error)
    assert json.loads(json.dumps(error.body)) == example
