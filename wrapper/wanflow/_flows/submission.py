"""Submit a request: once, unless it was provably not accepted or the user asks for more."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from attrs import define

from wanflow import errors
from wanflow._core import answer, retry
from wanflow._core.effects import Fault, alone, draw, now, send, sleep
from wanflow._core.snapshot import Snapshot, read_snapshot
from wanflow._flows.naming import about
from wanflow._log import log

if TYPE_CHECKING:
    from collections.abc import Generator

    from wanflow._core.budget import Budget
    from wanflow._core.effects import Flow, Reply
    from wanflow._flows.order import Order


@define
class _Tries:
    """What came of the tries of one submission: `lost` is the last one that may have been taken."""

    order: Order
    count: int = 0
    reached: bool = False
    last: errors.WanflowError | None = None
    lost: errors.WanflowError | None = None

    def take(self, outcome: errors.WanflowError) -> None:
        """Take note of a try that gave no task."""
        self.count += 1
        self.last = outcome
        self.reached = self.reached or not isinstance(outcome, errors.ConnectionFailed)
        if _may_have_been_accepted(outcome):
            self.lost = outcome

    @property
    def repeatable(self) -> bool:
        """Whether another try is safe, or asked for all the same."""
        match self.last:
            case errors.ConnectionFailed():
                return True
            case errors.APIError(status=status) if status in retry.REFUSED:
                return True
            case error:
                return error is self.lost and self.order.resubmit_uncertain

    @property
    def error(self) -> errors.WanflowError:
        """The error to end with: a later refusal doesn't prove that no earlier try was taken."""
        assert self.last is not None
        if self.lost is None or not self.order.resubmit_uncertain:
            return self.last
        return _given_up(self.order, self.count, self.lost, self.last)


def submit(order: Order, *, retry_for: float, budget: Budget) -> Flow[Snapshot]:
    """Submit, and repeat within `retry_for` seconds only what provably was not accepted.

    Where the order says so, what may have been accepted is repeated as well, with the same key.
    A 429 lowers the client's budget of looks, too.

    Raises:
        ConnectionFailed: nothing reached the API.
        SubmitUncertain: it may have, and the answer was lost.
        APIError: the API refused; `wanflow.errors` lists the kinds.
    """
    start = yield from now()
    tries = _Tries(order)
    while True:
        outcome = yield from _try(order)
        if isinstance(outcome, Snapshot):
            with about(outcome.id):
                log.info("submitted %s as task %s", order.model, outcome.id)
            return outcome
        tries.take(outcome)
        if not tries.repeatable:
            raise tries.error
        pause = yield from _pause(outcome, tries.count - 1)
        ticks = (yield from now()).ticks
        if isinstance(outcome, errors.RateLimited):
            yield from alone(partial(budget.refused, ticks, outcome.retry_after))
        patience = retry.patience(retry_for, reached=tries.reached)
        if not retry.fits(pause, elapsed=ticks - start.ticks, budget=patience):
            raise tries.error
        state = "in doubt" if outcome is tries.lost else "not accepted"
        log.info("%s (%s); sent again in %.1f s", state, outcome, pause)
        with _noted(order) if tries.lost else nullcontext():
            yield from sleep(pause)


def _try(order: Order) -> Flow[Snapshot | errors.WanflowError]:
    """Send once → the task, or the error that stands for what came instead."""
    try:
        with _noted(order):
            reply = yield from send(order.request)
    except Fault as fault:
        if fault.sent:
            return _uncertain(order, fault.reason, cause=fault)
        return errors.ConnectionFailed(f"the API can't be reached: {fault.reason}")
    if 200 <= reply.status < 300:  # noqa: PLR2004
        return _accepted(order, reply)
    return answer.api_error(reply, unix=(yield from now()).unix)


@contextmanager
def _noted(order: Order) -> Generator[None]:
    """See to it that an interrupt inside says what may have become of the submission."""
    try:
        yield
    except (Fault, GeneratorExit):
        raise
    except BaseException as interrupt:
        interrupt.add_note(
            "a submission was under way, and may have been accepted and charged: check the "
            f"account's usage before you submit again (idempotency key {order.idempotency_key})"
        )
        raise


def _may_have_been_accepted(error: errors.WanflowError) -> bool:
    if isinstance(error, errors.APIError):
        return retry.doubtful(error.status)
    return isinstance(error, errors.SubmitUncertain)


def _pause(error: errors.WanflowError, attempt: int) -> Flow[float]:
    asked = error.retry_after if isinstance(error, errors.APIError) else None
    # A server that says "after 0 seconds" for ever must not be hammered for ever.
    return max(asked or 0.0, retry.backoff(attempt, (yield from draw())))


def _accepted(order: Order, reply: Reply) -> Snapshot | errors.SubmitUncertain:
    try:
        return read_snapshot(reply.content)
    except ValueError as error:
        reason = f"the answer was {reply.status}, but {error}"
        return _uncertain(order, reason, reply.status, cause=error)


def _uncertain(
    order: Order, reason: str, status: int | None = None, *, cause: Exception
) -> errors.SubmitUncertain:
    error = errors.SubmitUncertain(
        f"the submission left, and its answer was lost ({reason}). The task may exist and may "
        "have been charged, so it was not sent again: check the account's usage, or ask the "
        f"provider about idempotency key {order.idempotency_key}, before you submit again",
        reason=reason,
        request=order.body,
        idempotency_key=order.idempotency_key,
        status=status,
    )
    error.__cause__ = cause
    return error


def _given_up(
    order: Order, count: int, lost: errors.WanflowError, last: errors.WanflowError
) -> errors.SubmitUncertain:
    """Make the error for a submission that was sent again in vain after it was in doubt."""
    reason = lost.reason if isinstance(lost, errors.SubmitUncertain) else str(lost)
    end = "" if last is lost else f"; the last try: {last}"
    often = "once" if count == 1 else f"{count} times"
    error = errors.SubmitUncertain(
        f"the submission was sent {often} with idempotency key {order.idempotency_key}, and may "
        f"have been accepted and charged ({reason}{end}): check the account's usage, or ask the "
        "provider about the key, before you submit again",
        reason=reason,
        request=order.body,
        idempotency_key=order.idempotency_key,
        status=getattr(lost, "status", None),
    )
    error.__cause__ = last
    return error
