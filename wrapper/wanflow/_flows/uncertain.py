"""The errors of submissions that may have been accepted: what came, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow import errors

if TYPE_CHECKING:
    from wanflow._core.effects import Response, TransportError
    from wanflow._flows.prepare import PreparedRequest

# Bytes of a response that an error keeps.
_KEPT = 16 * 1024


def no_response(
    order: PreparedRequest, fault: TransportError, part: Response | None = None
) -> errors.SubmitUncertain:
    """Make the error for a submission that was sent, and no whole response came but a part."""
    error = errors.SubmitUncertain(
        f"the submission was sent, and no whole response came ({fault.reason}; "
        f"{order.request.describe()}). {_advice(order)}",
        reason=fault.reason,
        request=order.body,
        idempotency_key=order.idempotency_key,
        status=None if part is None else part.status,
        body=None if part is None else _beginning(part.content) or None,
        request_id=None if part is None else part.headers.get("x-request-id"),
    )
    error.__cause__ = fault
    return error


def unproven_response(
    order: PreparedRequest, reply: Response, cause: errors.APIError, task_id: str | None
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
        body=_kept(reply, cause),
        task_id=task_id,
        request_id=cause.request_id,
    )
    error.__cause__ = cause
    return error


def _kept(reply: Response, cause: errors.APIError) -> Any:
    """Return the body of a response: as JSON where it is that and not too long, else as text."""
    is_text = isinstance(cause.body, str)
    return _beginning(reply.content) if is_text or len(reply.content) > _KEPT else cause.body


def _beginning(content: bytes) -> str:
    return content[:_KEPT].decode("utf-8", "replace")


def _advice(order: PreparedRequest) -> str:
    return (
        "The task may exist and may have been charged, so the submission was not sent again: "
        "check the account's usage, or ask the provider about idempotency key "
        f"{order.idempotency_key}, before you submit again"
    )


def attempts_exhausted(
    order: PreparedRequest, count: int, uncertain: errors.SubmitUncertain, last: errors.WanflowError
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
        request_id=uncertain.request_id,
    )
    error.__cause__ = last
    return error
