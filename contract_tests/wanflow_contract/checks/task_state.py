"""What one response says of a task: its status, its results or its error, and its usage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow_contract.checks.definitions.billing import USAGE, USED
from wanflow_contract.checks.definitions.ends import (
    CANCEL,
    FAILURE,
    FAILURE_CODE,
    NOTHING_USED,
    RESULTS,
    SAME_LINKS,
    TOOK,
)
from wanflow_contract.checks.definitions.tasks import PROGRESS_100, PROGRESS_EARLY
from wanflow_contract.checks.faulty_field import response_field

if TYPE_CHECKING:
    from wanflow_contract.checks.task_history import TaskHistory
    from wanflow_contract.support.exchange import Exchange

COMPLETED, FAILED = "completed", "failed"
ENDED = frozenset({COMPLETED, FAILED})
_CENT, _LONGER = 0.011, 1.2
TOKENS = "per_token"
# The documented error codes of failed tasks.
BUSINESS_CODES = frozenset(
    {
        "content_policy_violation",
        "invalid_parameters",
        "image_processing_error",
        "image_dimension_mismatch",
        "generation_failed_no_content",
        "generation_timeout",
        "service_error",
        "resource_exhausted",
        "quota_exceeded",
        "service_unavailable",
        "request_cancelled",
        "resource_not_found",
        "unknown_error",
    }
)


def check_state(history: TaskHistory, body: dict[str, Any], exchange: Exchange) -> None:
    """Check the progress, the results and the error that belong to a status.

    Raises:
        CheckFailed: one doesn't fit.
    """
    status, progress = status_of(body), body.get("progress")
    if isinstance(progress, int | float):
        detail = f"{status} at {progress}"
        check = PROGRESS_100 if status == COMPLETED else PROGRESS_EARLY
        check.require(
            (progress == 100) == (status == COMPLETED),
            detail,
            exchange,
            pointer=response_field("progress"),
            shape=f"{status} at {'100' if progress == 100 else 'less'}",
        )
    results = results_of(body)
    of_a_query = exchange.method == "GET"
    if status == COMPLETED and of_a_query:
        at = response_field("results")
        check_number(len(results), history.expected_results, exchange)
        distinct = len(set(map(str, results))) == len(results)
        RESULTS.require(distinct, "two URLs are the same", exchange, pointer=at)
        _check_result_data(body.get("result_data"), results, exchange)
    elif status != COMPLETED:
        RESULTS.require(
            not results,
            f"{status} with {len(results)} results",
            exchange,
            pointer=response_field("results"),
            shape=f"{status} with results",
        )
    if status == FAILED and of_a_query:
        _check_failure(body.get("error"), exchange)
    elif status != FAILED:
        FAILURE.require(
            not body.get("error"),
            f"{status} with an error",
            exchange,
            pointer=response_field("error"),
        )


def check_number(count: int, wanted: int, exchange: Exchange) -> None:
    """Check that there are as many results as were requested, and say how many are missing.

    Raises:
        CheckFailed: there are more or fewer.
    """
    more, noun = count > wanted, "result" if wanted == 1 else "results"
    missing = f"{wanted - count} missing" if count < wanted else f"{count - wanted} too many"
    RESULTS.require(
        count == wanted,
        f"{wanted} {noun} requested, {count} received: {missing}",
        exchange,
        pointer=response_field("results"),
        shape=f"{'more' if more else 'fewer'} than requested",
    )


def check_facts(body: dict[str, Any], exchange: Exchange) -> None:
    """Check what a response says about a task beside its status.

    Raises:
        CheckFailed: a check fails.
    """
    info, took, used = body.get("task_info"), body.get("duration"), credits_used(body)
    if status_of(body) in ENDED and isinstance(info, dict):
        CANCEL.require(
            info.get("can_cancel") is not True,
            "can_cancel is true",
            exchange,
            pointer=response_field("task_info", "can_cancel"),
        )
    right = not isinstance(took, int | float) or took >= 0
    TOOK.require(right, f"duration is {took}", exchange, pointer=response_field("duration"))
    if body.get("status") == FAILED:
        NOTHING_USED.require(
            not used,
            f"{used} credits are used",
            exchange,
            pointer=response_field("usage", "credits_used"),
        )


def _check_result_data(data: Any, results: list[Any], exchange: Exchange) -> None:
    given = isinstance(data, list) and all(isinstance(one, dict) and "url" in one for one in data)
    links = [one["url"] for one in data] if given else results
    SAME_LINKS.require(
        links == results,
        f"{links}, and {results}",
        exchange,
        pointer=response_field("result_data"),
        shape="other URLs",
    )


def _check_failure(error: Any, exchange: Exchange) -> None:
    FAILURE.require(
        isinstance(error, dict),
        f"the error is {error!r}",
        exchange,
        pointer=response_field("error"),
        shape="absent",
    )
    if not isinstance(error, dict):
        return
    code, message = error.get("code"), error.get("message")
    kind = error.get("type", "task_error")
    for name, value, right in (
        ("code", code, isinstance(code, str) and code.strip()),
        ("message", message, isinstance(message, str) and message),
        ("type", kind, kind == "task_error"),
    ):
        FAILURE.require(
            right,
            f"the {name} is {value!r}",
            exchange,
            pointer=response_field("error", name),
            shape="another",
        )
    FAILURE_CODE.require(
        not isinstance(code, str) or code in BUSINESS_CODES,
        f"the code is {code!r}",
        exchange,
        pointer=response_field("error", "code"),
        shape="unknown",
    )


def check_usage(history: TaskHistory, body: dict[str, Any], exchange: Exchange) -> None:
    """Check that no number of the usage is negative, and that what the receipt said is kept.

    Raises:
        CheckFailed: a check fails.
    """
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return
    for name, number in _numbers(usage, "usage"):
        USAGE.require(
            number >= 0,
            f"{name} is {number}",
            exchange,
            pointer=response_field(*name.split(".")),
            shape="negative",
        )
    before = history.receipt.get("usage")
    if isinstance(before, dict):
        _check_charge(before, body, (history.first, exchange))
    for name in ("billing_rule", "user_group"):
        if isinstance(before, dict) and name in usage and name in before:
            same = usage[name] == before[name]
            USAGE.require(
                same,
                f"{name} was {before[name]}, is {usage[name]}",
                history.first,
                exchange,
                pointer=response_field("usage", name),
                shape="changed",
            )


def _check_charge(
    reserved: dict[str, Any], body: dict[str, Any], seen: tuple[Exchange, ...]
) -> None:
    """Check that a task has used no more than was charged in advance, unless it is by token.

    A video may be a little longer than requested, and credits may be rounded.
    """
    most, used = reserved.get("credits_reserved"), credits_used(body)
    if isinstance(most, int | float) and used is not None:
        unit = 1 if most == int(most) and used == int(used) else _CENT
        USED.require(
            used < _LONGER * most + unit or reserved.get("billing_rule") == TOKENS,
            f"{used} credits are used, {most} were reserved",
            *seen,
            pointer=response_field("usage", "credits_used"),
            shape="more than reserved",
        )


def _numbers(node: Any, name: str) -> list[tuple[str, float]]:
    if isinstance(node, bool):
        return []
    if isinstance(node, int | float):
        return [(name, node)]
    if isinstance(node, dict):
        return [found for key, one in node.items() for found in _numbers(one, f"{name}.{key}")]
    return []


def status_of(body: dict[str, Any]) -> str:
    """Return the status that a response says, empty if it isn't a text."""
    status = body.get("status")
    return status if isinstance(status, str) else ""


def results_of(body: dict[str, Any]) -> list[Any]:
    """Return the results of a response, none if they aren't a list."""
    results = body.get("results")
    return results if isinstance(results, list) else []


def credits_used(body: dict[str, Any]) -> float | None:
    """Return the credits that a task has used, None if the response doesn't say."""
    usage = body.get("usage")
    used = usage.get("credits_used") if isinstance(usage, dict) else None
    return used if isinstance(used, int | float) else None
