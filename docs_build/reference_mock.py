"""The reference of the mock's admin API: every operation, with a request and its response."""

from __future__ import annotations

import json
from typing import Any

import httpx
from attrs import frozen

from tests.any_model import model_name
from wanflow import Client
from wanflow.mock import MockTransport, VirtualClock

_LONGEST = 40  # lines of a response


@frozen
class Example:
    """An operation, what it is for, and a request; `path` may have more than the operation has."""

    operation: str
    purpose: str
    path: str = ""
    body: Any = None

    @property
    def method(self) -> str:
        """Its method."""
        return self.operation.split()[0]


EXAMPLES = (
    Example("GET /_mock/health", "Whether it runs, and how many tasks it keeps."),
    Example("GET /_mock/about", "Its options, models and faults."),
    Example("GET /_mock/openapi.json", "The spec that it serves."),
    Example("GET /_mock/clock", "The time of its clock, in Unix seconds."),
    Example("POST /_mock/clock/advance", "Advance the clock.", body={"seconds": 60}),
    Example(
        "POST /_mock/faults",
        "Add a fault. `operation` is an `operationId` of the spec, or `files`; `nth` and `count` "
        "choose requests, `probability` chooses at random.",
        body={"fault": "status=503", "operation": "getTaskDetail", "nth": 2, "count": 1},
    ),
    Example("GET /_mock/faults", "The faults that were added."),
    Example("DELETE /_mock/faults/ID", "Remove one fault.", path="/_mock/faults/1"),
    Example("DELETE /_mock/faults", "Remove all faults."),
    Example("GET /_mock/account", "The limits and the credits of the key's account."),
    Example(
        "PATCH /_mock/account",
        "Change the limits that the body names; null removes one.",
        body={"credits": 100, "rate": "5/60"},
    ),
    Example("GET /_mock/latency", "The delay of every response, or null."),
    Example(
        "PATCH /_mock/latency",
        "Set the delay of every response; null removes it.",
        body={"latency": "lognormal=0.2,1.5"},
    ),
    Example(
        "GET /_mock/tasks",
        "The tasks, the newest first. `next` gives the next page: `?before=NEXT`.",
        path="/_mock/tasks?limit=1",
    ),
    Example("POST /_mock/tasks/ID/poll", "Poll a task, as a client does."),
    Example(
        "GET /_mock/journal",
        "The requests, the newest last, with the reason why one was rejected.",
        path="/_mock/journal?limit=1",
    ),
    Example("DELETE /_mock/journal", "Forget the requests."),
    Example("GET /_mock/callbacks", "The callbacks that were sent, and the attempts of each."),
    Example("GET /_mock/metrics", "Counters, for Prometheus."),
)


def admin_api_page() -> str:
    """Return every operation with a real request and response.

    Raises:
        LookupError: an operation of the mock has no example, or an example no operation.
    """
    transport = MockTransport(polls=3, clock=VirtualClock(), seed=1)
    _check_complete({f"{method} {path}" for method, path in transport.app.admin._handlers})  # noqa: SLF001
    task = _submit(transport)
    with httpx.Client(
        transport=transport, headers={"Authorization": "Bearer mock-key"}, base_url="http://mock"
    ) as http:
        shown = [_shown(http, one, task) for one in EXAMPLES]
    return (
        "# The mock's admin API\n\n"
        "For tests in any language, at the mock's own address, beside the API. With "
        "`Authorization: Bearer KEY`, faults, tasks and journal are those of that key's account. "
        "A request with a body needs `Content-Type: application/json`. "
        "[The guide of the mock](../mock.md) lists all faults. Long responses are cut.\n\n"
        + "\n".join(shown)
    )


def _check_complete(operations: set[str]) -> None:
    named = {one.operation for one in EXAMPLES if "ID" not in one.operation}
    if named != operations:
        raise LookupError(f"docs_build/reference_mock.py: differs in {sorted(named ^ operations)}")


def _submit(transport: MockTransport) -> str:
    request = {"model": model_name("image"), "prompt": "A lake"}
    with Client("mock-key", transport.base_url, transport=transport, ledger=None) as client:
        return client.submit(request).id


def _shown(http: httpx.Client, one: Example, task: str) -> str:
    path = (one.path or one.operation.split()[1]).replace("ID", task)
    response = http.request(one.method, path, json=one.body)
    sent = "" if one.body is None else f" {json.dumps(one.body)}"
    request = f"{one.method} {path}{sent}"
    return (
        f"## {one.operation}\n\n{one.purpose}\n\n```text\n{request}\n```\n\n"
        f"```{'json' if response.text.startswith('{') else 'text'}\n{_cut(response)}\n```\n"
    )


def _cut(response: httpx.Response) -> str:
    text = response.text
    if text.startswith("{"):
        text = json.dumps(response.json(), indent=2, ensure_ascii=False)
    lines = text.splitlines()
    return "\n".join([*lines[:_LONGEST], "…"] if len(lines) > _LONGEST else lines)
