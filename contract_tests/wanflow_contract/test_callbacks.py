"""Callbacks: one for each ended task, equal to the task query, and retried only after a failure."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.definitions.callbacks import (
    BILLED,
    DELIVERED,
    ENDS_ONLY,
    ONCE,
    RETRIED,
    SAME_AS_QUERY,
)
from wanflow_contract.checks.definitions.responses import LEAK
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.refusals import require_accepted
from wanflow_contract.checks.response_checks import check_response
from wanflow_contract.checks.task_state import ENDED
from wanflow_contract.support.exchange import shows_key
from wanflow_contract.support.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow_contract.checks.task_history import TaskHistory
    from wanflow_contract.support.api_under_test import ApiUnderTest
    from wanflow_contract.support.receiver import Delivery

MODELS = [
    name
    for name, model in packaged_contract().catalog.models.items()
    if "callback_url" in model.parameters
]
SOON, NOT = 5.0, 0.3
_ON_TIME = 0.9
"""The share of a delay from which on a retry is not early: two machines measure it differently."""


@pytest.fixture(scope="module")
def receiver(pytestconfig: pytest.Config) -> Iterator[Receiver]:
    """A receiver of callbacks."""
    port = pytestconfig.getoption("--callback-port")
    with Receiver(port or 0, pytestconfig.getoption("--callback-url")) as found:
        yield found


@pytest.fixture(scope="module")
def calling_target(callback_target, receiver) -> ApiUnderTest:
    """A target that sends callbacks to the receiver."""
    name = MODELS[0] if MODELS else pytest.skip("no model takes a callback URL")
    target, model = callback_target, callback_target.models[name]
    if not receiver.url.startswith("https:") and not target.has_mock_controls:
        pytest.skip("the suite has no public address: --callback-url and --callback-port")
    body = {**cheapest(model), "callback_url": receiver.address("knock")}
    sent = {**target.authorization(), "Content-Type": "application/json"}
    answer = target.submit_paid("POST", model.path, sent, _encoded(body))
    DELIVERED.require(answer.shows_task or not target.calls_loopback, "rejected now", answer)
    if not answer.shows_task:
        pytest.skip("the target doesn't send callbacks to the suite's own address")
    return target


def _encoded(body: Any) -> bytes:
    return json.dumps(body).encode()


def submit_with_callback(
    target: ApiUnderTest, receiver: Receiver, name: str, *answers: int, **more: Any
):
    """Submit a task with its own callback URL; return its history and the URL's name."""
    hook = f"hook-{uuid4().hex}?token={uuid4().hex}&to=a%20b%2Fc"
    body = {
        **cheapest(target.models[name]),
        **more,
        "callback_url": receiver.address(hook, *answers),
    }
    sent = {**target.authorization(), "Content-Type": "application/json"}
    exchange = target.submit_paid("POST", target.models[name].path, sent, _encoded(body))
    require_accepted(exchange)
    receipt = check_response(target.contract.operations[target.models[name].operation_id], exchange)
    return target.track(body, target.account, receipt, exchange), hook


def callback_before_end(
    target: ApiUnderTest, receiver: Receiver, history: TaskHistory, hook: str
) -> Delivery | None:
    """Poll a task until it has ended, and return a callback that came before that."""
    until = time.monotonic() + target.timeout
    while not target.polled(history).ended and time.monotonic() < until:
        early = receiver.next(hook, 0.02)
        if early is not None:
            return early
    target.wait(history)
    return None


def wait_for_callback(receiver: Receiver, history: TaskHistory, hook: str) -> Delivery:
    """Return the callback of a task that has ended."""
    found = receiver.next(hook, SOON)
    DELIVERED.require(found, f"none within {SOON:.0f} s of the end", history.first, history.last)
    assert found is not None
    return found


def check_body(target: ApiUnderTest, history: TaskHistory, delivery: Delivery) -> None:
    """Check that a callback's body equals the response to the task query."""
    said = json.dumps([delivery.headers, delivery.body])
    shown = shows_key(said, target.keys.values())
    LEAK.require(not shown, "a key is in a callback", history.last)
    state, body = history.state, delivery.body
    SAME_AS_QUERY.require(
        isinstance(body, dict), f"the body is {body!r}", history.last, shape="no object"
    )
    kind = delivery.headers.get("content-type", "")
    SAME_AS_QUERY.require(
        kind.startswith("application/json"), f"Content-Type {kind!r}", history.last
    )
    for name in ("id", "model", "object", "created", "type", "status", "progress", "error"):
        SAME_AS_QUERY.require(
            body.get(name) == state.get(name),
            f"{name} is {body.get(name)!r}",
            history.last,
            pointer=f"callback /{name}",
            shape=f"another value: {type(body.get(name)).__name__}",
        )
    links = body.get("results") or []
    SAME_AS_QUERY.require(len(links) == len(history.links), f"{len(links)} results", history.last)
    target.register(history, links, history.last)


