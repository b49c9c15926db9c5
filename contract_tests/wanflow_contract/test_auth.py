"""Keys: without a valid one nothing is answered, and each account sees its own tasks only."""

from __future__ import annotations

import base64
import json

import pytest

from wanflow.mock import MockServer
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.documented_responses import packaged_promises
from wanflow_contract.support.api_under_test import GUARDED, PRIVATE
from wanflow_contract.support.target_options import Aim

PROMISES = packaged_promises()
OPERATIONS = sorted(PROMISES.operations)


def keyless(key: str) -> dict[str, dict[str, str]]:
    """Ways of asking without showing the key as the document has it."""
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
        "the header for proxies": {"Proxy-Authorization": f"Bearer {key}"},
        "a key in quotes": {"Authorization": f'Bearer "{key}"'},
        "a scheme that begins as the right one": {"Authorization": f"BearerToken {key}"},
        "two tokens": {"Authorization": f"Bearer {key} {key}"},
        "a token with foreign characters": {"Authorization": "Bearer <key>"},
        "another key": {"Authorization": f"Bearer {swapped}"},
        "a shorter key": {"Authorization": f"Bearer {key[:-1]}"},
        "a longer key": {"Authorization": f"Bearer {key}a"},
        "another case": {"Authorization": f"Bearer {key.swapcase()}"},
    }


WAYS = sorted(keyless("some-key"))
IN_ADDRESSES = ("api_key", "key", "access_token", "token", "apikey", "authorization")
OF_ANOTHER_KEY = {"another key", "a shorter key", "a longer key", "another case"}


def request_of(target, operation_id: str) -> tuple[str, str, dict[str, str], bytes | None]:
    """A request that is right in all but its key.

    Where it would cost to be taken by mistake, it is wrong in its parameters, too.
    """
    if operation_id == PROMISES.query.id:
        if not target.lives and target.purse.roomy:
            target.submit(cheapest(next(iter(target.models.values()))))
        known = next(iter(target.lives), "task-unified-1756817821-4x3rx6ny")
        return "GET", target.address(known), {}, None
    model = next(one for one in target.models.values() if one.operation_id == operation_id)
    body = cheapest(model) if target.purse.roomy else {"model": model.name}
    return "POST", model.path, {"Content-Type": "application/json"}, json.dumps(body).encode()


@pytest.mark.fast
@pytest.mark.parametrize("operation_id", OPERATIONS)
@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_answered_without_a_valid_key(target, operation_id, way) -> None:
    """Each operation answers 401 to whoever shows no valid key, however that is done."""
    key = target.keys[target.account]
    if way in OF_ANOTHER_KEY and target.any_key:
        pytest.skip("this mock lets any key in, each as an account of its own")
    if way == "another case" and key.swapcase() == key:
        pytest.skip("the key has no letters")
    method, path, headers, content = request_of(target, operation_id)
    exchange = target.exchange(method, path, {**headers, **keyless(key)[way]}, content)
    right = {401} if target.purse.roomy or method == "GET" else {400, 401}
    GUARDED.holds(exchange.status in right, f"{exchange.status} with {way}", exchange)


@pytest.mark.fast
@pytest.mark.parametrize("name", IN_ADDRESSES)
@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_a_key_in_the_address_opens_nothing(target, operation_id, name) -> None:
    """A key in the query of the URL, where logs would keep it, is no key."""
    key = target.keys[target.account]
    method, path, headers, content = request_of(target, operation_id)
    exchange = target.wire.send(method, f"{path}?{name}={key}", headers, content)
    # Whoever refuses a query that it doesn't know may say that first.
    GUARDED.holds(exchange.status in {400, 401}, f"{exchange.status} with {name}", exchange)


@pytest.mark.fast
@pytest.mark.parametrize("way", sorted(OF_ANOTHER_KEY))
def test_a_mock_with_one_key_lets_no_other_in(way) -> None:
    """The bundled mock, given one key, refuses those that are like it."""
    with MockServer(api_key="Some-key-1") as server:
        aim = Aim(base_url=server.base_url, api_key="Some-key-1")
        with aim.target() as target:
            assert not target.any_key
            for operation_id in OPERATIONS:
                test_nothing_is_answered_without_a_valid_key(target, operation_id, way)


@pytest.mark.fast
def test_a_task_is_seen_by_its_own_account_only(target) -> None:
    """Another account asks for a task in each of its states, and is told of none."""
    if "two" not in target.keys:
        pytest.skip("a second account is needed: --api-key2")
    for model in target.models.values():
        life = target.submit(dict(model.example))
        target.ask(life.id, "two")
        target.look(life)
        target.ask(life.id, "two")
        target.wait(life)
        exchange = target.ask(life.id, "two")
        PRIVATE.holds(exchange.status in {403, 404}, "", exchange)
        target.look(life)
