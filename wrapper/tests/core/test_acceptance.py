"""The rule that decides whether a response to a submission means that a task was accepted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.core.fake_driver import TASK_ID, FakeDriver, in_turn, response
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
# Bodies without a task id, and whether they are the documented error object.
WITHOUT_ID: dict[str, tuple[bytes, bool]] = {
    "documented error": (json.dumps(DOCUMENTED).encode(), True),
    "string code": (b'{"error": {"code": "rate_limit_exceeded", "message": "no"}}', True),
    "type and no code": (b'{"error": {"message": "no", "type": "some_error"}}', True),
    "empty": (b"", False),
    "HTML": (b"<!doctype html><title>Service unavailable</title>", False),
    "Envoy": (ENVOY, False),
    "an array": (b"[1, 2]", False),
    "error that is text": (b'{"error": "busy"}', False),
    "message alone": (b'{"error": {"message": "busy"}}', False),
    "no message": (b'{"error": {"code": 503, "type": "busy"}}', False),
    "error elsewhere": (b'{"data": {"error": {"code": 1, "message": "no"}}}', False),
    "another gateway's error": (b'{"message": "no", "code": 503}', False),
    "empty ids": (b'{"id": "", "task_id": null, "data": [{"id": " "}, {}]}', False),
    "numbers that aren't ids": (b'{"id": 0, "task_id": true, "data": {"id": -1}}', False),
    "an id that was cut off": (b'{"id": "task-unified-17600', False),
    "two ids in a text": (b"task-unified-1-a or task-unified-2-b?", False),
}
# Where a gateway may put the id of a task.
FIELDS: dict[str, Callable[[Any], Any]] = {
    "id": lambda value: {"id": value},
    "task_id": lambda value: {"task_id": value},
    "data.id": lambda value: {"data": {"id": value}},
    "data.task_id": lambda value: {"code": 200, "data": {"task_id": value, "status": "submitted"}},
    "data[0].task_id": lambda value: {"data": [{"task_id": value, "id": "another"}]},
    "data[0].id": lambda value: {"data": [{"id": value}]},
    "beside an error": lambda value: {"id": value, **DOCUMENTED},
    "beside empty ids": lambda value: {"id": None, "task_id": " ", "data": {"task_id": value}},
}
# How the id may be written there, and the id that is read.
WRITTEN: dict[str, tuple[Any, str]] = {
    "as it is": (TASK_ID, TASK_ID),
    "with white space": (f"\t{TASK_ID} \r\n", TASK_ID),
    "another service's": ("gen_0193.ab ", "gen_0193.ab"),
    "a number": (12345, "12345"),
    "a large number": (9_007_199_254_740_993, "9007199254740993"),
    "a number with a point": (12345.0, "12345"),
}
POSITIONS: dict[str, Any] = {
    **{position: fill(TASK_ID) for position, fill in FIELDS.items()},
    "in a message": {"error": {"code": 1, "message": f"{TASK_ID} is queued."}},
    "deep": {"output": [{"job": {"name": TASK_ID}}]},
}
WITH_ID = {
    **{position: json.dumps(body).encode() for position, body in POSITIONS.items()},
    "text": f"created {TASK_ID}\n".encode(),
    "JSON that was cut off": json.dumps({"id": TASK_ID, "status": "pending"}).encode()[:-9],
    "JSON with wrong quotes": str({"id": TASK_ID}).encode(),
}


def expected_acceptance(status: int, *, documented: bool) -> Acceptance:
    """Return what a response without a task id means, by its status."""
    if status in {429, 503}:
        return Acceptance.RETRYABLE if documented else Acceptance.UNCERTAIN
    if status in range(400, 500) and status not in {408, 409, 460, 499}:
        return Acceptance.REJECTED
    return Acceptance.UNCERTAIN


@pytest.mark.parametrize(("content", "documented"), WITHOUT_ID.values(), ids=WITHOUT_ID)
def test_only_a_rejection_proves_that_nothing_was_accepted(
    content: bytes, documented: bool
) -> None:
    """A 4xx rejects; a 429 or 503 only with the documented body; all else is uncertain."""
    for status in STATUSES:
        found = classify(Response(status, {}, content))
        assert found.acceptance is expected_acceptance(status, documented=documented), status
        assert found.task_id is None


@pytest.mark.parametrize("content", WITH_ID.values(), ids=WITH_ID)
def test_a_response_with_an_id_may_have_accepted_the_task(content: bytes) -> None:
    """A 2xx with an id accepts; another status with an id is uncertain, never a rejection."""
    for status in STATUSES:
        found = classify(Response(status, {}, content))
        success = status in range(200, 300)
        assert found.acceptance is (Acceptance.ACCEPTED if success else Acceptance.UNCERTAIN)
        assert found.task_id == TASK_ID


def test_the_id_can_be_in_the_location() -> None:
    """A 202 without a body may have the URL of the task in its Location."""
    for status in STATUSES:
        found = classify(Response(status, {"location": f"/v1/tasks/{TASK_ID}"}, b""))
        assert found.task_id == TASK_ID


@pytest.mark.parametrize(("value", "expected"), WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize("fill", FIELDS.values(), ids=FIELDS)
def test_an_id_is_read_from_each_position_and_in_each_form(
    fill: Callable[[Any], Any], value: Any, expected: str
) -> None:
    """A number is read as its digits, and white space around an id is removed."""
    for status in STATUSES:
        received = response(status, fill(value))
        found = classify(received)
        assert found.task_id == expected, status
        assert (found.acceptance is Acceptance.ACCEPTED) == (status in range(200, 300))
        assert accepted_task(received, expected).id == expected


def test_an_id_in_the_request_is_not_a_new_task() -> None:
    """A rejection may repeat the request, in which an id belongs to an earlier task."""
    sent = json.dumps({"image_urls": [f"https://files.example/{TASK_ID}.png"]}).encode()
    body = {"error": {"code": 400, "message": f"can't fetch https://files.example/{TASK_ID}.png"}}
    assert classify(response(400, body), sent).acceptance is Acceptance.REJECTED
    assert classify(response(400, body)).task_id == TASK_ID


@pytest.mark.parametrize("content", WITH_ID.values(), ids=WITH_ID)
def test_an_accepted_task_has_the_id_of_the_response(content: bytes) -> None:
    """It has the id, whatever else the body contains."""
    assert accepted_task(Response(200, {}, content), TASK_ID).id == TASK_ID


def prepared_request() -> PreparedRequest:
    return PreparedRequest(
        model="a-model",
        request=Request("POST", "/v1/videos/generations", b"{}"),
        body={"model": "a-model"},
        idempotency_key="0123456789abcdef",
    )


def outcome_of(response: Response) -> Snapshot | errors.WanflowError:
    """Submit, and return the snapshot or the error; nothing is sent a second time."""
    driver = FakeDriver(in_turn([response]))
    try:
        return driver.run(submit(prepared_request(), retry_timeout=0, limiter=PollRateLimiter(10)))
    except errors.WanflowError as error:
        return error
    finally:
        assert len(driver.sent) == 1


@pytest.mark.parametrize(
    "content",
    [*(content for content, _ in WITHOUT_ID.values()), *WITH_ID.values()],
    ids=[*WITHOUT_ID, *WITH_ID],
)
def test_the_client_raises_the_error_of_the_rule(content: bytes) -> None:
    """Accepted gives a task, uncertain a SubmitUncertain with the body, the rest an APIError."""
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
    """There is no task and no documented rejection, so it is uncertain, with code and message."""
    outcome = outcome_of(response(200, {"error": {"code": "quota_exceeded", "message": "top up"}}))
    assert isinstance(outcome, errors.SubmitUncertain)
    assert outcome.code == "quota_exceeded"
    assert "top up" in str(outcome)
    assert outcome.body == {"error": {"code": "quota_exceeded", "message": "top up"}}


def test_the_body_of_an_error_is_limited() -> None:
    """The error has only the beginning of a large body."""
    for content in (b"x" * 10_000_000, json.dumps(["x" * 10_000_000]).encode()):
        outcome = outcome_of(Response(500, {}, content))
        assert isinstance(outcome, errors.SubmitUncertain)
        assert outcome.body == content[: 16 * 1024].decode()


def test_a_body_within_the_limit_is_kept_completely() -> None:
    """HTML is kept as text, JSON as a value."""
    page = f"<html>{'x' * 9_000}</html>\n"
    outcome = outcome_of(Response(502, {}, page.encode()))
    assert isinstance(outcome, errors.SubmitUncertain)
    assert outcome.body == page
    facts = {"trace": ["x" * 9_000]}
    outcome = outcome_of(response(502, facts))
    assert isinstance(outcome, errors.SubmitUncertain)
    assert outcome.body == facts
