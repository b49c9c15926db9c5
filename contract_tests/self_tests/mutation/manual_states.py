"""Mutants written by hand: accounts, identity, the life cycle, money, links, keys and time."""

from __future__ import annotations

import time
import zlib
from typing import TYPE_CHECKING, Any

from self_tests.mutation.mutant import Mutant, after, before, enter, files, queries, submits

if TYPE_CHECKING:
    from collections.abc import Callable

    from self_tests.mutation.fault_layer import Call, Reply

    State = dict[str, Any]


def _tell(
    kind: str, name: str, says: str, script: str, where: Any = queries, **changes: Any
) -> None:
    """Enter a mutant that tells other values where the answer is good; functions are called."""

    @after(kind, says, where, script, name)
    def spoil(_call: Call, reply: Reply, _state: State) -> None:
        body = reply.body
        if reply.status != 200 or not isinstance(body, dict) or "status" not in body:
            return
        told = {key: one(body) if callable(one) else one for key, one in changes.items()}
        reply.say({key: one for key, one in {**body, **told}.items() if one is not None})


def _when(status: str, field: str, value: Any) -> Callable[[Any], Any]:
    """Tell a value for a field while a task has a status."""
    return lambda body: value if body["status"] == status else body.get(field)


def _counted(call: Call, state: State) -> int:
    """Count the looks at a task."""
    looks: dict[str, int] = state.setdefault("polls", {})
    looks[call.task_id] = looks.get(call.task_id, 0) + 1
    return looks[call.task_id]


def _owned(call: Call, state: State) -> Reply | None:
    owner = state.get(call.task_id) if call.queries else None
    if owner and call.headers.get("authorization", "").startswith("Bearer "):
        call.headers["authorization"] = owner
    return None


def _remembered(call: Call, reply: Reply, state: State) -> None:
    if call.submits and reply.status == 200:
        state[reply.body["id"]] = call.headers["authorization"]


enter(
    Mutant(
        "any-account-sees",
        "auth",
        "Any account sees any task.",
        "stranger",
        before=_owned,
        after=_remembered,
    )
)


@before(
    "auth", "Whoever shows no key is let in with the last one's.", lambda _call: True, "keyless"
)
def no_key_needed(call: Call, state: State) -> Reply | None:
    shown = call.headers.get("authorization", "")
    if shown.startswith("Bearer ") and len(shown) > 20:
        state["last"] = shown
    elif "last" in state and not shown:
        call.headers["authorization"] = state["last"]
    return None


@before("auth", "Queries need no key.", queries, "keyless-look")
def queries_need_no_key(call: Call, state: State) -> Reply | None:
    return no_key_needed(call, state)


@before("auth", "Any scheme will do.", lambda _call: True, "scheme")
def any_scheme(call: Call, _state: State) -> Reply | None:
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    if scheme == "Token":
        call.headers["authorization"] = f"Bearer {token}"
    return None


@before("auth", "The scheme may be left out.", lambda _call: True, "bare")
def no_scheme(call: Call, _state: State) -> Reply | None:
    shown = call.headers.get("authorization", "")
    if shown and " " not in shown:
        call.headers["authorization"] = f"Bearer {shown}"
    return None


@before("auth", "A key in X-API-Key is taken as well.", lambda _call: True, "x-api-key")
def another_header(call: Call, _state: State) -> Reply | None:
    if "authorization" not in call.headers and "x-api-key" in call.headers:
        call.headers["authorization"] = f"Bearer {call.headers['x-api-key']}"
    return None


@before("auth", "A key in the address is taken as well.", lambda _call: True, "query-key")
def key_in_the_address(call: Call, _state: State) -> Reply | None:
    if "authorization" not in call.headers and "key=" in call.query:
        call.headers["authorization"] = "Bearer " + call.query.rpartition("key=")[2]
    return None


_tell(
    "identity",
    "another-id",
    "A look shows the id in capitals.",
    "look",
    id=lambda body: body["id"].upper(),
)
_tell(
    "identity",
    "foreign-id",
    "Ids don't begin with task-unified-.",
    "submit",
    submits,
    id=lambda body: body["id"].replace("task-unified-", "task-"),
)
_tell(
    "identity",
    "model-forgotten",
    "A look names another model.",
    "look",
    model=lambda body: body["model"][:-1],
)
_tell(
    "identity",
    "receipt-of-another-model",
    "A receipt names another model.",
    "submit",
    submits,
    model=lambda body: body["model"] + "-turbo",
)
_tell(
    "identity",
    "created-moves",
    "The time of creation is that of the look.",
    "look-late",
    created=lambda body: body["created"] + int(time.monotonic() * 1000) % 7 + 1,
)
_tell(
    "identity",
    "created-in-milliseconds",
    "The time of creation is in milliseconds.",
    "submit",
    lambda call: submits(call) or queries(call),
    created=lambda body: body["created"] * 1000,
)
_tell(
    "identity",
    "created-elsewhere",
    "The time of creation is eight hours off.",
    "submit",
    lambda call: submits(call) or queries(call),
    created=lambda body: body["created"] + 28800,
)
_tell(
    "identity",
    "kind-of-another",
    "Each task is an audio task.",
    "look",
    object="audio.generation.task",
)
_tell("identity", "type-of-another", "Each task has the type text.", "submit", submits, type="text")


