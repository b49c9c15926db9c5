"""The history of one task over all responses about it: what may change, and what never does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow_contract.checks.check import independent
from wanflow_contract.checks.definitions.billing import USAGE
from wanflow_contract.checks.definitions.ends import (
    CANCEL,
    FAILURE,
    FAILURE_CODE,
    NOTHING_USED,
    RESULTS,
    SAME_LINKS,
    TOOK,
)
from wanflow_contract.checks.definitions.tasks import (
    FINAL,
    FINAL_DETAILS,
    FORWARD,
    HAS_STATUS,
    ID,
    IDENTITY_STABLE,
    KIND,
    OWN_ID,
    PROGRESS,
    PROGRESS_100,
    PROGRESS_EARLY,
    RECEIPT,
    STILL_PRESENT,
)
from wanflow_contract.checks.faulty_field import response_field

if TYPE_CHECKING:
    from wanflow.catalog.catalog import Model
    from wanflow_contract.support.exchange import Exchange

COMPLETED, FAILED = "completed", "failed"
ENDED = frozenset({COMPLETED, FAILED})
_RANK = {"pending": 0, "processing": 1, COMPLETED: 2, FAILED: 2}
IDENTITY = ("created", "model", "object", "type")
ID_PREFIX = "task-unified-"
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


@define(eq=False)
class TaskHistory:
    """A task since its submission, and the responses about it.

    `request` is the body of the submission, `account` the name of the account that sent it.
    """

    model: Model
    request: dict[str, Any]
    account: str
    receipt: dict[str, Any]
    first: Exchange = field(repr=False)
    last: Exchange = field(repr=False)
    state: dict[str, Any] = field(factory=dict)
    polls: int = 0

    @property
    def id(self) -> str:
        """The task's id."""
        return str(self.receipt["id"])

    @property
    def status(self) -> str:
        """The latest known status."""
        return str(self.state.get("status"))

    @property
    def ended(self) -> bool:
        """Whether the task has ended, as far as is known."""
        return self.status in ENDED

    @property
    def links(self) -> list[str]:
        """The latest known result URLs."""
        return list(self.state.get("results") or [])

    @property
    def expected_results(self) -> int:
        """How many results were requested."""
        count = self.request.get("n", 1)
        return int(count) if isinstance(count, int | float) and self.model.kind == "image" else 1

    def observe(self, body: dict[str, Any], exchange: Exchange) -> None:
        """Check the response to a poll, and record it.

        Raises:
            CheckFailed: it contradicts an earlier response, or is invalid itself.
        """
        seen = (
            (self.first, self.last, exchange)
            if self.last is not self.first
            else (self.first, exchange)
        )
        with independent():
            self._check_identity(body, seen)
        with independent():
            self._check_order(body, seen)
        with independent():
            _check_state(self, body, exchange)
        with independent():
            _check_facts(body, exchange)
        with independent():
            _check_usage(self, body, exchange)
        self.state, self.last, self.polls = body, exchange, self.polls + 1

    def _check_identity(self, body: dict[str, Any], seen: tuple[Exchange, ...]) -> None:
        OWN_ID.require(
            body.get("id") == self.id,
            f"queried {self.id}, got {body.get('id')!r}",
            *seen,
            pointer=response_field("id"),
            shape="another id",
        )
        for name in IDENTITY:
            known = self.state if name in self.state else self.receipt
            if name in body and name in known:
                was, now = known[name], body[name]
                IDENTITY_STABLE.require(
                    was == now or (known is self.receipt and _is_near(name, was, now)),
                    f"{name} was {was!r} and is {now!r}",
                    *seen,
                    pointer=response_field(name),
                    shape="changed",
                )
            elif name in self.receipt and body.get("status") != FAILED:
                STILL_PRESENT.require(
                    False,
                    f"{name} was {self.receipt[name]!r} and is absent",
                    *seen,
                    pointer=response_field(name),
                    shape="absent",
                )
        if "progress" in self.state and body.get("status") != FAILED:
            STILL_PRESENT.require(
                "progress" in body,
                "progress is absent",
                *seen,
                pointer=response_field("progress"),
                shape="absent",
            )

    def _check_order(self, body: dict[str, Any], seen: tuple[Exchange, ...]) -> None:
        was, now = self.status, body.get("status")
        at = response_field("status")
        HAS_STATUS.require(
            isinstance(now, str), f"status is {now!r}", *seen, pointer=at, shape="absent"
        )
        if was in ENDED:
            FINAL.require(now == was, f"{was} became {now}", *seen, pointer=at)
            # A receipt has no results, so only polls are compared with each other.
            for name, value in _end_state(self.state).items() if self.polls else ():
                check = FINAL_DETAILS if name == "progress" else FINAL
                check.require(
                    _end_state(body)[name] == value,
                    f"{name} was {value} and changed",
                    *seen,
                    pointer=response_field(*_FIELDS[name]),
                    shape="changed",
                )
            paid, pays = _credits_used(self.state), _credits_used(body)
            FINAL_DETAILS.require(
                paid in {None, pays},
                f"{paid} credits used, then {pays}",
                *seen,
                pointer=response_field("usage", "credits_used"),
                shape="changed",
            )
        FORWARD.require(
            _RANK.get(str(now), -1) >= _RANK.get(was, 3),
            f"{was} became {now}",
            *seen,
            pointer=at,
            shape=f"{was} became {now if now in _RANK else 'an unknown status'}",
        )
        before, after = self.state.get("progress"), body.get("progress")
        if now != FAILED and isinstance(before, int | float) and isinstance(after, int | float):
            PROGRESS.require(
                after >= before,
                f"{before} became {after}",
                *seen,
                pointer=response_field("progress"),
                shape="fell",
            )


