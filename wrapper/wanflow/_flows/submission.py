"""Submit a request: once, unless it was provably not accepted."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from wanflow import errors
from wanflow._core import answer, retry
from wanflow._core.effects import Fault, alone, draw, now, send, sleep
from wanflow._core.snapshot import Snapshot, read_snapshot
from wanflow._flows.waiting import about

if TYPE_CHECKING:
    from wanflow._core.budget import Budget
    from wanflow._core.effects import Flow, Reply
    from wanflow._flows.order import Order

_log = logging.getLogger("wanflow")


def submit(order: Order, *, retry_for: float, budget: Budget) -> Flow[Snapshot]:
    """Submit, and repeat within `retry_for` seconds only what provably was not accepted.

    A 429 lowers the client's budget of looks, too.

    Raises:
        ConnectionFailed: nothing reached the API.
        SubmitUncertain: it may have, and the answer was lost.
        APIError: the API refused; `wanflow.errors` lists the kinds.
    """
    start = yield from now()
    attempt = 0
    reached = False
    while True:
        outcome = yield from _try(order)
        if isinstance(outcome, Snapshot):
            with about(outcome.id):
                _log.info("submitted %s as task %s", order.model, outcome.id)
            return outcome
        reached = reached or isinstance(outcome, errors.APIError)
        pause = yield from _pause(outcome, attempt)
        ticks = (yield from now()).ticks
        if isinstance(outcome, errors.RateLimited):
            yield from alone(partial(budget.refused, ticks, outcome.retry_after))
        elapsed = ticks - start.ticks
        if not retry.fits(
            pause, elapsed=elapsed, budget=retry.patience(retry_for, reached=reached)
        ):
            raise outcome
        _log.info("not accepted (%s); sent again in %.1f s", outcome, pause)
        yield from sleep(pause)
        attempt += 1


def _try(order: Order) -> Flow[Snapshot | errors.ConnectionFailed | errors.APIError]:
    """Send once → the task, or the error after which another try is safe; raise any other."""
    try:
        reply = yield from send(order.request)
    except Fault as fault:
        if fault.sent:
            raise _uncertain(order, fault.reason) from fault
        return errors.ConnectionFailed(f"the API can't be reached: {fault.reason}")
    except BaseException as interrupt:
        interrupt.add_note(
            "a submission was under way, and may have been accepted and charged: check the "
            f"account's usage before you submit again (idempotency key {order.idempotency_key})"
        )
        raise
    if 200 <= reply.status < 300:  # noqa: PLR2004
        return _accepted(order, reply)
    error = answer.api_error(reply, unix=(yield from now()).unix)
    if reply.status in retry.REFUSED:
        return error
    raise error


def _pause(error: errors.ConnectionFailed | errors.APIError, attempt: int) -> Flow[float]:
    asked = error.retry_after if isinstance(error, errors.APIError) else None
    # A server that says "after 0 seconds" for ever must not be hammered for ever.
    return max(asked or 0.0, retry.backoff(attempt, (yield from draw())))


def _accepted(order: Order, reply: Reply) -> Snapshot:
    try:
        return read_snapshot(reply.content)
    except ValueError as error:
        reason = f"the answer was {reply.status}, but {error}"
        raise _uncertain(order, reason, reply.status) from error


def _uncertain(order: Order, reason: str, status: int | None = None) -> errors.SubmitUncertain:
    return errors.SubmitUncertain(
        f"the submission left, and its answer was lost ({reason}). The task may exist and may "
        "have been charged, so it was not sent again: check the account's usage, or ask the "
        f"provider about idempotency key {order.idempotency_key}, before you submit again",
        reason=reason,
        request=order.body,
        idempotency_key=order.idempotency_key,
        status=status,
    )