@after("identity", "All tasks of one second have one id.", submits, "twice")
def one_id_a_second(_call: Call, reply: Reply, state: State) -> None:
    body = reply.body
    if reply.status == 200:
        reply.say({**body, "id": state.setdefault(str(body["created"]), body["id"])})


_tell(
    "life cycle",
    "done-at-99",
    "A completed task stands at 99.",
    "road",
    progress=_when("completed", "progress", 99),
)
_tell(
    "life cycle",
    "hundred-too-early",
    "A task at work stands at 100.",
    "road",
    progress=_when("processing", "progress", 100),
)
_tell(
    "life cycle",
    "done-without-results",
    "A completed task has no results.",
    "road",
    results=_when("completed", "results", None),
)
_tell(
    "life cycle",
    "done-with-empty-results",
    "A completed task has a list of no results.",
    "road",
    results=_when("completed", "results", []),
)
_tell(
    "life cycle",
    "results-too-early",
    "A task at work has results.",
    "road",
    results=_when("processing", "results", ["https://example.com/early.png"]),
)
_tell(
    "life cycle",
    "failed-without-error",
    "A failed task doesn't say why.",
    "failed",
    error=_when("failed", "error", None),
)
_tell(
    "life cycle",
    "failed-with-unknown-code",
    "A failed task has a code nobody knows.",
    "failed",
    error=_when("failed", "error", {"code": "oops", "message": "a", "type": "task_error"}),
)
_tell(
    "life cycle",
    "failed-with-results",
    "A failed task has results.",
    "failed",
    results=_when("failed", "results", ["https://example.com/a.png"]),
)
_tell(
    "life cycle",
    "done-with-error",
    "A completed task has an error.",
    "road",
    error=_when(
        "completed", "error", {"code": "service_error", "message": "a", "type": "task_error"}
    ),
)
_tell(
    "life cycle",
    "cancelled",
    "A failed task is called cancelled.",
    "failed",
    status=lambda body: "cancelled" if body["status"] == "failed" else body["status"],
)
_tell(
    "life cycle",
    "failed-for-ever-pending",
    "A failed task is pending for ever.",
    "failed",
    status=lambda body: "pending" if body["status"] == "failed" else body["status"],
    error=None,
)
_tell(
    "life cycle",
    "never-done",
    "A task is never done.",
    "road",
    status=lambda body: "processing" if body["status"] == "completed" else body["status"],
    progress=_when("completed", "progress", 99),
    results=None,
)


@after("life cycle", "A task is pending again at each third look.", queries, "road")
def pending_again(call: Call, reply: Reply, state: State) -> None:
    if reply.status == 200 and _counted(call, state) % 3 == 0:
        reply.say({**reply.body, "status": "pending", "progress": 0, "results": []})


@after("life cycle", "A completed task has failed at the fourth look.", queries, "road")
def failed_after_all(call: Call, reply: Reply, state: State) -> None:
    if reply.status == 200 and _counted(call, state) >= 4:
        error = {"code": "service_error", "message": "a", "type": "task_error"}
        body = {**reply.body, "status": "failed", "progress": 0, "error": error}
        body.pop("results", None)
        reply.say(body)


@after("life cycle", "Progress falls while a task is at work.", queries, "slow")
def progress_falls(call: Call, reply: Reply, state: State) -> None:
    if reply.status == 200 and reply.body["status"] == "processing":
        reply.say({**reply.body, "progress": max(1, 90 - 20 * _counted(call, state))})


@after("life cycle", "A new task isn't found at the first look.", queries, "look")
def not_found_at_first(call: Call, reply: Reply, state: State) -> None:
    if reply.status == 200 and _counted(call, state) == 1:
        error = {"code": 404, "message": "Task not found", "type": "not_found_error"}
        reply.status = 404
        reply.say({"error": error})


@after("life cycle", "A completed task is gone once it was seen.", queries, "road")
def gone_once_seen(call: Call, reply: Reply, state: State) -> None:
    if reply.status != 200 or reply.body["status"] != "completed":
        return
    if call.task_id in state:
        reply.status = 404
        error = {"code": 404, "message": "Task not found", "type": "not_found_error"}
        reply.say({"error": error})
    state[call.task_id] = True


