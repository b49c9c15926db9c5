"""Laws of the one rule that says whether a response to a submission may have accepted it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.core.fake_driver import TASK_ID, Stage, in_turn, reply
from wanflow import errors
from wanflow._core.effects import Request, Response
from wanflow._core.rate_limiter import PollRateLimiter
from wanflow._core.snapshot import Snapshot
from wanflow._core.submission_response import Acceptance, accepted_task, classify, is_rejection
from wanflow._flows.prepare import PreparedRequest
from wanflow._flows.submit import submit

if TYPE_CHECKING:
    from collections.abc import Callable

STATUSES = range(100, 600)
DOCUMENTED = {"error": {"code": 1, "message": "no", "type": "some_error"}}
ENVOY = (
    b"upstream connect error or disconnect/reset before headers. "
    b"reset reason: connection termination"
)
# What names no task, and whether it is the documents' error object.
NAMELESS: dict[str, tuple[bytes, bool]] = {
    "documented error": (json.dumps(DOCUMENTED).encode(), True),
    "string code": (b'{"error": {"code": "rate_limit_exceeded", "message": "no"}}', True),
    "type and no code": (b'{"error": {"message": "no", "type": "some_error"}}', True),
    "empty": (b"", False),
    "HTML": (b"<!doctype html><title>Service unavailable</title>", False),
    "Envoy": (ENVOY, False),
    "no object": (b"[1, 2]", False),
    "error that is text": (b'{"error": "busy"}', False),
    "message alone": (b'{"error": {"message": "busy"}}', False),
    "no message": (b'{"error": {"code": 503, "type": "busy"}}', False),
    "error elsewhere": (b'{"data": {"error": {"code": 1, "message": "no"}}}', False),
    "another gateway's error": (b'{"message": "no", "code": 503}', False),
    "empty ids": (b'{"id": "", "task_id": null, "data": [{"id": " "}, {}]}', False),
    "numbers that are no ids": (b'{"id": 0, "task_id": true, "data": {"id": -1}}', False),
    "an id that was cut off": (b'{"id": "task-unified-17600', False),
    "two ids in a text": (b"task-unified-1-a or task-unified-2-b?", False),
}
# Where a gateway of this family puts the id of a task.
FIELDS: dict[str, Callable[[Any], Any]] = {
    "id": lambda value: {"id": value},
    "task_id": lambda value: {"task_id": value},
    "data.id": lambda value: {"data": {"id": value}},
    "data.task_id": lambda value: {"code": 200, "data": {"task_id": value, "status": "submitted"}},
    "data[0].task_id": lambda value: {"data": [{"task_id": value, "id": "another"}]},
    "data[0].id": lambda value: {"data": [{"id": value}]},
    "beside an error": lambda value: {"id": value, **DOCUMENTED},
    "beside empty ones": lambda value: {"id": None, "task_id": " ", "data": {"task_id": value}},
}
# How it may be written there, and the id that is meant.
WRITTEN: dict[str, tuple[Any, str]] = {
    "as it is": (TASK_ID, TASK_ID),
    "with white space": (f"\t{TASK_ID} \r\n", TASK_ID),
    "another service's": ("gen_0193.ab ", "gen_0193.ab"),
    "a number": (12345, "12345"),
    "a large number": (9_007_199_254_740_993, "9007199254740993"),
    "a number with a point": (12345.0, "12345"),
}
PLACES: dict[str, Any] = {
    **{place: fill(TASK_ID) for place, fill in FIELDS.items()},
    "in a message": {"error": {"code": 1, "message": f"{TASK_ID} is queued."}},
    "deep": {"output": [{"job": {"name": TASK_ID}}]},
}
NAMING = {
    **{place: json.dumps(body).encode() for place, body in PLACES.items()},
    "text": f"created {TASK_ID}\n".encode(),
    "JSON that was cut off": json.dumps({"id": TASK_ID, "status": "pending"}).encode()[:-9],
    "JSON with wrong quotes": str({"id": TASK_ID}).encode(),
}


def proves(status: int, *, documented: bool) -> Acceptance:
    """What a response that names no task proves, by its status."""
    if status in {429, 503}:
        return Acceptance.RETRYABLE if documented else Acceptance.UNCERTAIN
    if status in range(400, 500) and status not in {408, 409, 460, 499}:
        return Acceptance.REJECTED
    return Acceptance.UNCERTAIN


@pytest.mark.parametrize(("content", "documented"), NAMELESS.values(), ids=NAMELESS)
def test_only_a_rejection_proves_that_nothing_was_accepted(
    content: bytes, documented: bool
) -> None:
    """A 4xx rejects; a 429 or 503 does only as the documents write it; all else proves nothing."""
    for status in STATUSES:
        found = classify(Response(status, {}, content))
        assert found.acceptance is proves(status, documented=documented), status
        assert found.task_id is None


@pytest.mark.parametrize("content", NAMING.values(), ids=NAMING)
def test_what_names_a_task_may_have_accepted_it(content: bytes) -> None:
    """A 2xx that names a task accepted it; any other status that does is never a rejection."""
    for status in STATUSES:
        found = classify(Response(status, {}, content))
        success = status in range(200, 300)
        assert found.acceptance is (Acceptance.ACCEPTED if success else Acceptance.UNCERTAIN)
        assert found.task_id == TASK_ID


def test_an_address_can_name_the_task() -> None:
    """A 202 without a body says by its Location what it made."""
    for status in STATUSES:
        found = classify(Response(status, {"location": f"/v1/tasks/{TASK_ID}"}, b""))
        assert found.task_id == TASK_ID


@pytest.mark.parametrize(("value", "meant"), WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("fill", FIELDS.values(), ids=FIELDS)
def test_an_id_is_read_from_each_place_however_it_is_written(
    fill: Callable[[Any], Any], value: Any, meant: str
) -> None:
    """A number is kept as its digits, and white space around an id is no part of it."""
    for status in STATUSES:
        response = reply(status, fill(value))
        found = classify(response)
        assert found.task_id == meant, status
        assert (found.acceptance is Acceptance.ACCEPTED) == (status in range(200, 300))
        assert accepted_task(response, meant).id == meant


def test_an_id_that_was_sent_names_no_new_task() -> None:
    """A rejection may repeat the request, and an id in it is another task's."""
    sent = json.dumps({"image_urls": [f"https://files.example/{TASK_ID}.png"]}).encode()
    body = {"error": {"code": 400, "message": f"can't fetch https://files.example/{TASK_ID}.png"}}
    assert classify(reply(400, body), sent).acceptance is Acceptance.REJECTED
    assert classify(reply(400, body)).task_id == TASK_ID