@pytest.mark.fast
@pytest.mark.parametrize("name", MODELS)
def test_a_completed_task_is_reported_once(calling_target, receiver, name) -> None:
    """A completed task is reported once, at its end, with the body of the task query."""
    history, hook = submit_with_callback(calling_target, receiver, name)
    early = callback_before_end(calling_target, receiver, history, hook)
    if early:
        calling_target.poll(history)
        detail = f"reported while {history.status}"
        ENDS_ONLY.require(history.ended, detail, history.first, history.last)
        return
    check_body(calling_target, history, wait_for_callback(receiver, history, hook))
    again = receiver.next(hook, NOT)
    ONCE.require(again is None, "reported again", history.last)


@pytest.mark.fast
@pytest.mark.mock_controls
def test_a_failed_task_is_reported(calling_target, receiver) -> None:
    """A failed task is reported with its error."""
    history, hook = submit_with_callback(
        calling_target, receiver, MODELS[0], prompt="a cat [mock:fail=service_error]"
    )
    calling_target.wait(history)
    check_body(calling_target, history, wait_for_callback(receiver, history, hook))


@pytest.mark.fast
@pytest.mark.parametrize("status", [500, 404, 302])
def test_a_failed_delivery_is_retried(calling_target, receiver, status) -> None:
    """Any status but 2xx causes a retry; after 2xx there is none."""
    history, hook = submit_with_callback(calling_target, receiver, MODELS[0], status, 204)
    calling_target.wait(history)
    wait_for_callback(receiver, history, hook)
    RETRIED.require(
        receiver.next(hook, NOT) is None, "retried immediately, not after 1 s", history.last
    )
    calling_target.controls.advance_time(1.5)
    again = receiver.next(hook, SOON)
    RETRIED.require(again, f"not retried after {status}", history.last)
    assert again is not None
    check_body(calling_target, history, again)
    calling_target.controls.advance_time(10)
    ONCE.require(receiver.next(hook, NOT) is None, "sent again after a 204", history.last)


def is_early(target: ApiUnderTest, before: Delivery, found: Delivery, due: float) -> bool:
    """Return whether a retry came before its time: a mock's clock says so, else this machine's."""
    return target.controls.available or found.at - before.at < _ON_TIME * due


@pytest.mark.fast
def test_a_delivery_is_retried_three_times(calling_target, receiver) -> None:
    """A receiver that never accepts gets four callbacks in all, each retry after its delay."""
    history, hook = submit_with_callback(calling_target, receiver, MODELS[0], *[503] * 20)
    calling_target.wait(history)
    latest = wait_for_callback(receiver, history, hook)
    for number, due in enumerate((1, 2, 4), 1):
        # The delay begins when the sender has read the response, a moment after the receipt.
        found = receiver.next(hook, 0.05)
        calling_target.controls.advance_time(0.6 * due)
        found = found or receiver.next(hook, NOT)
        detail = f"retry {number} came before {due} s were over"
        early = found is not None and is_early(calling_target, latest, found, due)
        RETRIED.require(not early, detail, history.last, shape="too early")
        calling_target.controls.advance_time(0.4 * due + 0.5)
        found = found or receiver.next(hook, SOON)
        RETRIED.require(found, f"retry {number} didn't come", history.last, shape="too few")
        latest = found or latest
    calling_target.controls.advance_time(30)
    more = receiver.next(hook, NOT)
    RETRIED.require(more is None, "more than three retries", history.last, shape="too many")


@pytest.mark.fast
def test_every_2xx_and_no_other_status_is_success(calling_target, receiver) -> None:
    """A callback is retried after any status but 2xx, and isn't after any 2xx."""
    statuses = (200, 201, 202, 206, 299, 301, 400, 401, 403, 410, 422, 429, 501)
    sent = [
        (status, *submit_with_callback(calling_target, receiver, MODELS[0], status))
        for status in statuses
    ]
    for _, history, hook in sent:
        calling_target.wait(history)
        wait_for_callback(receiver, history, hook)
    calling_target.controls.advance_time(1.5)
    for status, history, hook in reversed(sent):  # the retries come first, then what is left
        success = 200 <= status < 300
        again = receiver.next(hook, 0.02 if success else SOON)
        law, detail = (ONCE, "sent again after") if success else (RETRIED, "not retried after")
        law.require((again is None) == success, f"{detail} {status}", history.last)


@pytest.mark.fast
@pytest.mark.mock_controls
def test_a_task_is_billed_before_its_callback(calling_target, receiver) -> None:
    """When a callback arrives, the credits of its task are no longer reserved."""
    before = calling_target.controls.account_status(calling_target.authorization())
    history, hook = submit_with_callback(calling_target, receiver, MODELS[0])
    calling_target.wait(history)
    wait_for_callback(receiver, history, hook)
    after = calling_target.controls.account_status(calling_target.authorization())
    detail = f"{before['reserved']} were reserved before it, {after['reserved']} are still"
    BILLED.require(after["reserved"] <= before["reserved"], detail, history.last)


@pytest.mark.fast
def test_a_task_has_ended_when_its_callback_arrives(calling_target, receiver) -> None:
    """A poll directly after the callback finds the task ended."""
    history, hook = submit_with_callback(calling_target, receiver, MODELS[0])
    calling_target.wait(history)
    wait_for_callback(receiver, history, hook)
    ENDS_ONLY.require(calling_target.poll(history).status in ENDED, history.status, history.last)
