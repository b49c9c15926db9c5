"""Check at the start that every kind of response is valid by the spec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow.mock.errors import HTTPError, UnsupportedSpec
from wanflow.mock.gateway.accounts import Account
from wanflow.mock.gateway.failures import message_of
from wanflow.mock.gateway.lifecycle import AfterPolls, Immediate
from wanflow.mock.gateway.outputs import defaults_of
from wanflow.mock.gateway.tasks import EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.catalog.catalog import Model
    from wanflow.catalog.document import JsonObject
    from wanflow.mock.gateway.endpoints import Endpoint
    from wanflow.mock.gateway.gateway import Gateway
    from wanflow.mock.gateway.tasks import Task


def check_responses(gateway: Gateway) -> None:
    """Check every kind of response of a gateway.

    Raises:
        UnsupportedSpec: a response would violate the spec's schema; the message says which.
    """
    for endpoint, status, body in _templates(gateway):
        schema = endpoint.schemas.get(status)
        if schema is None:
            continue
        for error in schema.iter_errors(body):
            location = "/".join(str(part) for part in error.instance_path) or "the body"
            raise UnsupportedSpec(
                f"the mock's {status} of {endpoint.operation.operation_id} would be invalid: "
                f"{location}: {error.message}"
            )


def _templates(gateway: Gateway) -> Iterator[tuple[Endpoint, int, JsonObject]]:
    api = gateway.api
    for submission in api.submit_endpoints:
        for model in submission.models.values():
            for task in _tasks(gateway, model):
                yield submission, submission.success, gateway.submit_response(submission, task)
                yield (
                    api.status_endpoint,
                    api.status_endpoint.success,
                    gateway.status_response(task),
                )
    for endpoint in (*api.submit_endpoints, api.status_endpoint):
        yield from _errors(endpoint)


def _tasks(gateway: Gateway, model: Model) -> Iterator[Task]:
    if model.kind not in EXTENSIONS:
        raise UnsupportedSpec(
            f"{model.name} makes {model.kind}; the mock makes {', '.join(EXTENSIONS)}"
        )
    for failure in (None, "service_error"):
        for progression, polls in (
            (AfterPolls(2), 0),
            (AfterPolls(2), 1),
            (AfterPolls(2), 2),
            (Immediate(), 0),
        ):
            output = defaults_of(model).output_spec({})
            task = gateway.make_task(
                Account("proof"), model.name, output, failure=failure, progression=progression
            )
            task.polls = polls
            yield task


def _errors(endpoint: Endpoint) -> Iterator[tuple[Endpoint, int, JsonObject]]:
    for status, examples in endpoint.errors.examples.items():
        for model in (None, *examples):
            yield endpoint, status, endpoint.errors.body(HTTPError(status, model=model))
        reworded = HTTPError(status, message_of("service_error"), param="model")
        yield endpoint, status, endpoint.errors.body(reworded)
