"""Idempotency keys: whether they are honoured is left open; how, is not."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import Law
from wanflow_contract.checks.documented_responses import packaged_promises

MODELS = sorted(packaged_promises().catalog.models)
HEADER = "Idempotency-Key"

ONCE = Law("idempotent", "The same idempotency key makes one task, and the answer says so.")
ANOTHER = Law("other-key", "Another idempotency key, or none, makes another task.")
APART = Law("key-apart", "An idempotency key is one account's own.")
MISUSED = Law("key-misused", "A key that came with another request doesn't make or hide a task.")


def fresh() -> str:
    return f"contract-{uuid4().hex}"


def replayed(exchange) -> bool:
    return exchange.header("idempotency-replayed") == "true"


@pytest.mark.fast
@pytest.mark.parametrize("name", MODELS)
def test_one_key_is_one_task_where_keys_are_honoured(target, name) -> None:
    """A submission that is repeated with its key is either the same task, told so, or a new one."""
    model, key = target.models[name], {HEADER: fresh()}
    first = target.post(model, cheapest(model), headers=key)
    again = target.post(model, cheapest(model), headers=key)
    ONCE.holds(first.status == again.status == 200, "refused", first, again)
    same = first.json()["id"] == again.json()["id"]
    ONCE.holds(not replayed(first), "the first is told as a replay", first)
    ONCE.holds(same == replayed(again), f"same task: {same}", first, again)
    if target.idempotent:
        ONCE.holds(same, "two tasks", first, again)


@pytest.mark.fast
@pytest.mark.parametrize("name", MODELS)
def test_another_key_or_none_is_another_task(target, name) -> None:
    """Equal requests with different keys, or without, are different tasks."""
    model = target.models[name]
    seen = [
        target.post(model, cheapest(model), headers=headers)
        for headers in ({HEADER: fresh()}, {HEADER: fresh()}, {}, {})
    ]
    ids = {one.json()["id"] for one in seen}
    ANOTHER.holds(len(ids) == len(seen), f"{len(ids)} tasks of {len(seen)}", *seen)
    ANOTHER.holds(not any(replayed(one) for one in seen), "told as a replay", *seen)


@pytest.mark.fast
def test_a_key_is_one_task_however_often_it_is_used(target) -> None:
    """A third and a later use of a key gives what the second gave: the task, or another one."""
    model, key = target.models[MODELS[0]], {HEADER: fresh()}
    seen = [target.post(model, cheapest(model), headers=key) for _ in range(5)]
    ONCE.holds(all(one.status == 200 for one in seen), "refused", *seen)
    tasks = len({one.json()["id"] for one in seen})
    ONCE.holds(tasks in {1, len(seen)}, f"{tasks} tasks of {len(seen)} uses", *seen)
    told = sum(replayed(one) for one in seen)
    ONCE.holds(told == len(seen) - tasks, f"{told} told as replays", *seen)


@pytest.mark.fast
@pytest.mark.parametrize("name", MODELS)
def test_a_key_is_one_task_after_its_end(target, name) -> None:
    """Where a key is honoured while its task runs, it is when the task has ended, too."""
    model, key = target.models[name], {HEADER: fresh()}
    life = target.submit(cheapest(model), **key)
    again = target.post(model, cheapest(model), headers=key)
    if not replayed(again):
        pytest.skip("the server doesn't honour the keys, which is left to it")
    target.wait(life)
    late = target.post(model, cheapest(model), headers=key)
    ONCE.holds(late.status == 200 and replayed(late), f"{late.status}", life.first, again, late)
    ONCE.holds(late.json()["id"] == life.id, "another task", life.first, again, late)


@pytest.mark.fast
def test_a_key_that_is_used_at_once_is_one_task(target) -> None:
    """Requests with one key that come together are one task, or each its own."""
    model = target.models[MODELS[0]]
    sent = {**target.authorization(), "Content-Type": "application/json", HEADER: fresh()}
    if not target.purse.roomy:
        pytest.skip("four requests at once take more than a small purse")

    def send(_number: int):
        return target.buy("POST", model.path, sent, _encoded(cheapest(model)))

    with ThreadPoolExecutor(max_workers=4) as pool:
        seen = [one for one in pool.map(send, range(4)) if one.status == 200]
    made = len({one.json()["id"] for one in seen})
    ONCE.holds(seen, "none was taken")
    ONCE.holds(made in {1, len(seen)}, f"{made} tasks of {len(seen)} requests", *seen)


@pytest.mark.fast
@pytest.mark.parametrize("length", [16, 17, 40, 95, 96])
@pytest.mark.parametrize("signs", ["a1", ".", "_", "-", "Z9._-"])
def test_a_key_of_every_length_and_sign_is_taken(target, length, signs) -> None:
    """A key has 16 to 96 letters, digits, dots, underscores and dashes; each of them is right."""
    model = target.models[MODELS[0]]
    key = (uuid4().hex[:12] + signs * length)[:length]
    exchange = target.post(model, cheapest(model), headers={HEADER: key})
    ONCE.holds(exchange.status == 200 and not replayed(exchange), f"{exchange.status}", exchange)


@pytest.mark.fast
@pytest.mark.parametrize("length", [16, 96])
def test_keys_that_are_nearly_the_same_are_two(target, length) -> None:
    """Keys that differ in their last sign, or in its case, are different keys."""
    model, stem = target.models[MODELS[0]], (uuid4().hex * 3)[: length - 1]
    seen = [
        target.post(model, cheapest(model), headers={HEADER: stem + last})
        for last in ("a", "b", "A", ".", "_", "-")
    ]
    ids = {one.json()["id"] for one in seen}
    ANOTHER.holds(len(ids) == len(seen), f"{len(ids)} tasks of {len(seen)}", *seen)


@pytest.mark.fast
def test_a_key_is_one_accounts_own(target) -> None:
    """Two accounts that happen upon one key have a task each."""
    if "two" not in target.keys:
        pytest.skip("a second account is needed: --api-key2")
    model, key = target.models[MODELS[0]], {HEADER: fresh()}
    one = target.post(model, cheapest(model), "one", key)
    two = target.post(model, cheapest(model), "two", key)
    apart = two.status == 200 and one.json()["id"] != two.json()["id"] and not replayed(two)
    APART.holds(apart, f"{two.status}", one, two)


@pytest.mark.fast
def test_a_key_with_another_request_hides_none(target) -> None:
    """A used key with another request is refused, or the request is done in its own right."""
    key = {HEADER: fresh()}
    one, other = (target.models[name] for name in MODELS[:2])
    first = target.post(one, cheapest(one), headers=key)
    changed = {**cheapest(one), "prompt": "quite another prompt"}
    for model, body in ((one, changed), (other, cheapest(other))):
        second = target.buy(
            "POST",
            model.path,
            {**target.authorization(), "Content-Type": "application/json", **key},
            _encoded(body),
        )
        hidden = second.status == 200 and second.json()["id"] == first.json()["id"]
        MISUSED.holds(not hidden, "another request's task", first, second)
        MISUSED.holds(second.status < 500, f"{second.status}", first, second)


@pytest.mark.fast
def test_a_refused_request_uses_up_no_key(target) -> None:
    """A key that came with a refused request makes a task once the request is right."""
    model, key = target.models[MODELS[0]], {HEADER: fresh()}
    target.post(model, {"model": model.name}, headers=key)
    exchange = target.post(model, cheapest(model), headers=key)
    ONCE.holds(exchange.status == 200 and not replayed(exchange), f"{exchange.status}", exchange)


def _encoded(body) -> bytes:
    return json.dumps(body).encode()
