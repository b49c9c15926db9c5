"""Callbacks: one for each end, the same word as the query's, and again only after a failure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import Law
from wanflow_contract.checks.documented_responses import packaged_promises
from wanflow_contract.checks.task_history import ENDED
from wanflow_contract.support.api_under_test import LEAK
from wanflow_contract.support.exchange import SHORTEST
from wanflow_contract.support.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow_contract.checks.task_history import Life
    from wanflow_contract.support.api_under_test import Target
    from wanflow_contract.support.receiver import Delivery

MODELS = [
    name
    for name, model in packaged_promises().catalog.models.items()
    if "callback_url" in model.parameters
]
SOON, NOT = 5.0, 0.3

CALLED = Law(
    "callback",
    "The end of a task is told to its callback URL, as that was given.",
    "Triggered when task is completed, failed, or cancelled",
)
ENDS_ONLY = Law(
    "callback-end",
    "A callback comes when the task has ended, and not before.",
    "Triggered when task is completed, failed, or cancelled",
)
WORD = Law(
    "callback-word",
    "A callback says what the task query says.",
    "Callback response format is consistent with the task query API response",
)
ONCE = Law(
    "callback-once",
    "A callback that was received is not sent again.",
    "2xx status codes are considered successful, other status codes trigger retries",
)
AGAIN = Law(
    "callback-again",
    "A callback that failed is sent again, up to three times.",
    "Up to `3` retries after failure (retries at `1`/`2`/`4` seconds after failure)",
)


@pytest.fixture(scope="module")
def receiver(pytestconfig: pytest.Config) -> Iterator[Receiver]:
    """Where callbacks are sent."""
    port = pytestconfig.getoption("--callback-port")
    with Receiver(port or 0, pytestconfig.getoption("--callback-url")) as found:
        yield found


@pytest.fixture(scope="module")
def caller(callback_target, receiver) -> Target:
    """A target that sends callbacks to the receiver."""
    name = MODELS[0] if MODELS else pytest.skip("no model takes a callback URL")
    target, model = callback_target, callback_target.models[name]
    if not receiver.url.startswith("https:") and not target.steered:
        pytest.skip("the suite has no public address: --callback-url and --callback-port")
    body = {**cheapest(model), "callback_url": receiver.address("knock")}
    sent = {**target.authorization(), "Content-Type": "application/json"}
    answer = target.buy("POST", model.path, sent, _encoded(body))
    CALLED.holds(answer.status == 200 or not target.calls_here, "refused now", answer)
    if answer.status != 200:
        pytest.skip("the target doesn't send callbacks to the suite's own address")
    return target


def _encoded(body: Any) -> bytes:
    return json.dumps(body).encode()


def called(target: Target, receiver: Receiver, name: str, *answers: int, **more: Any):
    """Submit a task with a callback URL of its own; return it and the URL's name."""
    hook = f"hook-{uuid4().hex}?token={uuid4().hex}&to=a%20b%2Fc"
    body = {
        **cheapest(target.models[name]),
        **more,
        "callback_url": receiver.address(hook, *answers),
    }
    sent = {**target.authorization(), "Content-Type": "application/json"}
    exchange = target.buy("POST", target.models[name].path, sent, _encoded(body))
    assert exchange.status == 200, exchange.told()
    return target.adopt(body, target.account, exchange.json(), exchange), hook


def came(receiver: Receiver, life: Life, hook: str) -> Delivery:
    """The callback of a task that has ended."""
    found = receiver.next(hook, SOON)
    CALLED.holds(found, f"none within {SOON:.0f} s of the end", life.first, life.last)
    assert found is not None
    return found


def agrees(target: Target, life: Life, delivery: Delivery) -> None:
    """Hold a callback's body against what the query says."""
    said = json.dumps([delivery.headers, delivery.body])
    shown = any(key in said for key in target.keys.values() if len(key) >= SHORTEST)
    LEAK.holds(not shown, "a key is in a callback", life.last)
    told, body = life.state, delivery.body
    WORD.holds(isinstance(body, dict), f"the body is {body!r}", life.last)
    kind = delivery.headers.get("content-type", "")
    WORD.holds(kind.startswith("application/json"), f"Content-Type {kind!r}", life.last)
    for name in ("id", "model", "object", "created", "type", "status", "progress", "error"):
        WORD.holds(body.get(name) == told.get(name), f"{name} is {body.get(name)!r}", life.last)
    links = body.get("results") or []
    WORD.holds(len(links) == len(life.links), f"{len(links)} results", life.last)
    target.own(life, links, life.last)


@pytest.mark.fast
@pytest.mark.parametrize("name", MODELS)
def test_the_end_of_a_task_is_told(caller, receiver, name) -> None:
    """A completed task is told once, at its end, in the words of the query."""
    life, hook = called(caller, receiver, name)
    while not caller.look(life).ended:
        early = receiver.next(hook, 0.02)
        if early is not None:
            caller.look(life)
            ENDS_ONLY.holds(life.ended, f"told while {life.status}", life.first, life.last)
            break
    else:
        agrees(caller, life, came(receiver, life, hook))
        again = receiver.next(hook, NOT)
        ONCE.holds(again is None, "told again", life.last)


@pytest.mark.fast
@pytest.mark.controls
def test_a_failure_is_told(caller, receiver) -> None:
    """A failed task is told with its reason."""
    life, hook = called(caller, receiver, MODELS[0], prompt="a cat [mock:fail=service_error]")
    caller.wait(life)
    agrees(caller, life, came(receiver, life, hook))


@pytest.mark.fast
@pytest.mark.parametrize("status", [500, 404, 302])
def test_what_failed_is_sent_again(caller, receiver, status) -> None:
    """Anything but 2xx brings the callback again; 2xx is the last."""
    life, hook = called(caller, receiver, MODELS[0], status, 204)
    caller.wait(life)
    came(receiver, life, hook)
    AGAIN.holds(receiver.next(hook, NOT) is None, "again at once, not after 1 s", life.last)
    caller.pass_time(1.5)
    again = receiver.next(hook, SOON)
    AGAIN.holds(again, f"not again after {status}", life.last)
    assert again is not None
    agrees(caller, life, again)
    caller.pass_time(10)
    ONCE.holds(receiver.next(hook, NOT) is None, "again after a 204", life.last)


@pytest.mark.fast
def test_after_three_more_it_is_given_up(caller, receiver) -> None:
    """A receiver that never accepts gets a callback four times in all."""
    life, hook = called(caller, receiver, MODELS[0], *[503] * 20)
    caller.wait(life)
    count = 0
    for seconds in (1.5, 2.5, 4.5, 10, 20):
        found = receiver.next(hook, SOON if count < 4 else NOT)
        count += found is not None
        AGAIN.holds(found is not None or count >= 4, f"{count} times", life.last)
        caller.pass_time(seconds)
    AGAIN.holds(count == 4 and receiver.next(hook, NOT) is None, f"{count} times", life.last)


@pytest.mark.fast
def test_a_callback_is_to_be_believed(caller, receiver) -> None:
    """Whoever asks at once when told finds the task ended."""
    life, hook = called(caller, receiver, MODELS[0])
    caller.wait(life)
    came(receiver, life, hook)
    ENDS_ONLY.holds(caller.look(life).status in ENDED, life.status, life.last)