@after("life cycle", "A result is lost at the second look at a completed task.", queries, "several")
def result_lost(call: Call, reply: Reply, state: State) -> None:
    if reply.status == 200 and reply.body["status"] == "completed":
        if call.task_id in state:
            reply.say({**reply.body, "results": reply.body["results"][1:]})
        state[call.task_id] = True


_tell(
    "links",
    "one-result-only",
    "There is one result, however many were asked for.",
    "several",
    results=lambda body: body["results"][:1] if body.get("results") else None,
)
_tell(
    "links",
    "one-result-too-many",
    "There is one result more than asked for.",
    "road",
    results=lambda body: (
        [*body["results"], body["results"][0] + "?again"] if body.get("results") else None
    ),
)
_tell(
    "links",
    "one-link-for-all",
    "All results are the first.",
    "several",
    results=lambda body: (
        body["results"][:1] * len(body["results"]) if body.get("results") else None
    ),
)
_tell(
    "links",
    "relative-links",
    "Links are paths.",
    "road",
    results=lambda body: ["/media/a.png" for _ in body["results"]] if body.get("results") else None,
)


@after("links", "Links lead to a page that says sorry.", files, "file")
def sorry(_call: Call, reply: Reply, _state: State) -> None:
    reply.set("content-type", "text/html")
    reply.write(b"<h1>Sorry</h1>")


@after("links", "Links lead nowhere.", files, "file")
def dead_links(_call: Call, reply: Reply, _state: State) -> None:
    reply.status = 404


@after("links", "Files are empty.", files, "file")
def empty_files(_call: Call, reply: Reply, _state: State) -> None:
    reply.write(b"")


@after("links", "Films are pictures.", files, "film")
def films_are_pictures(call: Call, reply: Reply, _state: State) -> None:
    if call.path.endswith(".mp4"):
        reply.set("content-type", "image/png")
        reply.write(b"\x89PNG\r\n\x1a\n" + bytes(64))


@after("links", "Pictures are half as wide.", files, "file")
def half_pictures(_call: Call, reply: Reply, _state: State) -> None:
    if reply.content.startswith(b"\x89PNG"):
        width = int.from_bytes(reply.content[16:20], "big") // 2
        reply.write(reply.content[:16] + width.to_bytes(4, "big") + reply.content[20:])


def _usage(name: str, says: str, script: str, **changes: Any) -> None:
    def told(body: Any) -> Any:
        usage = body.get("usage") or {}
        return {
            **usage,
            **{key: one(body) if callable(one) else one for key, one in changes.items()},
        }

    _tell("billing", name, says, script, submits, usage=told)


_usage("negative-credits", "Credits are negative.", "submit", credits_reserved=-1)
_usage("free-lunch", "Everything costs one credit.", "prices", credits_reserved=1)
_usage(
    "dearer-each-time",
    "The same costs more each time.",
    "twice",
    credits_reserved=lambda body: time.monotonic(),
)
_usage(
    "rule-at-random",
    "The rule of billing changes from task to task.",
    "twice",
    billing_rule=lambda body: ("per_call", "per_second")[int(body["id"][-1], 36) % 2],
)
_usage(
    "unknown-rule",
    "The rule of billing is one that the documents don't have.",
    "submit",
    billing_rule="per_pixel",
)


@before("idempotency", "Idempotency keys are ignored.", submits, "replay")
def key_ignored(call: Call, _state: State) -> Reply | None:
    call.headers.pop("idempotency-key", None)
    return None


@after("idempotency", "A replay isn't told as one.", submits, "replay")
def replay_untold(_call: Call, reply: Reply, _state: State) -> None:
    reply.set("idempotency-replayed", None)


@after("idempotency", "Every answer is told as a replay.", submits, "submit")
def replay_told_always(_call: Call, reply: Reply, _state: State) -> None:
    if reply.status == 200:
        reply.set("idempotency-replayed", "true")


@before("idempotency", "All keys are one key.", submits, "two-keys")
def one_key_for_all(call: Call, _state: State) -> Reply | None:
    if "idempotency-key" in call.headers:
        call.headers["idempotency-key"] = "one-key-for-all-of-them"
    return None


@before("idempotency", "Equal requests are one task, key or no key.", submits, "twice")
def equal_is_same(call: Call, _state: State) -> Reply | None:
    call.headers.setdefault("idempotency-key", f"equal-request-{zlib.crc32(call.content):08x}")
    return None


@before("idempotency", "A used key hides another request.", submits, "misused-key")
def key_hides_request(call: Call, state: State) -> Reply | None:
    key = call.headers.get("idempotency-key")
    if key:
        call.content = state.setdefault(key, call.content)
    return None


@before("timing", "Queries take half a minute.", queries, "look-slow")
def slow_queries(call: Call, state: State) -> Reply | None:
    if _counted(call, state) == 2:
        time.sleep(30)
    return None
