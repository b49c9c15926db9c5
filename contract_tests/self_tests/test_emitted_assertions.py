"""Each assertion of emitted tests passes for right responses, and fails for wrong ones."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import REGISTRY
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.triage.emitted_assertions import ASSERTIONS, STATUSES

MODEL = next(one for one in packaged_contract().catalog.models.values() if one.kind == "image")
FACTS: dict[str, Any] = {
    "statuses": [],
    "schemas": {"GET 200": {"type": "object", "required": ["id"]}},
    "types": {"400": ["invalid_request_error"]},
    "param": "n",
    "code": 500,
    "status": 400,
    "invalid": False,
    "kind": "image",
    "results": 1,
    "required": [],
}
ID = "task-unified-1-a"
MADE = {
    "id": ID,
    "model": MODEL.name,
    "status": "pending",
    "created": int(time.time()),
    "object": "image.generation.task",
    "type": "image",
}
ENDED = {
    "id": ID,
    "status": "completed",
    "progress": 100,
    "results": ["http://x/1"],
    "usage": {"credits_used": 1},
}
ERROR = {"code": 400, "message": "It is 5", "type": "invalid_request_error", "param": "prompt"}


def refusal(**changed: Any) -> httpx.Response:
    """Return a refusal whose error is changed."""
    return httpx.Response(400, json={"error": {**ERROR, **changed}})


def status(code: int, **headers: str) -> httpx.Response:
    return httpx.Response(code, json={}, headers=headers)


def ok(body: Any, **changed: Any) -> httpx.Response:
    return httpx.Response(200, json={**body, **changed})


def reserved(number: int, name: str = ID) -> httpx.Response:
    return ok({"id": name, "usage": {"credits_reserved": number}})


POST, GET = "POST", "GET"
HTML = httpx.Response(200, text="<p>", headers={"content-type": "text/html"})
TWICE = [("retry-after", "1"), ("retry-after", "2")]
# By function: the method of the requests, right responses, and several wrong ones.
RESPONSES: dict[str, tuple[str, list[httpx.Response], list[list[httpx.Response]]]] = {
    "has_no_server_error": (POST, [status(400)], [[status(500)]]),
    "is_json": (GET, [ok({})], [[HTML], [httpx.Response(200, content=b"{}")]]),
    "matches_schema": (GET, [ok(ENDED)], [[ok({})]]),
    "has_an_error": (POST, [refusal()], [[status(400)], [refusal(message="")]]),
    "has_the_code_of_its_status": (POST, [refusal()], [[refusal(code=500)]]),
    "has_a_documented_error_type": (POST, [refusal()], [[refusal(type="error")]]),
    "names_another_parameter": (POST, [refusal()], [[refusal(param="n")]]),
    "creates_a_task": (
        POST,
        [ok(MADE)],
        [[ok(MADE, **{name: None})] for name in ("id", "model", "status", "created")],
    ),
    "stays_itself": (GET, [ok(MADE), ok(MADE)], [[ok(MADE), ok(MADE, created=1)]]),
    "moves_forward": (
        GET,
        [ok(ENDED, status="pending", progress=0), ok(ENDED), ok(ENDED)],
        [
            [ok(ENDED), ok(ENDED, status="pending")],
            [ok(ENDED), ok(ENDED, progress=99)],
            [ok(ENDED), ok(ENDED, usage={"credits_used": 2})],
        ],
    ),
    "is_consistent": (
        GET,
        [ok(ENDED)],
        [[ok(ENDED, progress=99)], [ok(ENDED, results=[])], [ok(ENDED, duration=-1)]],
    ),
    "costs_the_same": (POST, [reserved(1), reserved(1)], [[reserved(1), reserved(2)]]),
    "creates_two_tasks": (POST, [reserved(1), reserved(1, "b")], [[reserved(1), reserved(1)]]),
    "has_a_status": (GET, [ok(ENDED)], [[ok(ENDED, status=None)], [ok({"id": ID})]]),
    "has_no_task": (
        POST,
        [refusal()],
        [
            [httpx.Response(400, json={"error": ERROR, **more})]
            for more in (MADE, {"status": "failed"})
        ],
    ),
    "says_when_to_retry": (
        POST,
        [status(429, **{"Retry-After": "5"})],
        [
            [status(429, **{"Retry-After": "soon"})],
            [status(429, **{"Retry-After": "-1"})],
            [httpx.Response(429, headers=TWICE)],
        ],
    ),
    "challenges_with_bearer": (
        POST,
        [status(401, **{"WWW-Authenticate": 'Basic realm="a", Bearer'})],
        [[status(401, **{"WWW-Authenticate": 'Basic realm="bearer"'})]],
    ),
}


def received(method: str, responses: list[httpx.Response]) -> list[httpx.Response]:
    """Return the responses as a client gets them."""
    left = iter(responses)

    def answer(request: httpx.Request) -> httpx.Response:
        one = next(left)
        return httpx.Response(one.status_code, headers=one.headers.raw, content=one.content)

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        url = f"http://api.example{MODEL.path}"
        body = {"json": cheapest(MODEL)} if method == POST else {}
        return [client.request(method, url, **body) for _ in responses]


@pytest.mark.parametrize("name", sorted(ASSERTIONS))
def test_an_assertion_fails_for_each_wrong_response_only(name) -> None:
    """Of every check that is emitted."""
    assertion, facts = ASSERTIONS[name], dict(FACTS)
    if assertion.__name__ == "has_status":
        facts["statuses"] = sorted(STATUSES.get(name, {200, 400}))
        method, right, wrong = GET, [status(facts["statuses"][0])], [[status(500)], [status(302)]]
    else:
        method, right, wrong = RESPONSES[assertion.__name__]
    assertion(received(method, right), facts)
    for one in wrong:
        with pytest.raises(AssertionError):
            assertion(received(method, one), facts)


def test_only_known_checks_are_emitted() -> None:
    """A check that was renamed isn't forgotten."""
    assert ASSERTIONS.keys() <= REGISTRY.keys()
    assert {one.__name__ for one in ASSERTIONS.values()} == {*RESPONSES, "has_status"}
