"""Each assertion of emitted tests passes for right responses, and fails for wrong ones."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import httpx
import pytest

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import REGISTRY
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.triage import standalone
from wanflow_contract.triage.emitted_assertions import ASSERTIONS, STATUSES
from wanflow_contract.triage.not_emitted import REASONS, reason

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
    "method": "GET",
    "codes": ["generation_timeout"],
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


def kept(code: int, control: str, body: Any) -> httpx.Response:
    """Return a response that a cache may keep."""
    return httpx.Response(code, json=body, headers={"Cache-Control": control})


def expiring(code: int, body: Any) -> httpx.Response:
    """Return a response that a cache may keep for an hour."""
    expires = formatdate(time.time() + 3600, usegmt=True)
    return httpx.Response(code, json=body, headers={"Expires": expires})


def later(when: str) -> httpx.Response:
    """Return a refusal that asks to try again, with a suggestion."""
    return httpx.Response(429, json=LATER, headers={"Retry-After": when})


def failed(code: Any) -> httpx.Response:
    return ok({"id": ID, "status": "failed", "error": {"code": code}})


def replay(**changed: Any) -> httpx.Response:
    headers = {"Idempotency-Replayed": "true"}
    return httpx.Response(200, json={**MADE, **changed}, headers=headers)


POST, GET = "POST", "GET"
KEY = {"Authorization": "Bearer a-key-of-this-run"}
LATER = {"error": {**ERROR, "fallback_suggestion": "retry after 90 seconds"}}
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
    "lists_the_allowed_methods": (
        POST,
        [status(405, Allow="GET, PUT")],
        [[status(405, Allow="POST")], [status(405, Allow="PUT")], [status(405, Allow="")]],
    ),
    "is_dated_now": (
        POST,
        [status(200), status(200, Date=formatdate()), status(200, Date="now")],
        [[status(200, Date=formatdate(time.time() + day))] for day in (-86400, 86400)],
    ),
    "is_not_shared": (
        POST,
        [
            status(200, **{"Cache-Control": one})
            for one in ("private, max-age=9", "public, no-store")
        ],
        [[status(200, **{"Cache-Control": one})] for one in ("public", "s-maxage=60", "a, PUBLIC")],
    ),
    "is_not_kept_while_it_runs": (
        GET,
        [
            ok(ENDED, status="pending"),
            kept(200, "max-age=60", MADE),
            kept(200, "max-age=99", ENDED),
        ],
        [[kept(200, "private, max-age=600", MADE)], [expiring(200, MADE)]],
    ),
    "is_not_kept_until_the_retry": (
        POST,
        [kept(429, "max-age=60", {}), kept(503, "max-age=80", LATER), kept(400, "max-age=99", {})],
        [[kept(429, "max-age=61", {})], [kept(503, "max-age=91", LATER)], [expiring(429, {})]],
    ),
    "says_one_time_to_retry": (
        POST,
        [later("90"), later("5"), later(formatdate(usegmt=True)), later("soon")],
        [[later("91")], [later("99999999")], [later("Thu, 01 Jan 1970 00:00:00 GMT")]],
    ),
    "announces_its_length": (
        GET,
        [ok({}), httpx.Response(200, content=b"{}", headers={"Content-Length": "2"})],
        [[httpx.Response(200, content=b"{}", headers={"Content-Length": "02"})]],
    ),
    "has_an_accepted_coding": (
        GET,
        [ok({}), status(200, **{"Content-Encoding": "identity"})],
        [[status(200, **{"Content-Encoding": "x-unknown"})]],
    ),
    "has_no_request_error": (
        POST,
        [ok(MADE, error=ERROR), refusal()],
        [[ok({"error": ERROR})]],
    ),
    "fails_with_a_known_code": (
        GET,
        [failed("generation_timeout"), failed(5), ok(ENDED)],
        [[failed("bad_luck")], [failed("")]],
    ),
    "ends_in_time": (GET, [ok(MADE), ok(ENDED)], [[ok(MADE)], [status(200)]]),
    "makes_one_task": (
        POST,
        [ok(MADE), replay(), replay()],
        [
            [ok(MADE), ok(MADE)],
            [replay(), replay()],
            [ok(MADE), replay(), ok(MADE, id="b")],
            [ok(MADE), replay(id="b")],
            [ok(MADE), replay(created=1)],
            [ok(MADE), status(400)],
        ],
    ),
    "shows_no_key": (
        POST,
        [ok(MADE), httpx.Response(500, text="a-key-of-this-run")],
        [[ok(MADE, more="a-key-of-this-run")]],
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
        return [client.request(method, url, headers=KEY, **body) for _ in responses]


@pytest.mark.parametrize("name", sorted(ASSERTIONS))
def test_an_assertion_fails_for_each_wrong_response_only(name, monkeypatch) -> None:
    """Of every check that is emitted."""
    monkeypatch.setitem(standalone.KEYS, "API_KEY", "a-key-of-this-run")
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


def test_each_check_is_emitted_or_has_a_reason_why_not() -> None:
    """A check that is new or was renamed isn't forgotten."""
    assert ASSERTIONS.keys() | REASONS.keys() == REGISTRY.keys()
    assert not ASSERTIONS.keys() & REASONS.keys()
    assert {reason(one) for one in REASONS} == set(REASONS.values())
    assert {one.__name__ for one in ASSERTIONS.values()} == {*RESPONSES, "has_status"}