@pytest.mark.parametrize("content", NAMING.values(), ids=NAMING)
def test_an_accepted_task_has_the_id_that_was_named(content: bytes) -> None:
    """Wherever the id was, and whatever else can be read of the body."""
    assert accepted_task(Response(200, {}, content), TASK_ID).id == TASK_ID


def order() -> PreparedRequest:
    return PreparedRequest(
        model="a-model",
        request=Request("POST", "/v1/videos/generations", b"{}"),
        body={"model": "a-model"},
        idempotency_key="0123456789abcdef",
    )


def outcome_of(response: Response) -> Snapshot | errors.WanflowError:
    """Submit, and return what came of it; nothing is sent a second time."""
    stage = Stage(in_turn([response]))
    try:
        return stage.play(submit(order(), retry_timeout=0, limiter=PollRateLimiter(10)))
    except errors.WanflowError as error:
        return error
    finally:
        assert len(stage.sent) == 1


@pytest.mark.parametrize(
    "content",
    [*(content for content, _ in NAMELESS.values()), *NAMING.values()],
    ids=[*NAMELESS, *NAMING],
)
def test_the_client_raises_what_the_rule_says(content: bytes) -> None:
    """Accepted is a task, uncertain is SubmitUncertain with all that came, the rest an APIError."""
    for status in STATUSES:
        response = Response(status, {}, content)
        found, outcome = classify(response), outcome_of(response)
        match found.acceptance:
            case Acceptance.ACCEPTED:
                assert isinstance(outcome, Snapshot)
                assert outcome.id == found.task_id
            case Acceptance.UNCERTAIN:
                assert isinstance(outcome, errors.SubmitUncertain)
                assert (outcome.status, outcome.task_id) == (status, found.task_id)
                assert outcome.body is not None
                assert "lost" not in str(outcome)
                assert not is_rejection(outcome)
            case _:
                assert isinstance(outcome, errors.APIError)
                assert is_rejection(outcome)


def test_an_error_with_200_keeps_its_code_and_message() -> None:
    """It came instead of a task and is no documented rejection: uncertain, with all it said."""
    outcome = outcome_of(reply(200, {"error": {"code": "quota_exceeded", "message": "top up"}}))
    assert isinstance(outcome, errors.SubmitUncertain)
    assert outcome.code == "quota_exceeded"
    assert "top up" in str(outcome)
    assert outcome.body == {"error": {"code": "quota_exceeded", "message": "top up"}}


def test_the_body_that_is_kept_is_bounded() -> None:
    """A page of megabytes leaves its beginning on the error."""
    for content in (b"x" * 10_000_000, json.dumps(["x" * 10_000_000]).encode()):
        outcome = outcome_of(Response(500, {}, content))
        assert isinstance(outcome, errors.SubmitUncertain)
        assert outcome.body == content[: 16 * 1024].decode()


def test_a_body_within_the_bound_is_kept_whole() -> None:
    """A page as its text, JSON as what it means."""
    page = f"<html>{'x' * 9_000}</html>\n"
    outcome = outcome_of(Response(502, {}, page.encode()))
    assert isinstance(outcome, errors.SubmitUncertain)
    assert outcome.body == page
    facts = {"trace": ["x" * 9_000]}
    outcome = outcome_of(reply(502, facts))
    assert isinstance(outcome, errors.SubmitUncertain)
    assert outcome.body == facts
