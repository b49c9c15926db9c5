"""Mutants written by hand: accounts, identity, the life cycle, billing, links, keys and timing."""

from __future__ import annotations

import io
import time
import zlib
from typing import TYPE_CHECKING, Any

from PIL import Image

from self_tests.mutation.mutant import Mutant, after, before, files, queries, register, submits

if TYPE_CHECKING:
    from collections.abc import Callable

    from self_tests.mutation.fault_layer import MutableRequest, MutableResponse

    State = dict[str, Any]


def _set_fields(
    kind: str, name: str, description: str, script: str, where: Any = queries, **changes: Any
) -> None:
    """Register a mutant that changes fields of a successful response; functions are called."""

    @after(kind, description, where, script, name)
    def alter(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
        body = response.body
        if response.status != 200 or not isinstance(body, dict) or "status" not in body:
            return
        changed = {key: one(body) if callable(one) else one for key, one in changes.items()}
        response.set_body({key: one for key, one in {**body, **changed}.items() if one is not None})


def _while_status(status: str, field: str, value: Any) -> Callable[[Any], Any]:
    """Return a function that changes a field while a task has a status."""
    return lambda body: value if body["status"] == status else body.get(field)


def _count_polls(call: MutableRequest, state: State) -> int:
    """Count the polls of a task."""
    polls: dict[str, int] = state.setdefault("polls", {})
    polls[call.task_id] = polls.get(call.task_id, 0) + 1
    return polls[call.task_id]


def _owned(call: MutableRequest, state: State) -> MutableResponse | None:
    owner = state.get(call.task_id) if call.is_query else None
    if owner and call.headers.get("authorization", "").startswith("Bearer "):
        call.headers["authorization"] = owner
    return None


def _remembered(call: MutableRequest, response: MutableResponse, state: State) -> None:
    if call.is_submission and response.status == 200:
        state[response.body["id"]] = call.headers["authorization"]


register(
    Mutant(
        "any-account-sees",
        "auth",
        "Any account sees any task.",
        "other-account",
        before=_owned,
        after=_remembered,
    )
)


@before(
    "auth", "A request without a key is accepted with the last key.", lambda _call: True, "keyless"
)
def no_key_needed(call: MutableRequest, state: State) -> MutableResponse | None:
    shown = call.headers.get("authorization", "")
    if shown.startswith("Bearer ") and len(shown) > 20:
        state["last"] = shown
    elif "last" in state and not shown:
        call.headers["authorization"] = state["last"]
    return None


@before("auth", "Queries need no key.", queries, "keyless-poll")
def queries_need_no_key(call: MutableRequest, state: State) -> MutableResponse | None:
    return no_key_needed(call, state)


@before("auth", "Any scheme is accepted.", lambda _call: True, "scheme")
def any_scheme(call: MutableRequest, _state: State) -> MutableResponse | None:
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    if scheme == "Token":
        call.headers["authorization"] = f"Bearer {token}"
    return None


@before("auth", "A key without a scheme is accepted.", lambda _call: True, "bare")
def no_scheme(call: MutableRequest, _state: State) -> MutableResponse | None:
    shown = call.headers.get("authorization", "")
    if shown and " " not in shown:
        call.headers["authorization"] = f"Bearer {shown}"
    return None


@before("auth", "A key in X-API-Key is accepted, too.", lambda _call: True, "x-api-key")
def another_header(call: MutableRequest, _state: State) -> MutableResponse | None:
    if "authorization" not in call.headers and "x-api-key" in call.headers:
        call.headers["authorization"] = f"Bearer {call.headers['x-api-key']}"
    return None


@before("auth", "A key in the address is accepted, too.", lambda _call: True, "query-key")
def key_in_the_address(call: MutableRequest, _state: State) -> MutableResponse | None:
    if "authorization" not in call.headers and "key=" in call.query:
        call.headers["authorization"] = "Bearer " + call.query.rpartition("key=")[2]
    return None


_set_fields(
    "identity",
    "another-id",
    "A poll shows the id in capitals.",
    "poll",
    id=lambda body: body["id"].upper(),
)
_set_fields(
    "identity",
    "foreign-id",
    "Ids don't begin with task-unified-.",
    "submit",
    submits,
    id=lambda body: body["id"].replace("task-unified-", "task-"),
)
_set_fields(
    "identity",
    "model-forgotten",
    "A poll names another model.",
    "poll",
    model=lambda body: body["model"][:-1],
)
_set_fields(
    "identity",
    "receipt-of-another-model",
    "A receipt names another model.",
    "submit",
    submits,
    model=lambda body: body["model"] + "-turbo",
)
_set_fields(
    "identity",
    "created-moves",
    "The time of creation is that of the poll.",
    "poll-late",
    created=lambda body: body["created"] + int(time.monotonic() * 1000) % 7 + 1,
)
_set_fields(
    "identity",
    "created-in-milliseconds",
    "The time of creation is in milliseconds.",
    "submit",
    lambda call: submits(call) or queries(call),
    created=lambda body: body["created"] * 1000,
)
_set_fields(
    "identity",
    "created-elsewhere",
    "The time of creation is eight hours off.",
    "submit",
    lambda call: submits(call) or queries(call),
    created=lambda body: body["created"] + 28800,
)
_set_fields(
    "identity",
    "created-an-hour-ahead",
    "The time of creation is an hour ahead.",
    "submit",
    lambda call: submits(call) or queries(call),
    created=lambda body: body["created"] + 3600,
)
_set_fields(
    "identity",
    "kind-of-another",
    "Each task is an audio task.",
    "poll",
    object="audio.generation.task",
)
_set_fields(
    "identity", "type-of-another", "Each task has the type text.", "submit", submits, type="text"
)


@after("identity", "All tasks of one second have one id.", submits, "twice")
def one_id_a_second(_call: MutableRequest, response: MutableResponse, state: State) -> None:
    body = response.body
    if response.status == 200:
        response.set_body({**body, "id": state.setdefault(str(body["created"]), body["id"])})


_set_fields(
    "life cycle",
    "done-at-99",
    "A completed task is at 99.",
    "poll-to-end",
    progress=_while_status("completed", "progress", 99),
)
_set_fields(
    "life cycle",
    "hundred-too-early",
    "A running task is at 100.",
    "poll-to-end",
    progress=_while_status("processing", "progress", 100),
)
_set_fields(
    "life cycle",
    "done-without-results",
    "A completed task has no results.",
    "poll-to-end",
    results=_while_status("completed", "results", None),
)
_set_fields(
    "life cycle",
    "done-with-empty-results",
    "A completed task has a list of no results.",
    "poll-to-end",
    results=_while_status("completed", "results", []),
)
_set_fields(
    "life cycle",
    "results-too-early",
    "A running task has results.",
    "poll-to-end",
    results=_while_status("processing", "results", ["https://example.com/early.png"]),
)
_set_fields(
    "life cycle",
    "failed-without-error",
    "A failed task doesn't say why.",
    "failed",
    error=_while_status("failed", "error", None),
)
_set_fields(
    "life cycle",
    "failed-with-unknown-code",
    "A failed task has an unknown error code.",
    "failed",
    error=_while_status("failed", "error", {"code": "oops", "message": "a", "type": "task_error"}),
)
_set_fields(
    "life cycle",
    "failed-with-results",
    "A failed task has results.",
    "failed",
    results=_while_status("failed", "results", ["https://example.com/a.png"]),
)
_set_fields(
    "life cycle",
    "done-with-error",
    "A completed task has an error.",
    "poll-to-end",
    error=_while_status(
        "completed", "error", {"code": "service_error", "message": "a", "type": "task_error"}
    ),
)
_set_fields(
    "life cycle",
    "cancelled",
    "A failed task is called cancelled.",
    "failed",
    status=lambda body: "cancelled" if body["status"] == "failed" else body["status"],
)
_set_fields(
    "life cycle",
    "failed-for-ever-pending",
    "A failed task is pending for ever.",
    "failed",
    status=lambda body: "pending" if body["status"] == "failed" else body["status"],
    error=None,
)
_set_fields(
    "life cycle",
    "never-done",
    "A task is never done.",
    "poll-to-end",
    status=lambda body: "processing" if body["status"] == "completed" else body["status"],
    progress=_while_status("completed", "progress", 99),
    results=None,
)


@after("life cycle", "A task is pending again at each third poll.", queries, "poll-to-end")
def pending_again(call: MutableRequest, response: MutableResponse, state: State) -> None:
    if response.status == 200 and _count_polls(call, state) % 3 == 0:
        response.set_body({**response.body, "status": "pending", "progress": 0, "results": []})


@after("life cycle", "A completed task has failed at the fourth poll.", queries, "poll-to-end")
def failed_after_all(call: MutableRequest, response: MutableResponse, state: State) -> None:
    if response.status == 200 and _count_polls(call, state) >= 4:
        error = {"code": "service_error", "message": "a", "type": "task_error"}
        body = {**response.body, "status": "failed", "progress": 0, "error": error}
        body.pop("results", None)
        response.set_body(body)


@after("life cycle", "Progress falls while a task runs.", queries, "slow")
def progress_falls(call: MutableRequest, response: MutableResponse, state: State) -> None:
    if response.status == 200 and response.body["status"] == "processing":
        response.set_body(
            {**response.body, "progress": max(1, 90 - 20 * _count_polls(call, state))}
        )


@after("life cycle", "A new task isn't found at the first poll.", queries, "poll")
def not_found_at_first(call: MutableRequest, response: MutableResponse, state: State) -> None:
    if response.status == 200 and _count_polls(call, state) == 1:
        error = {"code": 404, "message": "Task not found", "type": "not_found_error"}
        response.status = 404
        response.set_body({"error": error})


@after("life cycle", "A completed task is gone once it was seen.", queries, "poll-to-end")
def gone_once_seen(call: MutableRequest, response: MutableResponse, state: State) -> None:
    if response.status != 200 or response.body["status"] != "completed":
        return
    if call.task_id in state:
        response.status = 404
        error = {"code": 404, "message": "Task not found", "type": "not_found_error"}
        response.set_body({"error": error})
    state[call.task_id] = True


@after("life cycle", "A result is lost at the second poll of a completed task.", queries, "several")
def result_lost(call: MutableRequest, response: MutableResponse, state: State) -> None:
    if response.status == 200 and response.body["status"] == "completed":
        if call.task_id in state:
            response.set_body({**response.body, "results": response.body["results"][1:]})
        state[call.task_id] = True


@after("life cycle", "Results are lost at the third poll of a completed task.", queries, "several")
def results_lost_later(call: MutableRequest, response: MutableResponse, state: State) -> None:
    completed = response.status == 200 and response.body["status"] == "completed"
    if completed and _count_polls(call, state) > 2:
        response.set_body({**response.body, "results": response.body["results"][:1]})


_set_fields(
    "links",
    "one-result-only",
    "There is one result, however many were requested.",
    "several",
    results=lambda body: body["results"][:1] if body.get("results") else None,
)
_set_fields(
    "links",
    "two-of-three",
    "Of three requested results, two are given.",
    "several",
    results=lambda body: body["results"][:2] if len(body.get("results", ())) == 3 else None,
)
_set_fields(
    "links",
    "one-result-too-many",
    "There is one result more than requested.",
    "poll-to-end",
    results=lambda body: (
        [*body["results"], body["results"][0] + "?again"] if body.get("results") else None
    ),
)
_set_fields(
    "links",
    "one-link-for-all",
    "All results are the first.",
    "several",
    results=lambda body: (
        body["results"][:1] * len(body["results"]) if body.get("results") else None
    ),
)
_set_fields(
    "links",
    "relative-links",
    "Links are relative paths.",
    "poll-to-end",
    results=lambda body: ["/media/a.png" for _ in body["results"]] if body.get("results") else None,
)


@after("links", "Links lead to an HTML page.", files, "file")
def html_page(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    response.set_header("content-type", "text/html")
    response.set_content(b"<h1>Sorry</h1>")


@after("links", "Links lead nowhere.", files, "file")
def dead_links(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    response.status = 404


@after("links", "Files are empty.", files, "file")
def empty_files(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    response.set_content(b"")


@after("links", "Videos are images.", files, "video")
def videos_are_images(call: MutableRequest, response: MutableResponse, _state: State) -> None:
    if call.path.endswith(".mp4"):
        response.set_header("content-type", "image/png")
        response.set_content(b"\x89PNG\r\n\x1a\n" + bytes(64))


@after("links", "Images are half as wide.", files, "file")
def half_pictures(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    if response.content.startswith(b"\x89PNG"):
        width = int.from_bytes(response.content[16:20], "big") // 2
        response.set_content(
            response.content[:16] + width.to_bytes(4, "big") + response.content[20:]
        )


def _image_as(
    name: str, description: str, form: str, change: Callable[[bytes], bytes] = bytes, part: int = 1
) -> None:
    """Register a mutant whose images have a format and a part of their sides; `change` breaks them.

    The media type is right, unless `form` says another one.
    """
    drawn, _, said = form.partition(" as ")

    def whole(call: MutableRequest, _state: State) -> None:
        call.headers.pop("range", None)

    def other(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
        if response.content.startswith(b"\x89PNG"):
            with Image.open(io.BytesIO(response.content)) as image:
                smaller = image.convert("RGB").resize([one // part for one in image.size])
            smaller.save(buffer := io.BytesIO(), drawn)
            response.set_content(change(buffer.getvalue()))
            response.set_header("content-type", f"image/{said or drawn}")

    register(Mutant(name, "links", description, "file", files, before=whole, after=other))


_image_as("half-jpegs", "Images are JPEGs with half of the sides.", "jpeg", part=2)
_image_as("half-webps", "Images are WebPs with half of the sides.", "webp", part=2)
_image_as("webp-labelled-png", "WebP images are labelled as PNG.", "webp as png")
_image_as("webp-cut", "WebP images lack their last bytes.", "webp", lambda whole: whole[:-20])
_image_as("bmp-cut", "BMP images lack their last bytes.", "bmp", lambda whole: whole[:-20])


def _usage(name: str, description: str, script: str, **changes: Any) -> None:
    def changed(body: Any) -> Any:
        usage = body.get("usage") or {}
        return {
            **usage,
            **{key: one(body) if callable(one) else one for key, one in changes.items()},
        }

    _set_fields("billing", name, description, script, submits, usage=changed)


_usage("negative-credits", "Credits are negative.", "submit", credits_reserved=-1)
_usage("price-is-always-one", "Everything costs one credit.", "prices", credits_reserved=1)
_usage(
    "price-rises-each-time",
    "Equal requests cost more each time.",
    "twice",
    credits_reserved=lambda body: time.monotonic(),
)
_usage(
    "rule-at-random",
    "The billing rule changes from task to task.",
    "twice",
    billing_rule=lambda body: ("per_call", "per_second")[int(body["id"][-1], 36) % 2],
)
_usage(
    "unknown-rule",
    "The billing rule is one that the documents don't have.",
    "submit",
    billing_rule="per_pixel",
)


@before("idempotency", "Idempotency keys are ignored.", submits, "replay")
def key_ignored(call: MutableRequest, _state: State) -> MutableResponse | None:
    call.headers.pop("idempotency-key", None)
    return None


@after("idempotency", "A replay isn't marked as one.", submits, "replay")
def replay_not_marked(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    response.set_header("idempotency-replayed", None)


@after("idempotency", "Every response is marked as a replay.", submits, "submit")
def always_marked_as_replay(
    _call: MutableRequest, response: MutableResponse, _state: State
) -> None:
    if response.status == 200:
        response.set_header("idempotency-replayed", "true")


@before("idempotency", "All keys are one key.", submits, "two-keys")
def one_key_for_all(call: MutableRequest, _state: State) -> MutableResponse | None:
    if "idempotency-key" in call.headers:
        call.headers["idempotency-key"] = "one-key-for-all-of-them"
    return None


@before("idempotency", "Equal requests make one task, with a key or without.", submits, "twice")
def equal_is_same(call: MutableRequest, _state: State) -> MutableResponse | None:
    call.headers.setdefault("idempotency-key", f"equal-request-{zlib.crc32(call.content):08x}")
    return None


@before(
    "idempotency", "A used key with another request returns the first task.", submits, "misused-key"
)
def key_hides_request(call: MutableRequest, state: State) -> MutableResponse | None:
    key = call.headers.get("idempotency-key")
    if key:
        call.content = state.setdefault(key, call.content)
    return None


@before("timing", "Queries take half a minute.", queries, "poll-slow")
def slow_queries(call: MutableRequest, state: State) -> MutableResponse | None:
    if _count_polls(call, state) == 2:
        time.sleep(30)
    return None
