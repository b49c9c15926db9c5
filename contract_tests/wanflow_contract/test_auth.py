"""API keys: requests without a valid key are rejected, and accounts see only their own tasks."""

from __future__ import annotations

import base64
import json

import pytest

from wanflow.mock import MockServer
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.definitions.access import KEY_REQUIRED, PRIVATE
from wanflow_contract.checks.definitions.responses import NO_SERVER_ERROR
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.invalid_requests import one_of_each_rule
from wanflow_contract.plan.order import Stage
from wanflow_contract.support.raw_requests import new_task
from wanflow_contract.support.target_options import TargetOptions
from wanflow_contract.test_task_ids import other_ids

CONTRACT = packaged_contract()
OPERATIONS = sorted(CONTRACT.operations)


def requests_without_key(key: str) -> dict[str, dict[str, str]]:
    """Return headers that don't show the key as documented."""
    basic = base64.b64encode(f"{key}:".encode()).decode()
    swapped = key[:-1] + ("a" if key[-1] != "a" else "b")
    return {
        "no header": {},
        "an empty header": {"Authorization": ""},
        "no token": {"Authorization": "Bearer"},
        "the key without its scheme": {"Authorization": key},
        "another scheme": {"Authorization": f"Basic {basic}"},
        "another scheme with the key": {"Authorization": f"Token {key}"},
        "a header of another name": {"X-API-Key": key},
        "a cookie": {"Cookie": f"api_key={key}; token={key}; Authorization={key}"},
        "the address of this machine": {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"},
        "the header for proxies": {"Proxy-Authorization": f"Bearer {key}"},
        "a key in quotes": {"Authorization": f'Bearer "{key}"'},
        "a scheme that begins as the right one": {"Authorization": f"BearerToken {key}"},
        "two tokens": {"Authorization": f"Bearer {key} {key}"},
        "two keys in a list": {"Authorization": f"Bearer {key},{swapped}"},
        "two challenges in a list": {"Authorization": f"Bearer {key}, Basic {basic}"},
        "a key with a parameter": {"Authorization": f'Bearer {key}; realm="api"'},
        "a key with a password": {"Authorization": f"Bearer {key}:{key}"},
        "a key by its name": {"Authorization": f'Bearer token="{key}"'},
        "a token with foreign characters": {"Authorization": "Bearer <key>"},
        "another key": {"Authorization": f"Bearer {swapped}"},
        "a shorter key": {"Authorization": f"Bearer {key[:-1]}"},
        "a longer key": {"Authorization": f"Bearer {key}a"},
        "another case": {"Authorization": f"Bearer {key.swapcase()}"},
    }


WITHOUT_KEY = sorted(requests_without_key("some-key"))
QUERY_NAMES = ("api_key", "key", "access_token", "token", "apikey", "authorization")
WRONG_KEYS = {"another key", "a shorter key", "a longer key", "another case"}


def request_of(target, operation_id: str) -> tuple[str, str, dict[str, str], bytes | None]:
    """Return a request that is valid except for its key."""
    if operation_id == CONTRACT.status_operation.id:
        if not target.tasks and target.budget.ample:
            target.submit(cheapest(next(iter(target.models.values()))))
        known = next(iter(target.tasks), "task-unified-1756817821-4x3rx6ny")
        return "GET", target.task_path(known), {}, None
    model = next(one for one in target.models.values() if one.operation_id == operation_id)
    content = json.dumps(cheapest(model)).encode()
    return "POST", model.path, {"Content-Type": "application/json"}, content


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("operation_id", OPERATIONS)
@pytest.mark.parametrize("way", WITHOUT_KEY)
def test_every_operation_rejects_a_request_without_a_valid_key(target, operation_id, way) -> None:
    """Each operation responds with 401 to a request without a valid key, of whatever form."""
    key = target.keys[target.account]
    if way in WRONG_KEYS and target.accepts_any_key:
        pytest.skip("this mock accepts any key, each as its own account")
    if way == "another case" and key.swapcase() == key:
        pytest.skip("the key has no letters")
    method, path, headers, content = request_of(target, operation_id)
    exchange = target.exchange(method, path, {**headers, **requests_without_key(key)[way]}, content)
    KEY_REQUIRED.require(
        exchange.status == 401,
        f"{exchange.status} with {way}",
        exchange,
        pointer="request header Authorization",
    )


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("name", sorted(CONTRACT.catalog.models))
def test_a_valid_request_of_each_model_needs_a_key(target, name) -> None:
    """A request that is right in all else is rejected without a key, whatever the model."""
    model = target.models[name]
    content = json.dumps(cheapest(model)).encode()
    exchange = target.exchange("POST", model.path, {"Content-Type": "application/json"}, content)
    KEY_REQUIRED.require(
        exchange.status == 401,
        f"{exchange.status} for {name}",
        exchange,
        pointer="request header Authorization",
    )


BROKEN = {"nothing": b"", "no JSON": b"{", "a list": b"[]", "no object": b"1", "no model": b"{}"}


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("name", sorted(CONTRACT.catalog.models))
def test_an_invalid_request_without_a_key_is_rejected_for_either(target, name) -> None:
    """A request with two faults, of which one is its key, is rejected, whichever is seen first."""
    model = target.models[name]
    invalid = [json.dumps(body).encode() for body in one_of_each_rule(model)]
    for content in (*BROKEN.values(), *invalid):
        for shown in ({}, {"Authorization": "Bearer"}):
            headers = {"Content-Type": "application/json", **shown}
            target.exchange("POST", model.path, headers, content)


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
@pytest.mark.parametrize("way", sorted(other_ids("task-unified-1-a")))
def test_a_wrong_id_without_a_key_is_rejected_for_either(target, way) -> None:
    """Without a key, what only resembles a task's id shows nothing, and the server doesn't fail."""
    path = target.task_path(other_ids(new_task(target))[way])
    for headers in ({}, {"Authorization": "Bearer"}):
        exchange = target.client.send("GET", path, headers)
        NO_SERVER_ERROR.require(exchange.status < 500, f"{exchange.status} {way}", exchange)
        KEY_REQUIRED.require(
            exchange.status in {400, 401, 404},
            f"{exchange.status} {way}",
            exchange,
            pointer="request header Authorization",
        )


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("name", QUERY_NAMES)
@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_a_key_in_the_query_is_not_accepted(target, operation_id, name) -> None:
    """A key in the query of the URL, where logs would show it, is not accepted."""
    key = target.keys[target.account]
    method, path, headers, content = request_of(target, operation_id)
    exchange = target.submit_paid(method, f"{path}?{name}={key}", headers, content)
    detail = f"{exchange.status} with {name} in the query"
    NO_SERVER_ERROR.require(exchange.status < 500, detail, exchange, shape="with a query")
    # A server may reject the unknown query parameter first.
    KEY_REQUIRED.require(
        exchange.status in {400, 401},
        f"{exchange.status} with {name}",
        exchange,
        pointer="request query",
        shape=f"{exchange.status} with a key in the query",
    )


@pytest.mark.fast
@pytest.mark.parametrize("way", sorted(WRONG_KEYS))
def test_a_mock_with_one_key_rejects_all_others(way) -> None:
    """A bundled mock with one key rejects similar keys."""
    with MockServer(api_key="Some-key-1") as server:
        target_options = TargetOptions(base_url=server.base_url, api_key="Some-key-1")
        with target_options.target() as target:
            assert not target.accepts_any_key
            for operation_id in OPERATIONS:
                test_every_operation_rejects_a_request_without_a_valid_key(
                    target, operation_id, way
                )


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
def test_another_account_does_not_find_a_task_that_is_there(target) -> None:
    """Another account doesn't find a task, of whatever model, that the suite has submitted."""
    if "two" not in target.keys:
        pytest.skip("a second account is needed: --api-key2")
    target.some_task()
    own = [one for one in target.tasks.values() if one.account == target.account]
    for history in {one.model.name: one for one in own}.values():
        exchange = target.get_task(history.id, "two")
        PRIVATE.require(
            exchange.status in {403, 404}, f"{exchange.status} for another account", exchange
        )


@pytest.mark.fast
@pytest.mark.costs(len(CONTRACT.catalog.models))
def test_a_task_is_visible_to_its_own_account_only(target) -> None:
    """Another account queries a task in each of its states, and never finds it."""
    if "two" not in target.keys:
        pytest.skip("a second account is needed: --api-key2")
    for model in target.models.values():
        history = target.submit(dict(model.example) if target.budget.ample else cheapest(model))
        target.get_task(history.id, "two")
        target.poll(history)
        target.get_task(history.id, "two")
        target.wait(history)
        exchange = target.get_task(history.id, "two")
        PRIVATE.require(
            exchange.status in {403, 404},
            f"{exchange.status} for another account",
            exchange,
        )
        target.poll(history)
