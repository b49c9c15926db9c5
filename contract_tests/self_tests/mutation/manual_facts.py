"""Mutants written by hand: sentences of the documents about bills, callbacks and ended tasks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx

from self_tests.mutation.kill_proof import KEY, SCRIPTS, ScriptRunner, image_model
from self_tests.mutation.mutant import Mutant, after, queries, register, submits
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.support.receiver import Receiver
from wanflow_contract.support.unavailable import tls_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from self_tests.mutation.fault_layer import MutableRequest, MutableResponse

    State = dict[str, Any]

_CALLS = {"loopback_callbacks": True}
_FAILS = "a cat [mock:fail=service_error]"


def _ended(
    name: str, description: str, script: str, status: str, change: Callable[[dict[str, Any]], Any]
) -> None:
    """Register a mutant that changes what a query says about an ended task."""

    @after("life cycle", description, queries, script, name)
    def alter(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
        body = response.body
        if response.status == 200 and body.get("status") == status:
            change(body)
            response.set_body(body)


_ended(
    "completed-can-be-cancelled",
    "A completed task can still be cancelled.",
    "poll-to-end",
    "completed",
    lambda body: body.update(task_info={"can_cancel": True}),
)
_ended(
    "failed-can-be-cancelled",
    "A failed task can still be cancelled.",
    "failed",
    "failed",
    lambda body: body.update(task_info={"can_cancel": True}),
)
_ended(
    "took-less-than-nothing",
    "A completed task took a negative number of seconds.",
    "poll-to-end",
    "completed",
    lambda body: body.update(duration=-3),
)
_ended(
    "failed-used-credits",
    "A failed task has used credits.",
    "failed",
    "failed",
    lambda body: body.update(usage={"credits_used": 5}),
)


_ended(
    "used-for-one",
    "Several images have used as many credits as one.",
    "several",
    "completed",
    lambda body: body.update(usage={"credits_used": 0.7}),
)
_ended(
    "more-used-than-reserved",
    "A task has used three times what was reserved for it.",
    "poll-to-end",
    "completed",
    lambda body: body.update(usage={"credits_used": 15}),
)


@after(
    "life cycle",
    "A request that failed once gives the failed task for ever.",
    submits,
    "fail-again",
)
def failed_is_given_again(call: MutableRequest, response: MutableResponse, state: State) -> None:
    if response.status == 200 and "mock:fail" in str(call.body.get("prompt")):
        first = state.setdefault(call.content, response.content)
        response.set_content(first)


def _delivering(
    name: str, description: str, deliver: Callable[[Any, Any], None], script: str
) -> None:
    """Register a mutant that does something else when a task ends."""

    def tamper(server: Any) -> None:
        right = server.gateway.on_done

        def done(task: Any) -> None:
            server.layer.reached += 1
            server.layer.triggered += 1
            deliver(right, task)

        server.gateway.on_done = done

    kind = "callbacks" if "callback" in name else "billing"
    register(Mutant(name, kind, description, script, tamper=tamper, options=_CALLS))


def _charge(right: Any, task: Any) -> None:
    if task.failure is not None:
        task.account.spent += task.credits
    right(task)


def _keep_reserved(right: Any, task: Any) -> None:
    if task.failure is not None:
        task.account.reserved += task.credits
    right(task)


def _charge_twice(right: Any, task: Any) -> None:
    if task.failure is None:
        task.account.spent += task.credits
    right(task)


def _bill_later(right: Any, task: Any) -> None:
    account, amount = task.account, task.credits
    account.reserved += amount
    account.spent -= amount

    def bill() -> None:
        account.reserved -= amount
        account.spent += amount

    right(task)
    asyncio.get_running_loop().call_later(60, bill)


_delivering("failed-is-charged", "A failed task is charged.", _charge, "bill-failed")
_delivering(
    "failed-stays-reserved",
    "The credits of a failed task stay reserved.",
    _keep_reserved,
    "bill-failed",
)
_delivering(
    "charged-at-its-end-again", "A task is charged again at its end.", _charge_twice, "bill"
)
_delivering("callback-before-bill", "A callback comes before the bill.", _bill_later, "bill")


class _EarlyScheduler:
    """A scheduler that calls what is due later after one second."""

    def __init__(self, gateway: Any, seconds: tuple[float, ...]) -> None:
        self._gateway, self._seconds = gateway, seconds

    def call_at(self, when: float, work: Callable[[], None]) -> None:
        """Call at another time."""
        now = self._gateway.clock.now()
        due = round(when - now)
        delays = dict(zip((1, 2, 4), self._seconds, strict=True))
        self._gateway.scheduler.call_at(now + delays.get(due, due), work)


class _Gateway:
    """A gateway with another scheduler."""

    def __init__(self, gateway: Any, seconds: tuple[float, ...]) -> None:
        self._gateway, self.scheduler = gateway, _EarlyScheduler(gateway, seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)


def _sending(
    name: str,
    description: str,
    *,
    status: Callable[[int], int] = int,
    seconds: tuple[float, ...] = (1, 2, 4),
    script: str = "callback-statuses",
) -> None:
    """Register a mutant that takes some statuses for others, or retries at other times."""

    def tamper(server: Any) -> None:
        right = server.app.callback_sender

        class Sender(type(right)):  # type: ignore[misc]
            async def _post(self, task: Any) -> int:
                found: int = await super()._post(task)
                return status(found)

        wrong = Sender(_Gateway(server.gateway, seconds), right.ssrf_guard)

        def done(task: Any) -> None:
            server.layer.reached += 1
            server.layer.triggered += 1
            wrong.schedule(task)

        server.gateway.on_done = done

    register(Mutant(name, "callbacks", description, script, tamper=tamper, options=_CALLS))


_sending(
    "callback-gone-given-up",
    "A callback that gets 410 isn't retried.",
    status=lambda got: 200 if got == 410 else got,
)
_sending(
    "callback-refused-given-up",
    "A callback that gets a 4xx isn't retried.",
    status=lambda got: 200 if 400 <= got < 500 and got not in (404, 429) else got,
)
_sending(
    "callback-redirect-taken",
    "A callback that gets a permanent redirect isn't retried.",
    status=lambda got: 200 if got == 301 else got,
)
_sending(
    "callback-limited-given-up",
    "A callback that gets 429 isn't retried.",
    status=lambda got: 200 if got == 429 else got,
)
_sending(
    "callback-accepted-again",
    "A callback that gets 202 is sent again.",
    status=lambda got: 500 if got == 202 else got,
)
_sending(
    "callback-created-again",
    "A callback that gets 201 is sent again.",
    status=lambda got: 500 if got == 201 else got,
)
_sending(
    "callback-unknown-success-again",
    "A callback that gets an unknown 2xx is sent again.",
    status=lambda got: 500 if got == 299 else got,
)
_sending(
    "callback-retried-each-second",
    "Callbacks are retried each second.",
    seconds=(1, 1, 1),
    script="callback-times",
)
_sending(
    "callback-last-retry-early",
    "The last retry comes after two seconds.",
    seconds=(1, 2, 2),
    script="callback-times",
)
_sending(
    "callback-first-retry-late",
    "The first retry comes after half a minute.",
    seconds=(30, 2, 4),
    script="callback-times",
)
_sending(
    "callback-last-retry-late",
    "The last retry comes after half a minute.",
    seconds=(1, 2, 30),
    script="callback-times",
)


def _advance(runner: ScriptRunner, seconds: float) -> None:
    url = f"{runner.base_url[: runner.base_url.index('/', 8)]}/_mock/clock/advance"
    httpx.post(url, json={"seconds": seconds}, trust_env=False, verify=tls_context())


def _end(runner: ScriptRunner, body: dict[str, Any]) -> None:
    made = runner.post(body)
    for _ in range(2):
        runner.get(str(made.get("id")))


def _statuses(runner: ScriptRunner) -> None:
    with Receiver() as receiver:
        for status in (201, 202, 299, 301, 410, 401, 429):
            address = receiver.address(f"hook-{status}", status)
            _end(runner, {**cheapest(image_model()), "callback_url": address})
        for status in (201, 202, 299, 301, 410, 401, 429):
            runner.received(receiver, f"hook-{status}", 2.0)
        _advance(runner, 1.5)
        for status in (410, 401, 429, 301, 299, 202, 201):
            wait = 0.1 if status < 300 else 1.0
            runner.log.append(
                f"{status}: {runner.received(receiver, f'hook-{status}', wait) is not None}"
            )


def _times(runner: ScriptRunner) -> None:
    with Receiver() as receiver:
        address = receiver.address("hook", 503, 503, 503, 503)
        _end(runner, {**cheapest(image_model()), "callback_url": address})
        runner.received(receiver, "hook", 2.0)
        for due in (1, 2, 4):
            runner.received(receiver, "hook", 0.05)
            for seconds, wait in ((0.6 * due, 0.2), (0.4 * due + 0.5, 1.0)):
                _advance(runner, seconds)
                runner.log.append(f"{due}: {runner.received(receiver, 'hook', wait) is not None}")


def _bill(runner: ScriptRunner, prompt: str = "a cat") -> None:
    _end(runner, {**cheapest(image_model()), "prompt": prompt})
    runner.send("GET", f"{runner.base_url[: runner.base_url.index('/', 8)]}/_mock/account", KEY)


def _fail_again(runner: ScriptRunner) -> None:
    for _ in range(2):
        _end(runner, {**cheapest(image_model()), "prompt": _FAILS})


SCRIPTS |= {
    "callback-statuses": _statuses,
    "callback-times": _times,
    "bill": _bill,
    "bill-failed": lambda runner: _bill(runner, _FAILS),
    "fail-again": _fail_again,
}