def start(
    model: Model,
    request: dict[str, Any],
    account: str,
    receipt: dict[str, Any],
    exchange: Exchange,
) -> TaskHistory:
    """Start a history with the response to a submission.

    Raises:
        CheckFailed: the response doesn't match the request.
    """
    for name in ("id", "model", "status", "created"):
        RECEIPT.require(
            receipt.get(name) is not None,
            f"{name} is absent",
            exchange,
            pointer=response_field(name),
        )
    named = str(receipt["id"])
    ID.require(
        named.startswith(ID_PREFIX) and len(named) > len(ID_PREFIX),
        f"the id is {named!r}",
        exchange,
        pointer=response_field("id"),
        shape="another form",
    )
    history = TaskHistory(model, request, account, receipt, exchange, exchange, receipt)
    with independent():
        _check_kind(history, exchange)
    with independent():
        _check_state(history, receipt, exchange)
    with independent():
        _check_facts(receipt, exchange)
    with independent():
        _check_usage(history, receipt, exchange)
    return history


def _check_kind(history: TaskHistory, exchange: Exchange) -> None:
    receipt, kind = history.receipt, history.model.kind
    right = {"model": history.model.name, "object": f"{kind}.generation.task", "type": kind}
    for name, value in right.items():
        found = receipt.get(name, value)
        KIND.require(
            found == value,
            f"the {name} is {found!r}",
            exchange,
            pointer=response_field(name),
            shape="another",
        )


def _check_state(history: TaskHistory, body: dict[str, Any], exchange: Exchange) -> None:
    status, progress = body.get("status"), body.get("progress")
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
    results = body.get("results") or []
    of_a_query = exchange.method == "GET"
    if status == COMPLETED and of_a_query:
        detail = f"{len(results)} of {history.expected_results}"
        at = response_field("results")
        more = "more" if len(results) > history.expected_results else "fewer"
        shape = f"{more} than requested"
        right = len(results) == history.expected_results
        RESULTS.require(right, detail, exchange, pointer=at, shape=shape)
        distinct = len(set(results)) == len(results)
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


def _check_facts(body: dict[str, Any], exchange: Exchange) -> None:
    """Check what a response says about a task beside its status."""
    info, took, used = body.get("task_info"), body.get("duration"), _credits_used(body)
    if body.get("status") in ENDED and isinstance(info, dict):
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
        code in BUSINESS_CODES,
        f"the code is {code!r}",
        exchange,
        pointer=response_field("error", "code"),
        shape="unknown",
    )


def _check_usage(history: TaskHistory, body: dict[str, Any], exchange: Exchange) -> None:
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


def _numbers(node: Any, name: str) -> list[tuple[str, float]]:
    if isinstance(node, bool):
        return []
    if isinstance(node, int | float):
        return [(name, node)]
    if isinstance(node, dict):
        return [found for key, one in node.items() for found in _numbers(one, f"{name}.{key}")]
    return []


def _is_near(name: str, was: Any, now: Any) -> bool:
    """Return whether a receipt and a query name nearly the same time."""
    numbers = isinstance(was, int | float) and isinstance(now, int | float)
    return name == "created" and numbers and abs(was - now) <= _SECONDS_APART


_SECONDS_APART = 5
_FIELDS = {
    "progress": ("progress",),
    "the number of results": ("results",),
    "the error's code": ("error", "code"),
}


def _end_state(body: dict[str, Any]) -> dict[str, Any]:
    error = body.get("error")
    return {
        "progress": body.get("progress"),
        "the number of results": len(body.get("results") or []),
        "the error's code": error.get("code") if isinstance(error, dict) else None,
    }


def _credits_used(body: dict[str, Any]) -> float | None:
    """Return the credits that a task has used, None if the response doesn't say."""
    usage = body.get("usage")
    used = usage.get("credits_used") if isinstance(usage, dict) else None
    return used if isinstance(used, int | float) else None
