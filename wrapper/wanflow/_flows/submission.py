"""Submit a request: once, unless it was provably not accepted or the user asks for more."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from attrs import define

from wanflow import errors
from wanflow._core import acceptance, answer, retry
from wanflow._core.acceptance import Acceptance, accepted_task, classify
from wanflow._core.effects import Fault, alone, draw, now, send, sleep
from wanflow._core.snapshot import Snapshot
from wanflow._flows.naming import about
from wanflow._log import log

if TYPE_CHECKING:
    from collections.abc import Generator

    from wanflow._core.budget import Budget
    from wanflow._core.effects import Flow, Reply
    from wanflow._flows.order import Order

# Bytes of a response that an error keeps.
_KEPT = 16 * 1024


@define
class _Tries:
    """What came of the tries of one submission; `uncertain` is the last that may be accepted."""

    order: Order
    count: int = 0
    reached: bool = False
    last: errors.WanflowError | None = None
    uncertain: errors.SubmitUncertain | None = None

    def take(self, outcome: errors.WanflowError) -> None:
        """Take note of a try that gave no task."""
        self.count += 1
        self.last = outcome
        self.reached = self.reached or not isinstance(outcome, errors.ConnectionFailed)
        if isinstance(outcome, errors.SubmitUncertain):
            self.uncertain = outcome

    @property
    def repeatable(self) -> bool:
        """Whether another try is safe, or asked for all the same."""
        match self.last:
            case errors.ConnectionFailed():
                return True
            case errors.SubmitUncertain(task_id=task_id):
                # A task that is known is waited for, and not paid for again.
                return self.order.resubmit_uncertain and task_id is None
            case errors.APIError(status=status):
                return status in acceptance.RETRYABLE
            case _:
                return False

    @property
    def error(self) -> errors.WanflowError:
        """The error to end with: a later refusal doesn't prove that no earlier try was taken."""
        assert self.last is not None
        uncertain = self.uncertain
        if uncertain is None or uncertain.task_id or not self.order.resubmit_uncertain:
            return self.last
        return _given_up(self.order, self.count, uncertain, self.last)


def submit(order: Order, *, retry_for: float, budget: Budget) -> Flow[Snapshot]:
    """Submit, and repeat within `retry_for` seconds only what provably was not accepted.

    Where the order says so, what may have been accepted is repeated as well, with the same key.
    A 429 lowers the client's budget of looks, too.

    Raises:
        ConnectionFailed: nothing reached the API.
        SubmitUncertain: it may have been accepted, and no proof of the contrary came.
        APIError: the API rejected it; `wanflow.errors` lists the kinds.
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
        state = "uncertain" if outcome is tries.uncertain else "not accepted"
        log.info("%s (%s); sent again in %.1f s", state, outcome, pause)
        with _noted(order) if tries.uncertain else nullcontext():
            yield from sleep(pause)


def _try(order: Order) -> Flow[Snapshot | errors.WanflowError]:
    """Send once → the task, or the error that stands for what came instead."""
    try:
        with _noted(order):
            reply = yield from send(order.request)
    except Fault as fault:
        if fault.sent:
            return _unanswered(order, fault)
        return errors.ConnectionFailed(f"the API can't be reached: {fault.reason}")
    found = classify(reply, order.request.content or b"")
    if found.acceptance is Acceptance.ACCEPTED and found.task_id is not None:
        return accepted_task(reply, found.task_id)
    error = answer.api_error(reply, unix=(yield from now()).unix)
    if found.acceptance is Acceptance.UNCERTAIN:
        return _unclear(order, reply, error, found.task_id)
    return error


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


def _pause(error: errors.WanflowError, attempt: int) -> Flow[float]:
    asked = error.retry_after if isinstance(error, errors.APIError) else None
    # A server that says "after 0 seconds" for ever must not be hammered for ever.
    return max(asked or 0.0, retry.backoff(attempt, (yield from draw())))


def _unanswered(order: Order, fault: Fault) -> errors.SubmitUncertain:
    """Make the error for a submission that was sent, and no whole response came."""
    error = errors.SubmitUncertain(
        f"the submission was sent, and no whole response came ({fault.reason}). {_advice(order)}",
        reason=fault.reason,
        request=order.body,
        idempotency_key=order.idempotency_key,
    )
    error.__cause__ = fault
    return error


def _unclear(
    order: Order, reply: Reply, cause: errors.APIError, task_id: str | None
) -> errors.SubmitUncertain:
    """Make the error for a response that doesn't prove that nothing was accepted."""
    reason = str(cause)
    if task_id is None:
        message = f"{reason}. That doesn't prove that it wasn't accepted. {_advice(order)}"
    else:
        message = (
            f"{reason}. The response names task {task_id}, so the submission may have been "
            f"accepted and charged, and was not sent again: client.task({task_id!r}) takes the "
            "task up"
        )
    error = errors.SubmitUncertain(
        message,
        reason=reason,
        request=order.body,
        idempotency_key=order.idempotency_key,
        status=reply.status,
        code=cause.code,
        body=cause.body if len(reply.content) <= _KEPT else _beginning(reply.content),
        task_id=task_id,
    )
    error.__cause__ = cause
    return error


def _beginning(content: bytes) -> str:
    return content[:_KEPT].decode("utf-8", "replace")


def _advice(order: Order) -> str:
    return (
        "The task may exist and may have been charged, so the submission was not sent again: "
        "check the account's usage, or ask the provider about idempotency key "
        f"{order.idempotency_key}, before you submit again"
    )


def _given_up(
    order: Order, count: int, uncertain: errors.SubmitUncertain, last: errors.WanflowError
) -> errors.SubmitUncertain:
    """Make the error for a submission that was sent again in vain after it was uncertain."""
    reason = uncertain.reason
    end = "" if last is uncertain else f"; the last try: {last}"
    often = "once" if count == 1 else f"{count} times"
    error = errors.SubmitUncertain(
        f"the submission was sent {often} with idempotency key {order.idempotency_key}, and may "
        f"have been accepted and charged ({reason}{end}): check the account's usage, or ask the "
        "provider about the key, before you submit again",
        reason=reason,
        request=order.body,
        idempotency_key=order.idempotency_key,
        status=uncertain.status,
        code=uncertain.code,
        body=uncertain.body,
    )
    error.__cause__ = last
    return error
