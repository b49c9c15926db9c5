"""Every documented error: reached as itself, and known to both clients by its type."""

from __future__ import annotations

import json
import re

import httpx
import pytest

import wanflow
from wanflow import errors
from wanflow_contract.checks.check import Law
from wanflow_contract.checks.documented_responses import packaged_promises
from wanflow_contract.checks.invalid_requests import wrong_of
from wanflow_contract.checks.response_checks import judge_answer
from wanflow_contract.support.api_under_test import PARAM
from wanflow_contract.support.client_drivers import COLOURS, play, steering

PROMISES = packaged_promises()
ERRORS = [one for one in PROMISES.statuses() if one[1] >= 400]
EXAMPLES = [
    (name, status, example)
    for name, status in ERRORS
    for example in PROMISES.operations[name].answers[status].examples
]
ON_WISH = Law("on-wish", "A mock answers with the documented status that it is asked for.")
TASK_ID = "task-unified-1756817821-4x3rx6ny"
PATHS = sorted({model.path for model in PROMISES.catalog.models.values()})
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


SUGGESTED = Law(
    "suggested",
    "A model that is suggested in place of an unknown one is there.",
    "a model that exists in `fallback_suggestion`",
)


@pytest.mark.fast
@pytest.mark.parametrize("unknown", ["no-such-model", "wan0.1-no-such-model"])
@pytest.mark.parametrize("path", PATHS)
def test_a_suggested_model_is_there(target, path, unknown) -> None:
    """A suggestion that reads as a model's name names one of the documents, or of the server."""
    headers = {**target.authorization(), "Content-Type": "application/json"}
    body = json.dumps({"model": unknown, "prompt": "a cat"}).encode()
    exchange = target.exchange("POST", path, headers, body)
    error = exchange.json().get("error") or {}
    name = error.get("fallback_suggestion")
    if not isinstance(name, str) or not NAME.fullmatch(name) or name in target.models:
        return
    # Asked for by its name alone, a model that is there misses its parameters.
    asked = json.dumps({"model": name}).encode()
    seen = [target.exchange("POST", one, headers, asked) for one in PATHS]
    there = any(one.status == 400 for one in seen) or exchange.status == 400
    SUGGESTED.holds(there, f"{name!r} isn't there", exchange, *seen)


@pytest.mark.fast
@pytest.mark.parametrize("model", PROMISES.catalog.models.values(), ids=lambda model: model.name)
def test_the_model_is_not_always_at_fault(target, model) -> None:
    """A server that names what is wrong names more than the model, where the model is right."""
    seen = [
        target.post(model, body)
        for body, verdict in wrong_of(model)
        if len(verdict.parameters) == 1 and "model" not in verdict.parameters
    ]
    errors = [exchange.json().get("error") or {} for exchange in seen if exchange.status == 400]
    named = [error["param"] for error in errors if isinstance(error.get("param"), str)]
    blamed = {name for name in named if name}
    PARAM.holds(len(named) < _SEVERAL or blamed != {"model"}, "always the model", *seen[:3])


def type_of(status: int) -> type[wanflow.APIError]:
    return wanflow.ServerError if status >= 500 else TYPES.get(status, wanflow.APIError)


def sample(operation_id: str) -> dict:
    """A valid request of an operation's first model."""
    found = (one for one in PROMISES.catalog.models.values() if one.operation_id == operation_id)
    return dict(next(found).example)


def provoked(operation_id: str, colour: str, **settings) -> wanflow.APIError:
    """Use an operation through the client and return the API's error that it raises.

    After a submission, an error that doesn't prove that nothing was accepted is the cause of
    another, which says so.
    """

    def work(client):
        if operation_id == PROMISES.query.id:
            return client.task(TASK_ID).refresh()
        return client.submit(sample(operation_id))

    with pytest.raises((wanflow.APIError, wanflow.SubmitUncertain)) as caught:
        play(colour, work, retry_timeout=0, **settings)
    error = caught.value
    if not isinstance(error, wanflow.SubmitUncertain):
        return error
    cause = error.__cause__
    assert isinstance(cause, wanflow.ServerError), "a rejection was taken as uncertain"
    assert (error.status, error.code, error.body) == (cause.status, cause.code, cause.body)
    return cause


def ask(target, operation_id: str, **headers: str):
    """Use an operation rightly, with headers beside."""
    if operation_id == PROMISES.query.id:
        return target.ask(TASK_ID, **headers)
    body = sample(operation_id)
    return target.post(target.models[body["model"]], body, headers=headers)


@pytest.mark.fast
@pytest.mark.controls
@pytest.mark.parametrize(("operation_id", "status"), ERRORS)
def test_each_documented_error_is_as_documented(target, operation_id, status) -> None:
    """Each documented error has the schema, the code and the type that the document shows."""
    exchange = ask(target, operation_id, Prefer=f"code={status}")
    ON_WISH.holds(exchange.status == status, f"{exchange.status}, not {status}", exchange)
    judge_answer(PROMISES.operations[operation_id], exchange)


@pytest.mark.fast
@pytest.mark.controls
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize(("operation_id", "status"), ERRORS)
def test_each_documented_error_of_a_server_is_a_type(target, operation_id, status, colour) -> None:
    """The client raises each documented error of a server as the type that says who must act."""
    transport = steering(colour, {"Prefer": f"code={status}"})
    key = target.keys[target.account]
    error = provoked(
        operation_id, colour, api_key=key, base_url=target.base_url, transport=transport
    )
    assert type(error) is type_of(status)
    assert error.status == status
    assert key not in f"{error!r} {error} {error.body!r}"


@pytest.mark.fast
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize(("operation_id", "status", "example"), EXAMPLES)
def test_each_example_of_an_error_is_a_type(operation_id, status, example, colour) -> None:
    """The client reads each error that the document shows, an integer code or a word."""

    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=example)

    error = provoked(
        operation_id,
        colour,
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
