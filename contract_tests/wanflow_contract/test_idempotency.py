"""Idempotency keys: a server may ignore them, but if it honours them, it does so correctly."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.definitions.idempotency import ANOTHER, ONCE, PER_ACCOUNT, REUSED
from wanflow_contract.checks.documented_responses import packaged_contract

MODELS = sorted(packaged_contract().catalog.models)
HEADER = "Idempotency-Key"


def new_key() -> str:
    return f"contract-{uuid4().hex}"


def replayed(exchange) -> bool:
    return exchange.header("idempotency-replayed") == "true"


@pytest.mark.fast
@pytest.mark.costs(2)
@pytest.mark.parametrize("name", MODELS)
def test_one_key_makes_one_task_where_keys_are_honoured(target, name) -> None:
    """A repeated submission with its key is the same task and marked as a replay, or a new task."""
    model, key = target.models[name], {HEADER: new_key()}
    first = target.post(model, cheapest(model), headers=key)
    again = target.post(model, cheapest(model), headers=key)
    ONCE.require(first.status == again.status == 200, "rejected", first, again)
    same = first.task_id == again.task_id
    ONCE.require(not replayed(first), "the first response is marked as a replay", first)
    ONCE.require(same == replayed(again), f"same task: {same}", first, again)
    if target.idempotent:
        ONCE.require(same, "two tasks", first, again)


@pytest.mark.fast
@pytest.mark.costs(4)
@pytest.mark.parametrize("name", MODELS)
def test_another_key_or_none_makes_another_task(target, name) -> None:
    """Equal requests with different keys, or without, are different tasks."""
    model = target.models[name]
    seen = [
        target.post(model, cheapest(model), headers=headers)
        for headers in ({HEADER: new_key()}, {HEADER: new_key()}, {}, {})
    ]
    ids = {one.task_id for one in seen}
    ANOTHER.require(len(ids) == len(seen), f"{len(ids)} tasks of {len(seen)}", *seen)
    ANOTHER.require(not any(replayed(one) for one in seen), "marked as a replay", *seen)


@pytest.mark.fast
@pytest.mark.costs(5)
def test_a_key_makes_one_task_however_often_it_is_used(target) -> None:
    """Later uses of a key give what the second use gave: the same task, or always a new one."""
    model, key = target.usual_model, {HEADER: new_key()}
    seen = [target.post(model, cheapest(model), headers=key) for _ in range(5)]
    ONCE.require(all(one.status == 200 for one in seen), "rejected", *seen)
    tasks = len({one.task_id for one in seen})
    ONCE.require(tasks in {1, len(seen)}, f"{tasks} tasks of {len(seen)} uses", *seen)
    replays = sum(replayed(one) for one in seen)
    ONCE.require(replays == len(seen) - tasks, f"{replays} marked as replays", *seen)


@pytest.mark.fast
@pytest.mark.costs(3)
@pytest.mark.parametrize("name", MODELS)
def test_a_key_is_honoured_after_its_task_has_ended(target, name) -> None:
    """A key that is honoured while its task runs is also honoured after the task has ended."""
    model, key = target.models[name], {HEADER: new_key()}
    history = target.submit(cheapest(model), **key)
    again = target.post(model, cheapest(model), headers=key)
    if not replayed(again):
        pytest.skip("the server doesn't honour idempotency keys, which is allowed")
    target.wait(history)
    late = target.post(model, cheapest(model), headers=key)
    ONCE.require(
        late.status == 200 and replayed(late), f"{late.status}", history.first, again, late
    )
    ONCE.require(late.task_id == history.id, "another task", history.first, again, late)


@pytest.mark.fast
@pytest.mark.costs(4)
def test_concurrent_requests_with_one_key_make_one_task(target) -> None:
    """Concurrent requests with one key make one task in all, or one each."""
    model = target.usual_model
    sent = {**target.authorization(), "Content-Type": "application/json", HEADER: new_key()}
    if not target.budget.ample:
        pytest.skip("four concurrent requests need more than a small spend limit")

    def send(_number: int):
        return target.submit_paid("POST", model.path, sent, _encoded(cheapest(model)))

    with ThreadPoolExecutor(max_workers=4) as pool:
        sent_together = list(pool.map(send, range(4)))
    seen = [one for one in sent_together if one.status == 200]
    made = len({one.task_id for one in seen})
    ONCE.require(seen, "none was accepted", *sent_together)
    ONCE.require(made in {1, len(seen)}, f"{made} tasks of {len(seen)} requests", *seen)


@pytest.mark.fast
@pytest.mark.parametrize("length", [16, 17, 40, 95, 96])
@pytest.mark.parametrize("signs", ["a1", ".", "_", "-", "Z9._-"])
def test_a_key_of_every_length_and_character_is_accepted(target, length, signs) -> None:
    """A key has 16 to 96 letters, digits, dots, underscores and dashes."""
    model = target.usual_model
    key = (uuid4().hex[:12] + signs * length)[:length]
    exchange = target.post(model, cheapest(model), headers={HEADER: key})
    ONCE.require(
        exchange.status == 200 and not replayed(exchange),
        f"{exchange.status}",
        exchange,
        shape=f"{exchange.status} for {length} characters with {signs}",
    )


@pytest.mark.fast
@pytest.mark.costs(6)
@pytest.mark.parametrize("length", [16, 96])
def test_similar_keys_are_different_keys(target, length) -> None:
    """Keys that differ in the last character, or in its case, are different keys."""
    model, stem = target.usual_model, (uuid4().hex * 3)[: length - 1]
    seen = [
        target.post(model, cheapest(model), headers={HEADER: stem + last})
        for last in ("a", "b", "A", ".", "_", "-")
    ]
    ids = {one.task_id for one in seen}
    ANOTHER.require(len(ids) == len(seen), f"{len(ids)} tasks of {len(seen)}", *seen)


@pytest.mark.fast
@pytest.mark.costs(2)
def test_a_key_belongs_to_one_account(target) -> None:
    """Two accounts that use the same key have a task each."""
    if "two" not in target.keys:
        pytest.skip("a second account is needed: --api-key2")
    model, key = target.usual_model, {HEADER: new_key()}
    one = target.post(model, cheapest(model), "one", key)
    two = target.post(model, cheapest(model), "two", key)
    apart = two.status == 200 and one.task_id != two.task_id and not replayed(two)
    PER_ACCOUNT.require(apart, f"{two.status}", one, two)


@pytest.mark.fast
@pytest.mark.costs(3)
def test_a_reused_key_does_not_return_another_requests_task(target) -> None:
    """A used key with another request is rejected, or makes a new task."""
    key = {HEADER: new_key()}
    one, other = (target.models[name] for name in MODELS[:2])
    first = target.post(one, cheapest(one), headers=key)
    changed = {**cheapest(one), "prompt": "quite another prompt"}
    for model, body in ((one, changed), (other, cheapest(other))):
        second = target.submit_paid(
            "POST",
            model.path,
            {**target.authorization(), "Content-Type": "application/json", **key},
            _encoded(body),
        )
        hidden = second.status == 200 and second.task_id == first.task_id
        REUSED.require(not hidden, "another request's task", first, second)
        REUSED.require(second.status < 500, f"{second.status}", first, second)


@pytest.mark.fast
def test_a_rejected_request_does_not_use_up_its_key(target) -> None:
    """The key of a rejected request makes a task once the request is valid."""
    model, key = target.usual_model, {HEADER: new_key()}
    target.post(model, {"model": model.name}, headers=key)
    exchange = target.post(model, cheapest(model), headers=key)
    ONCE.require(exchange.status == 200 and not replayed(exchange), f"{exchange.status}", exchange)


def _encoded(body) -> bytes:
    return json.dumps(body).encode()
