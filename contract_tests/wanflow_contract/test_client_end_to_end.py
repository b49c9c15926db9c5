"""The client against the server: every model end to end, sync and async, and with faults."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

import wanflow
from wanflow import errors
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.support.client_drivers import (
    CLIENT_KINDS,
    ClientDriver,
    call_client,
    timeouts_of,
)
from wanflow_contract.support.end_to_end import EndToEndRuns, submit_and_record

CONTRACT = packaged_contract()
MODELS = sorted(CONTRACT.catalog.models)
STATUS_OPERATION = CONTRACT.status_operation.id
TOLERATED = (
    *("status=500", "status=502", "status=520", "html", "empty", "reset"),
    *("truncated", "garbled", "unknown-status", "missing=status", "null=status"),
    *("reset-after-headers", "reset-in-body", "wrong-length=100", "latency=0.2"),
)
# Half of the body arrives, and the id is in it.
WITH_ID = {"truncated", "reset-in-body"}
UNCERTAIN = ("lost-response", "truncated", "html", "empty", "reset-after-headers", "reset-in-body")


@pytest.fixture(scope="module")
def end_to_end_runs(request, target, tmp_path_factory):
    """The end-to-end runs that are selected in this session."""
    chosen = (getattr(item, "callspec", None) for item in request.session.items)
    named = [
        one.params for one in chosen if one is not None and {"name", "client_kind"} == {*one.params}
    ]
    with EndToEndRuns(target, tmp_path_factory.mktemp("files"), named) as found:
        yield found


def settings_of(target, key: str | None = None) -> dict[str, object]:
    shown = key or target.keys[target.account]
    return {"api_key": shown, "base_url": target.base_url, **timeouts_of(target)}


def new_account_key(target) -> str:
    """Return the key of a new account, on a mock that accepts any key."""
    if not target.accepts_any_key:
        pytest.skip("a separate account needs a mock that accepts any key")
    return f"end-to-end-{uuid4().hex}"


def inject_fault(target, key: str, fault: str, operation: str, count: int = 1) -> None:
    """Make the next calls of an operation fail for one account."""
    rule = {"fault": fault, "operation": operation, "count": count}
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    answer = target.client.send(
        "POST", target.controls.url("faults"), headers, json.dumps(rule).encode()
    )
    assert answer.status == 201, answer.format()


def list_tasks(target, key: str) -> list[dict[str, object]]:
    """Return the tasks of an account from the mock's admin API."""
    headers = {"Authorization": f"Bearer {key}"}
    return target.client.send("GET", target.controls.url("tasks"), headers).json()["tasks"]


@pytest.mark.fast
@pytest.mark.parametrize("client_kind", CLIENT_KINDS)
@pytest.mark.parametrize("name", MODELS)
def test_each_model_produces_files(end_to_end_runs, name, client_kind) -> None:
    """After submit, wait and download, each model leaves the requested number of files."""
    end_to_end_runs(name, client_kind)


@pytest.mark.slow
@pytest.mark.mock_controls
@pytest.mark.parametrize("client_kind", CLIENT_KINDS)
@pytest.mark.parametrize("fault", TOLERATED)
def test_a_wait_tolerates_a_fault(target, client_kind, fault) -> None:
    """A poll that fails once doesn't end the wait."""
    key = new_account_key(target)
    body = cheapest(target.models[MODELS[0]])
    inject_fault(target, key, fault, STATUS_OPERATION)
    result = call_client(
        client_kind, lambda client: client.run(body, timeout=30), **settings_of(target, key)
    )
    assert result.urls
    assert len(list_tasks(target, key)) == 1


@pytest.mark.slow
@pytest.mark.mock_controls
@pytest.mark.parametrize("client_kind", CLIENT_KINDS)
@pytest.mark.parametrize("fault", UNCERTAIN)
def test_a_lost_response_is_not_paid_twice(target, client_kind, fault) -> None:
    """After a broken response, the task is known or uncertain, and nothing is sent again."""
    key = new_account_key(target)
    model = target.models[MODELS[0]]
    inject_fault(target, key, fault, model.operation_id, count=9)
    try:
        task = call_client(
            client_kind, lambda client: client.submit(cheapest(model)), **settings_of(target, key)
        )
    except (wanflow.SubmitUncertain, errors.UnexpectedResponse):
        assert fault not in WITH_ID
        assert len(list_tasks(target, key)) <= 1
    else:
        assert fault in WITH_ID
        assert [one["id"] for one in list_tasks(target, key)] == [task.id]


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("client_kind", CLIENT_KINDS)
def test_an_invalid_request_is_not_sent(target, client_kind) -> None:
    """An invalid request is rejected before it is sent, with the violated constraint."""
    body = {**cheapest(target.models[MODELS[0]]), "prompt": 5}
    before = target.client.sent
    with pytest.raises(wanflow.InvalidRequest) as caught:
        call_client(client_kind, lambda client: client.submit(body), **settings_of(target))
    assert [one.parameter for one in caught.value.violations] == ["prompt"]
    assert target.client.sent == before


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("client_kind", CLIENT_KINDS)
def test_a_rejection_by_the_server_is_raised(target, client_kind) -> None:
    """Without validation, the client raises the server's rejection."""
    body = {**cheapest(target.models[MODELS[0]]), "prompt": 5}
    with (
        ClientDriver(client_kind, **settings_of(target)) as driver,
        # Uncertain if the error has an id, which the client takes for that of a task.
        pytest.raises((errors.BadRequest, wanflow.SubmitUncertain)),
    ):
        submit_and_record(target, driver, body, validate=False)
    with pytest.raises((wanflow.NotFound, errors.BadRequest)):
        call_client(
            client_kind,
            lambda client: client.task("task-unified-1756817821-4x3rx6ny").refresh(),
            **settings_of(target),
        )
