"""What may change about a task from one response to the next, and what never does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow_contract.checks.definitions.tasks import (
    FINAL,
    FINAL_DETAILS,
    FORWARD,
    HAS_STATUS,
    IDENTITY_STABLE,
    OWN_ID,
    PROGRESS,
    STILL_PRESENT,
)
from wanflow_contract.checks.faulty_field import response_field
from wanflow_contract.checks.task_state import (
    COMPLETED,
    ENDED,
    FAILED,
    credits_used,
    results_of,
    status_of,
)

if TYPE_CHECKING:
    from wanflow_contract.checks.task_history import TaskHistory
    from wanflow_contract.support.exchange import Exchange

_RANK = {"pending": 0, "processing": 1, COMPLETED: 2, FAILED: 2}
_IDENTITY = ("created", "model", "object", "type")
_SECONDS_APART = 5
_FIELDS = {
    "progress": ("progress",),
    "the number of results": ("results",),
    "the error's code": ("error", "code"),
}


def check_identity(history: TaskHistory, body: dict[str, Any], seen: tuple[Exchange, ...]) -> None:
    """Check that a response is about the same task as before, and leaves nothing out.

    Raises:
        CheckFailed: it isn't, or does.
    """
    OWN_ID.require(
        body.get("id") == history.id,
        f"queried {history.id}, got {body.get('id')!r}",
        *seen,
        pointer=response_field("id"),
        shape="another id",
    )
    for name in _IDENTITY:
        known = history.state if name in history.state else history.receipt
        if name in body and name in known:
            was, now = known[name], body[name]
            IDENTITY_STABLE.require(
                was == now or (known is history.receipt and _is_near(name, was, now)),
                f"{name} was {was!r} and is {now!r}",
                *seen,
                pointer=response_field(name),
                shape="changed",
            )
        elif name in history.receipt and body.get("status") != FAILED:
            STILL_PRESENT.require(
                False,
                f"{name} was {history.receipt[name]!r} and is absent",
                *seen,
                pointer=response_field(name),
                shape="absent",
            )
    if "progress" in history.state and body.get("status") != FAILED:
        STILL_PRESENT.require(
            "progress" in body,
            "progress is absent",
            *seen,
            pointer=response_field("progress"),
            shape="absent",
        )


def check_order(history: TaskHistory, body: dict[str, Any], seen: tuple[Exchange, ...]) -> None:
    """Check that a task moves forward only, and doesn't change after its end.

    Raises:
        CheckFailed: it does.
    """
    was, now = history.status, status_of(body)
    at = response_field("status")
    HAS_STATUS.require(now, f"status is {body.get('status')!r}", *seen, pointer=at, shape="none")
    if was in ENDED:
        FINAL.require(now == was, f"{was} became {now}", *seen, pointer=at)
        # A receipt has no results, so only polls are compared with each other.
        for name, value in _end_state(history.state).items() if history.polls else ():
            check = FINAL_DETAILS if name == "progress" else FINAL
            check.require(
                _end_state(body)[name] == value,
                f"{name} was {value} and changed",
                *seen,
                pointer=response_field(*_FIELDS[name]),
                shape="changed",
            )
        paid, pays = credits_used(history.state), credits_used(body)
        FINAL_DETAILS.require(
            paid in {None, pays},
            f"{paid} credits used, then {pays}",
            *seen,
            pointer=response_field("usage", "credits_used"),
            shape="changed",
        )
    FORWARD.require(
        "status" not in history.state or _RANK.get(now, -1) >= _RANK.get(was, 3),
        f"{was} became {now}",
        *seen,
        pointer=at,
        shape=f"{was} became {now if now in _RANK else 'an unknown status'}",
    )
    before, after = history.state.get("progress"), body.get("progress")
    if now != FAILED and isinstance(before, int | float) and isinstance(after, int | float):
        PROGRESS.require(
            after >= before,
            f"{before} became {after}",
            *seen,
            pointer=response_field("progress"),
            shape="fell",
        )


def _is_near(name: str, was: Any, now: Any) -> bool:
    """Return whether a receipt and a query name nearly the same time."""
    numbers = isinstance(was, int | float) and isinstance(now, int | float)
    return name == "created" and numbers and abs(was - now) <= _SECONDS_APART


def _end_state(body: dict[str, Any]) -> dict[str, Any]:
    error = body.get("error")
    return {
        "progress": body.get("progress"),
        "the number of results": len(results_of(body)),
        "the error's code": error.get("code") if isinstance(error, dict) else None,
    }
