"""The life of one task, as all answers about it tell it: what may change, and what never does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow_contract.checks.check import Law

if TYPE_CHECKING:
    from wanflow.catalog.catalog import Model
    from wanflow_contract.support.exchange import Exchange

COMPLETED, FAILED = "completed", "failed"
ENDED = frozenset({COMPLETED, FAILED})
_RANK = {"pending": 0, "processing": 1, COMPLETED: 2, FAILED: 2}
IDENTITY = ("created", "model", "object", "type")
ID_PREFIX = "task-unified-"
# The business codes of failed tasks that are known.
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

RECEIPT = Law(
    "receipt",
    "A submission is answered with the task: its id, model, status and time of creation.",
    "every document's 200 of a submission, the thinnest included",
)
ID = Law("task-id", "A task's id begins with task-unified-.", "always begins with `task-unified-`")
OWN_ID = Law("own-id", "A task answers to its id, and with it.", "link getTask: $response.body#/id")
SAME = Law("identity", "Model, kind and time of creation of a task never change.")
KIND = Law("kind", "A task is of the kind that its model makes, and of the model asked for.")
KEPT = Law("kept", "What was said of a running task is still said at the next look.")
FORWARD = Law(
    "forward",
    "A status only moves forward: pending, processing, then an end.",
    "`completed` or `failed`; neither changes afterwards",
)
END = Law(
    "an-end-is-an-end",
    "A task that has ended stays as it is.",
    "Ask again until `status` is `completed` or `failed`; neither changes afterwards",
)
PROGRESS = Law("progress", "Progress never falls while a task runs.")
HUNDRED = Law("hundred", "Progress is 100 exactly when the task is completed.")
RESULTS = Law(
    "results",
    "A completed task has as many results as were asked for, each another; others have none.",
    "Links to what the task made, given once it is completed",
)
FAILURE = Law(
    "failure",
    "A failed task says why, with a known code; others carry no error.",
    "Why the task failed; given only when it did",
)
SAME_LINKS = Law(
    "result-data",
    "Where the links are given twice, they are the same links.",
    "`result_data`: the same links again",
)
USAGE = Law("usage", "What a task costs is never negative, and never changes its rule.")


@define(eq=False)
class Life:
    """A task from its submission on, and every answer about it in their order.

    `asked` is the body of the submission, `key` the name of the key that it was sent with.
    """

    model: Model
    asked: dict[str, Any]
    key: str
    receipt: dict[str, Any]
    first: Exchange = field(repr=False)
    last: Exchange = field(repr=False)
    state: dict[str, Any] = field(factory=dict)
    looks: int = 0

    @property
    def id(self) -> str:
        """The task's id."""
        return str(self.receipt["id"])

    @property
    def status(self) -> str:
        """The status as last seen."""
        return str(self.state["status"])

    @property
    def ended(self) -> bool:
        """Whether the task has ended, as far as was seen."""
        return self.status in ENDED

    @property
    def links(self) -> list[str]:
        """The results as last seen."""
        return list(self.state.get("results") or [])

    @property
    def wanted(self) -> int:
        """How many results were asked for."""
        count = self.asked.get("n", 1)
        return int(count) if isinstance(count, int | float) and self.model.kind == "image" else 1

    def see(self, body: dict[str, Any], exchange: Exchange) -> None:
        """Take in what a look at the task showed.

        Raises:
            LawBroken: it doesn't go with what was seen before.
        """
        seen = (
            (self.first, self.last, exchange)
            if self.last is not self.first
            else (self.first, exchange)
        )
        self._judge_identity(body, seen)
        self._judge_order(body, seen)
        _judge_state(self, body, exchange)
        _judge_usage(self, body, exchange)
        self.state, self.last, self.looks = body, exchange, self.looks + 1

    def _judge_identity(self, body: dict[str, Any], seen: tuple[Exchange, ...]) -> None:
        OWN_ID.holds(
            body.get("id") == self.id, f"asked for {self.id}, got {body.get('id')!r}", *seen
        )
        for name in IDENTITY:
            if name in body and name in self.receipt:
                was, now = self.receipt[name], body[name]
                SAME.holds(was == now, f"{name} was {was!r} and is {now!r}", *seen)
            elif name in self.receipt and body.get("status") != FAILED:
                KEPT.broken(f"{name} was {self.receipt[name]!r} and is absent", *seen)
        if "progress" in self.state and body.get("status") != FAILED:
            KEPT.holds("progress" in body, "progress is absent", *seen)

    def _judge_order(self, body: dict[str, Any], seen: tuple[Exchange, ...]) -> None:
        was, now = self.status, body.get("status")
        KEPT.holds(isinstance(now, str), f"status is {now!r}", *seen)
        if was in ENDED:
            END.holds(now == was, f"{was} became {now}", *seen)
            # A receipt has no place for results, so that only looks are held against each other.
            for name, told in _end_of(self.state).items() if self.looks else ():
                END.holds(_end_of(body)[name] == told, f"{name} was {told} and changed", *seen)
            paid, pays = _used(self.state), _used(body)
            END.holds(paid in {None, pays}, f"{paid} credits used, then {pays}", *seen)
        FORWARD.holds(_RANK.get(str(now), -1) >= _RANK.get(was, 3), f"{was} became {now}", *seen)
        before, after = self.state.get("progress"), body.get("progress")
        if now != FAILED and isinstance(before, int | float) and isinstance(after, int | float):
            PROGRESS.holds(after >= before, f"{before} became {after}", *seen)


