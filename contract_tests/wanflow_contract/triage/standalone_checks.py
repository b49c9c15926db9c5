"""What a correct server does, by check: the assertions of emitted tests.

Each is copied into a test behind the source of `standalone`. It is called with the responses of a
run, and with the facts of the case.
"""

from __future__ import annotations

import json
import re
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from wanflow_contract.triage.standalone import ENDED, KEYS, error_of, fields, polls_of, problems

if TYPE_CHECKING:
    import httpx


def has_status(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """The last response has one of the right statuses."""
    assert responses[-1].status_code in facts["statuses"], responses[-1].text[:300]


def has_no_server_error(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """No response is a server error."""
    assert all(one.status_code < 500 for one in responses), responses[-1].text[:300]


def is_json(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """Each response is labelled as JSON once, and is JSON."""
    for one in responses:
        kinds = one.headers.get_list("content-type")
        assert len(kinds) == 1, kinds
        assert re.match(r"application/([a-z0-9.+-]+\+)?json\b", kinds[0], re.IGNORECASE), kinds
        charset = re.search(r"charset=\"?([^\s;\"]+)", kinds[0], re.IGNORECASE)
        assert charset is None or charset[1].lower() in ("utf-8", "utf8"), kinds
        json.loads(one.content.decode("utf-8"))


def matches_schema(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """Each response is valid against the documented schema of its status."""
    for one in responses:
        path = "/" + one.request.url.path.rpartition("/v1/")[2]
        kind = "GET" if one.request.method == "GET" else f"POST {path}"
        schema = facts["schemas"].get(f"{kind} {one.status_code}", {})
        found = problems(schema, one.json(), "the body")
        assert not found, found


def has_an_error(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """An error has a code, a message and a type."""
    error = error_of(responses[-1])
    assert str(error.get("message") or "").strip(), error
    assert re.search(r"\w{2}", str(error.get("message"))), error
    assert isinstance(error.get("message"), str), error
    assert isinstance(error.get("type"), str), error
    assert error["type"].strip(), error
    assert isinstance(error.get("code"), (int, str)), error
    assert not isinstance(error["code"], bool), error
    assert str(error["code"]).strip(), error


def has_the_code_of_its_status(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """An error's code is its status, or a word that isn't that of another status."""
    code, status = error_of(responses[-1]).get("code"), responses[-1].status_code
    assert code == status or (isinstance(code, str) and not code.isdigit()) or code == str(status)
    assert (code, status) != (facts["code"], facts["status"]), f"{code} with {status}"


def has_a_documented_error_type(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """An error's type is the one that is documented for its status."""
    types = facts["types"].get(str(responses[-1].status_code))
    assert types is None or error_of(responses[-1]).get("type") in types


def names_another_parameter(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """If an error names a parameter, the request gives cause for it."""
    assert error_of(responses[-1]).get("param") != facts["param"]


def creates_a_task(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """The response to a submission has the task's id, model, status and creation time."""
    made = fields(responses[0])
    if facts["invalid"] and 400 <= responses[0].status_code < 500:
        return  # a correct server makes no task
    assert all(made.get(name) is not None for name in ("id", "model", "status", "created")), made
    assert re.match("task-unified-.", made["id"]), made
    asked = json.loads(responses[0].request.content)
    assert made["model"] == asked["model"], made
    kind = str(made.get("type", facts["kind"]))
    assert (kind, made.get("object")) == (facts["kind"], f"{facts['kind']}.generation.task"), made
    assert isinstance(made["created"], (int, float)), made
    assert abs(made["created"] - time.time()) < 3600, made


def stays_itself(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """The id, model, kind and creation time of a task never change or disappear."""
    first = fields(responses[0])
    for seen in polls_of(responses):
        for name in ("id", "created", "model", "object", "type"):
            if name in first and (name in seen or name in facts["required"]):
                assert seen.get(name) == first[name], f"{name}: {first[name]}, {seen.get(name)}"


def moves_forward(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """Status and progress never go back, and an ended task doesn't change."""
    rank = {"pending": 0, "processing": 1, "completed": 2, "failed": 2}
    seen = polls_of(responses)
    for before, after in pairwise(seen):
        assert rank[after["status"]] >= rank[before["status"]], (before, after)
        if "progress" in before and after["status"] != "failed":
            assert after.get("progress", before["progress"]) >= before["progress"], (before, after)
        if before["status"] in ENDED:
            same = ("status", "results", "progress", "error")
            assert [before.get(one) for one in same] == [after.get(one) for one in same]
            paid, pays = ((one.get("usage") or {}).get("credits_used") for one in (before, after))
            assert paid in (None, pays), (before, after)


def is_consistent(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """Progress, results, error and costs of a task fit its status."""
    for seen in polls_of(responses):
        status, results = seen.get("status"), seen.get("results") or []
        if "progress" in seen:
            assert (seen["progress"] == 100) == (status == "completed"), seen
        wanted = facts["results"] if status == "completed" else 0
        assert len(results) == len(set(results)) == wanted, seen
        data = seen.get("result_data")
        if isinstance(data, list) and status == "completed":
            assert [one["url"] for one in data if "url" in one] in ([], results), seen
        assert bool(seen.get("error")) == (status == "failed"), seen
        assert seen.get("duration", 0) >= 0, seen
        info, usage = seen.get("task_info") or {}, seen.get("usage") or {}
        assert not (status in ENDED and info.get("can_cancel") is True), seen
        assert all(one >= 0 for one in usage.values() if isinstance(one, (int, float))), seen
        assert not (status == "failed" and usage.get("credits_used")), seen


def costs_the_same(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """Equal requests cost the same."""
    costs = [fields(one).get("usage", {}).get("credits_reserved") for one in responses]
    assert len(set(costs)) == 1, costs


def creates_two_tasks(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """Two submissions create two tasks."""
    made = [fields(one).get("id") for one in responses if one.request.method == "POST"]
    assert len(set(made)) == len(made), made


def has_a_status(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """Each response to a query has a status."""
    for seen in polls_of(responses):
        assert seen.get("status") in ("pending", "processing", "completed", "failed"), seen


def has_no_task(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """An error has no part of a task."""
    for one in responses:
        body = fields(one)
        if one.status_code >= 400:
            assert not str(body.get("id", "")).startswith("task-unified-"), body
            assert body.get("status") not in ("pending", "processing", "completed", "failed"), body
            assert not body.get("results"), body


def says_when_to_retry(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """Retry-After is a number of seconds or a date, and is sent once."""
    given = responses[-1].headers.get_list("retry-after")
    assert len(given) <= 1, given
    form = r"[0-9]+|[A-Z][a-z]+,? .*[0-9]{2}:[0-9]{2}:[0-9]{2}.*"
    assert all(re.fullmatch(form, one) for one in given), given


def challenges_with_bearer(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """If a 401 names the schemes that the server accepts, bearer is one of them."""
    given = ", ".join(responses[-1].headers.get_list("www-authenticate"))
    right = re.search(r"(^|,\s*)bearer\b", given, re.IGNORECASE)
    assert responses[-1].status_code != 401 or not given or right, given


def shows_no_key(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """No response contains an API key."""
    for one in responses:
        shown = [name for name, key in KEYS.items() if len(key) >= 8 and key in one.text]
        assert one.status_code >= 500 or not shown, shown


def has_no_request_error(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """A successful response has an error only in a task."""
    for one in responses:
        body = fields(one)
        assert one.status_code >= 300 or "error" not in body or "id" in body, body


def fails_with_a_known_code(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """The code of a failed task's error is one of the known ones."""
    for seen in polls_of(responses):
        code = (seen.get("error") or {}).get("code")
        assert not isinstance(code, str) or code in facts["codes"], seen


def ends_in_time(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """A task ends."""
    assert fields(responses[-1]).get("status") in ENDED, responses[-1].text[:300]


def makes_one_task(responses: list[httpx.Response], facts: dict[str, Any]) -> None:
    """Requests with one key make one task, marked as a replay from the second on, or one each."""
    sent = [one for one in responses if one.request.method == "POST"]
    assert all(one.status_code == 200 for one in sent), [one.status_code for one in sent]
    ids = [fields(one).get("id") for one in sent]
    assert len(set(ids)) in (1, len(ids)), ids
    marked = [one.headers.get("idempotency-replayed") == "true" for one in sent]
    assert marked == [one in ids[:at] for at, one in enumerate(ids)], (ids, marked)
    made = {(fields(one).get("id"), fields(one).get("created")) for one in sent}
    assert len(made) == len(set(ids)), made
