"""The life cycle of a task, observed by an HTTP client."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.plain_http import PLAIN
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer
from wanflow.mock.clock import VirtualClock
from wanflow.mock.gateway.directives import Directives
from wanflow.mock.gateway.failures import FAILURE_MESSAGES

if TYPE_CHECKING:
    from wanflow.catalog.catalog import Catalog

MODELS = sorted(packaged_catalog().models)
assert MODELS


def submit(http: httpx.Client, catalog: Catalog, name: str, **more: Any) -> httpx.Response:
    model = catalog.models[name]
    return http.post(model.path, json={**model.example, **more})


@pytest.mark.parametrize("name", MODELS)
def test_pending_then_processing_then_completed(http, validate, catalog, name) -> None:
    """A task goes from pending through processing to completed, and every response is valid."""
    model = catalog.models[name]
    receipt = validate(model.operation_id, submit(http, catalog, name))
    details = [validate("getTaskDetail", http.get(f"/v1/tasks/{receipt['id']}")) for _ in range(4)]
    seen = [receipt, *details]
    assert [one["status"] for one in seen] == ["pending", "processing"] + ["completed"] * 3
    assert [one["progress"] for one in seen] == [0, 50, 100, 100, 100]
    assert len({(one["id"], one["created"], one["model"], one["object"]) for one in seen}) == 1
    assert ["results" in one for one in seen] == [False, False, True, True, True]
    assert details[-1]["results"] == details[1]["results"]


@pytest.mark.parametrize("name", MODELS)
def test_a_receipt_describes_the_task(http, validate, catalog, name) -> None:
    """The response to a submission has the task, its kind, price and estimated time.

    By polls it takes no time: a client that waits as estimated polls immediately.
    """
    model = catalog.models[name]
    receipt = validate(model.operation_id, submit(http, catalog, name))
    assert re.fullmatch(rf"task-unified-{receipt['created']}-[a-z0-9]{{8}}", receipt["id"])
    assert receipt["model"] == name
    assert receipt["object"] == f"{model.kind}.generation.task"
    assert receipt["type"] == model.kind
    assert receipt["usage"]["credits_reserved"] > 0
    assert receipt["task_info"]["estimated_time"] == 0


@pytest.mark.parametrize("code", FAILURE_MESSAGES)
def test_a_task_can_fail_with_each_business_code(http, validate, catalog, code) -> None:
    """A prompt directive makes a task fail, and a failed task doesn't change."""
    name = MODELS[0]
    prompt = f"a cat [mock:fail={code}]"
    receipt = submit(http, catalog, name, prompt=prompt).json()
    seen = [validate("getTaskDetail", http.get(f"/v1/tasks/{receipt['id']}")) for _ in range(3)]
    assert [one["status"] for one in seen] == ["processing", "failed", "failed"]
    assert seen[1]["error"]["code"] == code
    assert seen[1]["error"]["type"] == "task_error"
    assert seen[1]["error"]["message"]
    assert "results" not in seen[1]
    assert "error" not in seen[0]
    assert seen[2] == seen[1]


def test_the_number_of_results_is_as_requested(http, catalog) -> None:
    """A request for n images has n different result URLs."""
    named = [name for name in MODELS if "n" in catalog.models[name].parameters]
    assert named
    for name in named:
        for count in (1, 3, 4):
            task = submit(http, catalog, name, n=count).json()["id"]
            http.get(f"/v1/tasks/{task}")
            results = http.get(f"/v1/tasks/{task}").json()["results"]
            assert len(set(results)) == len(results) == count


def test_a_task_belongs_to_its_key(http, mock, validate, catalog) -> None:
    """Another key doesn't find a task, and its poll doesn't change it."""
    task = submit(http, catalog, MODELS[0]).json()["id"]
    other_account = {"Authorization": "Bearer another-key"}
    for _ in range(3):
        response = http.get(f"/v1/tasks/{task}", headers=other_account)
        assert validate("getTaskDetail", response)["error"]["param"] == "task_id"
        assert response.status_code == 404
    assert http.get(f"/v1/tasks/{task}").json()["status"] == "processing"


def test_a_clock_moves_tasks_by_time(catalog, validate) -> None:
    """By time, polls change nothing, and the estimate is exact."""
    clock = VirtualClock()
    with MockServer(seconds=100, clock=clock) as server, client_for(server) as http:
        receipt = submit(http, catalog, MODELS[0]).json()
        seen = []
        for _ in range(6):
            validated = validate("getTaskDetail", http.get(f"/v1/tasks/{receipt['id']}"))
            seen.append((validated["status"], validated["progress"]))
            clock.advance(20)
    assert receipt["task_info"]["estimated_time"] == 100
    assert seen == [
        ("pending", 0),
        *[("processing", progress) for progress in (0, 25, 50, 75)],
        ("completed", 100),
    ]


def test_a_task_can_end_immediately(catalog, validate) -> None:
    """With `polls=0` the receipt says completed."""
    model = catalog.models[MODELS[0]]
    with MockServer(polls=0) as server, client_for(server) as http:
        receipt = validate(model.operation_id, submit(http, catalog, model.name))
        assert receipt["status"] == "completed"
        assert http.get(f"/v1/tasks/{receipt['id']}").json()["results"]


def test_the_same_seed_gives_the_same_responses(catalog) -> None:
    """Two servers with one seed give equal responses to equal requests; another seed doesn't."""
    runs = []
    for seed in (7, 7, 8):
        server = MockServer(seed=seed, clock=VirtualClock())
        with server, client_for(server) as http:
            receipts = [submit(http, catalog, name).json() for name in MODELS]
            for receipt in receipts:
                http.get(f"/v1/tasks/{receipt['id']}")
            details = [http.get(f"/v1/tasks/{one['id']}").json() for one in receipts]
            results = [
                link.replace(server.url, "") for one in details for link in one.pop("results")
            ]
        runs.append((receipts, details, results))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def client_for(server: MockServer) -> httpx.Client:
    headers = {"Authorization": f"Bearer {server.api_key}"}
    return httpx.Client(base_url=server.base_url, headers=headers, **PLAIN)


@pytest.mark.parametrize("failure", [None, "service_error"])
@pytest.mark.parametrize("name", MODELS)
def test_encoded_responses_equal_built_ones(catalog, name, failure) -> None:
    """A response filled into a template equals the one built for the task."""
    server = MockServer(clock=VirtualClock(), progression="polls=2", seed=3)
    gateway, account = server.gateway, server.accounts.for_key("k")
    endpoint = next(one for one in gateway.api.submit_endpoints if name in one.models)
    directives = Directives(failure=failure)
    for _ in range(2):
        gateway.clock.advance(1)
        task = gateway.submit(
            account, endpoint.models[name], catalog.models[name].example, directives
        )
        encoded = gateway.encoded_submit_response(endpoint, task)
        assert json.loads(encoded) == gateway.submit_response(endpoint, task)
        for _ in range(3):
            gateway.poll(task)
            assert json.loads(gateway.encoded_status_response(task)) == gateway.status_response(
                task
            )