def born(
    model: Model,
    asked: dict[str, Any],
    key: str,
    receipt: dict[str, Any],
    exchange: Exchange,
) -> Life:
    """Begin a life with the answer to a submission.

    Raises:
        LawBroken: the answer doesn't go with the request.
    """
    for name in ("id", "model", "status", "created"):
        RECEIPT.holds(receipt.get(name) is not None, f"{name} is absent", exchange)
    ID.holds(str(receipt["id"]).startswith(ID_PREFIX), f"the id is {receipt['id']!r}", exchange)
    ID.holds(len(receipt["id"]) > len(ID_PREFIX), f"the id is {receipt['id']!r}", exchange)
    life = Life(model, asked, key, receipt, exchange, exchange, receipt)
    _judge_kind(life, exchange)
    _judge_state(life, receipt, exchange)
    _judge_usage(life, receipt, exchange)
    return life


def _judge_kind(life: Life, exchange: Exchange) -> None:
    receipt, kind = life.receipt, life.model.kind
    KIND.holds(receipt["model"] == life.model.name, f"the model is {receipt['model']!r}", exchange)
    told = receipt.get("object", f"{kind}.generation.task")
    KIND.holds(told == f"{kind}.generation.task", f"the object is {told!r}", exchange)
    told = receipt.get("type", kind)
    KIND.holds(told == kind, f"the type is {told!r}", exchange)


def _judge_state(life: Life, body: dict[str, Any], exchange: Exchange) -> None:
    status, progress = body.get("status"), body.get("progress")
    if isinstance(progress, int | float):
        detail = f"{status} at {progress}"
        HUNDRED.holds((progress == 100) == (status == COMPLETED), detail, exchange)
    results = body.get("results") or []
    of_a_query = exchange.method == "GET"
    if status == COMPLETED and of_a_query:
        detail = f"{len(results)} of {life.wanted}"
        RESULTS.holds(len(results) == life.wanted, detail, exchange)
        RESULTS.holds(len(set(results)) == len(results), "two links are the same", exchange)
        _judge_result_data(body.get("result_data"), results, exchange)
    elif status != COMPLETED:
        RESULTS.holds(not results, f"{status} with {len(results)} results", exchange)
    if status == FAILED and of_a_query:
        _judge_failure(body.get("error"), exchange)
    elif status != FAILED:
        FAILURE.holds(not body.get("error"), f"{status} with an error", exchange)


def _judge_result_data(data: Any, results: list[Any], exchange: Exchange) -> None:
    if isinstance(data, list) and all(isinstance(one, dict) and "url" in one for one in data):
        links = [one["url"] for one in data]
        SAME_LINKS.holds(links == results, f"{links}, and {results}", exchange)


def _judge_failure(error: Any, exchange: Exchange) -> None:
    FAILURE.holds(isinstance(error, dict), f"the error is {error!r}", exchange)
    code, message = error.get("code"), error.get("message")
    FAILURE.holds(code in BUSINESS_CODES, f"the code is {code!r}", exchange)
    FAILURE.holds(isinstance(message, str) and message, f"the message is {message!r}", exchange)
    kind = error.get("type", "task_error")
    FAILURE.holds(kind == "task_error", f"the type is {kind!r}, not 'task_error'", exchange)


def _judge_usage(life: Life, body: dict[str, Any], exchange: Exchange) -> None:
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return
    for name, number in _numbers(usage, "usage"):
        USAGE.holds(number >= 0, f"{name} is {number}", exchange)
    before = life.receipt.get("usage")
    for name in ("billing_rule", "user_group"):
        if isinstance(before, dict) and name in usage and name in before:
            same = usage[name] == before[name]
            USAGE.holds(same, f"{name} was {before[name]}, is {usage[name]}", life.first, exchange)


def _numbers(node: Any, name: str) -> list[tuple[str, float]]:
    if isinstance(node, bool):
        return []
    if isinstance(node, int | float):
        return [(name, node)]
    if isinstance(node, dict):
        return [found for key, one in node.items() for found in _numbers(one, f"{name}.{key}")]
    return []


def _end_of(body: dict[str, Any]) -> dict[str, Any]:
    error = body.get("error")
    return {
        "progress": body.get("progress"),
        "the number of results": len(body.get("results") or []),
        "the error's code": error.get("code") if isinstance(error, dict) else None,
    }


def _used(body: dict[str, Any]) -> float | None:
    """Return the credits that a task has used, None where that isn't told."""
    usage = body.get("usage")
    used = usage.get("credits_used") if isinstance(usage, dict) else None
    return used if isinstance(used, int | float) else None
