"""Faults in responses: the proxy changes, mixes up, caches or corrupts them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from self_tests.holdout_faults.proxy import (
    Fault,
    ProxiedRequest,
    ProxiedResponse,
    ProxyState,
    error_response,
)

if TYPE_CHECKING:
    from collections.abc import Callable

FAULTS: list[Fault] = []


def _alter_response(
    name: str,
    description: str,
    change: Callable[[dict[str, Any], ProxiedRequest, ProxyState], object],
    when: Callable[[ProxiedRequest, ProxiedResponse], bool] = lambda request, response: (
        request.is_submission or request.is_poll
    ),
    *,
    needs_controls: bool = False,
) -> None:
    """Register a fault that changes the body of a successful response."""

    def after(request: ProxiedRequest, response: ProxiedResponse, state: ProxyState) -> None:
        body = response.body
        if response.status == 200 and when(request, response) and isinstance(body, dict):
            change(body, request, state)
            if body != response.body:
                response.set_body(body)

    FAULTS.append(Fault(name, description, after=after, needs_controls=needs_controls))


def _alter_error(
    name: str,
    description: str,
    change: Callable[[dict[str, Any], ProxiedRequest, ProxiedResponse], object],
    *,
    needs_controls: bool = False,
) -> None:
    """Register a fault that changes the error of an error response."""

    def after(request: ProxiedRequest, response: ProxiedResponse, _state: ProxyState) -> None:
        body = response.body
        if response.status >= 400 and isinstance(body.get("error"), dict):
            change(body["error"], request, response)
            if body != response.body:
                response.set_body(body)

    FAULTS.append(Fault(name, description, after=after, needs_controls=needs_controls))


def _alter_exchange(
    name: str,
    description: str,
    alter: Callable[[ProxiedRequest, ProxiedResponse, ProxyState], object],
    *,
    needs_controls: bool = False,
) -> None:
    def after(request: ProxiedRequest, response: ProxiedResponse, state: ProxyState) -> None:
        alter(request, response, state)

    FAULTS.append(Fault(name, description, after=after, needs_controls=needs_controls))


def _is_poll(request: ProxiedRequest, _response: ProxiedResponse) -> bool:
    return request.is_poll


def _is_submission(request: ProxiedRequest, _response: ProxiedResponse) -> bool:
    return request.is_submission


def _in(
    state: str, **values: Any
) -> Callable[[dict[str, Any], ProxiedRequest, ProxyState], object]:
    return lambda body, _request, _state: body.get("status") == state and body.update(values)


def _times(
    name: str, factor: float
) -> Callable[[dict[str, Any], ProxiedRequest, ProxyState], object]:
    return lambda body, _request, _state: (
        name in body and body.update({name: int(body[name] * factor)})
    )


def _usage(body: dict[str, Any], **values: Any) -> None:
    if isinstance(body.get("usage"), dict):
        body["usage"] = {**body["usage"], **values}


def _same_credits(body: dict[str, Any], request: ProxiedRequest, state: ProxyState) -> None:
    price = state.notes.setdefault(body.get("model"), body.get("usage", {}).get("credits_reserved"))
    _usage(body, credits_reserved=price)


def _two_for_one(body: dict[str, Any], request: ProxiedRequest, state: ProxyState) -> None:
    one = state.notes.get(request.body.get("model"))
    if request.body.get("n") == 1:
        state.notes[request.body.get("model")] = body.get("usage", {}).get("credits_reserved")
    if request.body.get("n") == 2 and one is not None:
        _usage(body, credits_reserved=one)


def _inverse(body: dict[str, Any], request: ProxiedRequest, _state: ProxyState) -> None:
    price = body.get("usage", {}).get("credits_reserved")
    factor = {"480p": 9, "1080p": 0.1}.get(str(request.body.get("quality")))
    if price and factor:
        _usage(body, credits_reserved=price * factor)


def _surge(body: dict[str, Any], _request: ProxiedRequest, state: ProxyState) -> None:
    price = body.get("usage", {}).get("credits_reserved")
    if price and state.count > 150:
        _usage(body, credits_reserved=price + 1)


def _rules(body: dict[str, Any], _request: ProxiedRequest, state: ProxyState) -> None:
    if state.count % 7 == 6:
        _usage(body, billing_rule="per_token")


def _groups(body: dict[str, Any], _request: ProxiedRequest, state: ProxyState) -> None:
    if state.count % 7 == 6:
        _usage(body, user_group="vip")


def _estimate(value: Any) -> Callable[[dict[str, Any], ProxiedRequest, ProxyState], None]:
    def change(body: dict[str, Any], _request: ProxiedRequest, _state: ProxyState) -> None:
        if "estimated_time" in body.get("task_info", {}):
            body["task_info"] = {**body["task_info"], "estimated_time": value}

    return change


def _previous(body: dict[str, Any], request: ProxiedRequest, state: ProxyState) -> None:
    last, state.notes[request.key] = state.notes.get(request.key), body["id"]
    if last and state.count % 20 == 19:
        body["id"] = last


def _earlier_links(body: dict[str, Any], _request: ProxiedRequest, state: ProxyState) -> None:
    if body.get("results"):
        kept = state.notes.setdefault((body["model"], len(body["results"])), body["results"])
        body["results"] = kept


def _running_again(body: dict[str, Any], request: ProxiedRequest, state: ProxyState) -> None:
    if state.polls[request.path] == 4:
        body.update(status="processing", progress=50)
        body.pop("results", None)


def _late_results(body: dict[str, Any], _request: ProxiedRequest, state: ProxyState) -> None:
    if body.get("results") and body["id"] not in state.notes:
        state.notes[body["id"]] = True
        body["results"] = []


def _drift(body: dict[str, Any], request: ProxiedRequest, state: ProxyState) -> None:
    if "created" in body:
        body["created"] += state.polls[request.path]


def _one_less(body: dict[str, Any], _request: ProxiedRequest, state: ProxyState) -> None:
    if len(body.get("results") or []) == 4:
        body["results"] = body["results"][:3]


def _doubled(body: dict[str, Any], _request: ProxiedRequest, _state: ProxyState) -> None:
    if body.get("results"):
        body["results"] = [*body["results"], body["results"][0] + "?again"]


def _nested(body: dict[str, Any], name: str, **values: Any) -> None:
    if isinstance(body.get(name), dict):
        body[name] = {**body[name], **values}


_alter_response("created-ms", "`created` is in milliseconds.", _times("created", 1000))
_alter_response(
    "created-ms-one",
    "One model's `created` is in milliseconds.",
    lambda body, request, state: (
        body.get("model") == "wan2.6-image-to-video"
        and _times("created", 1000)(body, request, state)
    ),
)
_alter_response(
    "created-local",
    "`created` is eight hours ahead.",
    lambda body, *_: "created" in body and body.update(created=body["created"] + 28800),
)
_alter_response("created-drifts", "`created` increases at each poll.", _drift, _is_poll)
_alter_response(
    "created-lost",
    "`created` is lost while a task runs.",
    lambda body, *_: body.get("status") == "processing" and body.pop("created", None),
    _is_poll,
)
_alter_response("estimate-negative", "`estimated_time` is negative.", _estimate(-5))
_alter_response("estimate-fraction", "`estimated_time` is a fraction.", _estimate(12.5))
_alter_response("estimate-text", "`estimated_time` is a text.", _estimate("20s"))
_alter_response(
    "hundred-early", "Progress is 100 while a task runs.", _in("processing", progress=100)
)
_alter_response(
    "never-hundred", "Progress is 99 at the end.", _in("completed", progress=99), _is_poll
)
_alter_response(
    "progress-fraction",
    "Progress goes from 0 to 1.",
    lambda body, *_: "progress" in body and body.update(progress=body["progress"] // 100),
)
_alter_response(
    "progress-absent",
    "Progress is lost at the end.",
    lambda body, *_: body.get("status") == "completed" and body.pop("progress"),
    _is_poll,
)
_alter_response("results-late", "Results come one poll after the end.", _late_results, _is_poll)
_alter_response(
    "results-null",
    "One model's results are null.",
    lambda body, *_: "results" in body and "2.6" in body["model"] and body.update(results=None),
)
_alter_response(
    "results-early",
    "A running task has a result.",
    lambda body, *_: (
        body.get("status") == "processing" and body.update(results=["https://example.com/0.png"])
    ),
    _is_poll,
)
_alter_response("three-of-four", "One of four results is missing.", _one_less, _is_poll)
_alter_response("one-more", "There is a result too many.", _doubled, _is_poll)
_alter_response(
    "links-of-another", "Results are those of an earlier task.", _earlier_links, _is_poll
)
_alter_response(
    "links-relative",
    "Links are relative.",
    lambda body, *_: (
        body.get("results")
        and body.update(
            results=["/media/" + one.rpartition("/media/")[2] for one in body["results"]]
        )
    ),
)
_alter_response(
    "result-data-wrong",
    "`result_data` has other links than `results`.",
    lambda body, *_: (
        body.get("results") and body.update(result_data=[{"url": "https://example.com/1.png"}])
    ),
    _is_poll,
)
_alter_response("succeeded", "The end is called succeeded.", _in("completed", status="succeeded"))
_alter_response(
    "capitals",
    "States are in capitals.",
    lambda body, *_: "status" in body and body.update(status=body["status"].upper()),
)
_alter_response(
    "back-again", "A completed task runs again at its fourth poll.", _running_again, _is_poll
)
_alter_response(
    "other-object",
    "An image is called a video.task.",
    lambda body, *_: "object" in body and body.update(object="video.generation.task"),
    _is_poll,
)
_alter_response(
    "other-type", "The type changes at the end.", _in("completed", type="text"), _is_poll
)
_alter_response(
    "other-model",
    "The model is another one at the end.",
    _in("completed", model="wan2.5-text-to-video"),
    _is_poll,
)
_alter_response(
    "id-bare",
    "Ids lack their beginning.",
    lambda body, *_: body.update(id=body["id"].replace("task-unified-", "")),
    _is_submission,
)
_alter_response(
    "id-other",
    "A task query returns another id than the queried one.",
    lambda body, *_: body.update(id=body["id"][:-1] + "_"),
    _is_poll,
)
_alter_response(
    "id-again", "Sometimes a receipt has the id of the last submission.", _previous, _is_submission
)
_alter_response(
    "cancel-text",
    "`can_cancel` is a text.",
    lambda body, *_: _nested(body, "task_info", can_cancel="true"),
)
_alter_response(
    "credits-negative",
    "Credits are negative.",
    lambda body, *_: _usage(body, credits_reserved=-1.0),
)
_alter_response(
    "credits-text", "Credits are a text.", lambda body, *_: _usage(body, credits_reserved="5")
)
_alter_response(
    "credits-same", "All requests for a model cost the same.", _same_credits, _is_submission
)
_alter_response("two-for-one", "Two images cost as much as one.", _two_for_one, _is_submission)
_alter_response(
    "credits-inverse", "The lowest quality is the most expensive.", _inverse, _is_submission
)
_alter_response(
    "credits-surge", "After a while each request costs a credit more.", _surge, _is_submission
)
_alter_response("rule-changes", "The billing rule changes sometimes.", _rules, _is_submission)
_alter_response("group-changes", "The user group changes sometimes.", _groups, _is_submission)
_alter_response(
    "used-negative",
    "Credits used are negative at the end.",
    _in("completed", usage={"credits_used": -3}),
    _is_poll,
)
_alter_response(
    "error-null",
    "Each response has an error that is null.",
    lambda body, *_: body.update(error=None),
)
_alter_response(
    "failure-unknown-code",
    "A failed task has an unknown code.",
    lambda body, *_: _nested(body, "error", code="oops"),
    _is_poll,
    needs_controls=True,
)
_alter_response(
    "failure-silent",
    "A failed task doesn't say why.",
    lambda body, *_: body.pop("error", None),
    _is_poll,
    needs_controls=True,
)
_alter_response(
    "failure-hundred", "A failed task is at 100.", _in("failed", progress=100), needs_controls=True
)
_alter_response(
    "failure-results",
    "A failed task has a result.",
    _in("failed", results=["https://example.com/0.png"]),
    _is_poll,
    needs_controls=True,
)
_alter_response(
    "failure-kind",
    "A failed task's error has the type of a rejected request.",
    lambda body, *_: _nested(body, "error", type="invalid_request_error"),
    _is_poll,
    needs_controls=True,
)

_alter_error(
    "code-of-404", "Each code is the text 404.", lambda error, *_: error.update(code="404")
)
_alter_error("code-null", "Codes are null.", lambda error, *_: error.update(code=None))
_alter_error("type-plain", "Each type is error.", lambda error, *_: error.update(type="error"))
_alter_error(
    "param-model",
    "The named parameter is always the model.",
    lambda error, *_: "param" in error and error.update(param="model"),
)
_alter_error(
    "param-prompt",
    "The named parameter is always the prompt.",
    lambda error, *_: error.get("param") and error.update(param="prompt"),
)
_alter_error(
    "param-list",
    "The named parameter is in a list.",
    lambda error, *_: "param" in error and error.update(param=[error["param"]]),
)
_alter_error(
    "message-object",
    "Messages are objects.",
    lambda error, *_: error.update(message={"en": error["message"]}),
)
_alter_error(
    "message-of-one",
    "Errors about one model have no message.",
    lambda error, request, _: "2.6" in str(request.body.get("model")) and error.pop("message"),
)
_alter_error(
    "limit-type",
    "A rate limit has the type of a server error.",
    lambda error, _, response: response.status == 429 and error.update(type="upstream_error"),
    needs_controls=True,
)


def _status(was: int, now: int, where: Callable[[ProxiedRequest], bool]) -> Callable[..., None]:
    def alter(request: ProxiedRequest, response: ProxiedResponse, _state: ProxyState) -> None:
        if response.status == was and where(request):
            response.status = now

    return alter


def _fixed_error(was: int, now: int, kind: str) -> Callable[..., None]:
    def alter(request: ProxiedRequest, response: ProxiedResponse, _state: ProxyState) -> None:
        if response.status == was:
            new = error_response(now, kind)
            response.status, response.content = now, new.content

    return alter


def _header(name: str, *values: str, of: int = 0) -> Callable[..., None]:
    def alter(request: ProxiedRequest, response: ProxiedResponse, _state: ProxyState) -> None:
        if (request.is_submission or request.is_poll) and of in {0, response.status}:
            response.set_header(name, *values)

    return alter


def _cached(request: ProxiedRequest, response: ProxiedResponse, state: ProxyState) -> None:
    if request.is_poll and response.status in {200, 404}:
        kept = state.notes.setdefault(request.path, (response.status, response.content))
        response.status, response.content = kept


def _cached_ends(request: ProxiedRequest, response: ProxiedResponse, state: ProxyState) -> None:
    if request.is_poll and response.body.get("status") in {"completed", "failed"}:
        state.notes[request.path] = response.content
    if request.is_poll and request.path in state.notes:
        response.status, response.content = 200, state.notes[request.path]


def _forgotten(request: ProxiedRequest, response: ProxiedResponse, state: ProxyState) -> None:
    if request.is_poll and state.polls[request.path] > 4 and response.status == 200:
        gone = error_response(404, "not_found_error", param="task_id")
        response.status, response.content = 404, gone.content


def _not_yet(request: ProxiedRequest, response: ProxiedResponse, state: ProxyState) -> None:
    if request.is_poll and state.polls[request.path] == 1 and response.status == 200:
        gone = error_response(404, "not_found_error", param="task_id")
        response.status, response.content = 404, gone.content


def _sometimes_500(request: ProxiedRequest, response: ProxiedResponse, state: ProxyState) -> None:
    if state.count % 43 == 42 and (request.is_poll or request.is_submission):
        response.status, response.content = (
            500,
            error_response(500, "internal_server_error").content,
        )


def _exchanged(request: ProxiedRequest, response: ProxiedResponse, state: ProxyState) -> None:
    """Send a response to a concurrent request."""
    if request.is_submission and response.status == 200:
        now = time.monotonic()
        before, state.notes["last"] = state.notes.get("last"), (now, response.content)
        if before and now - before[0] < 0.0015:
            response.content, state.notes["last"] = before[1], (now, response.content)


def _kept_short(request: ProxiedRequest, response: ProxiedResponse, _state: ProxyState) -> None:
    if request.is_download and response.status == 200:
        response.content = response.content[: len(response.content) // 2]


def _one_shot(request: ProxiedRequest, response: ProxiedResponse, state: ProxyState) -> None:
    if request.is_download and response.status == 200:
        if request.path in state.notes:
            response.status, response.content = 410, error_response(410, "not_found_error").content
        state.notes[request.path] = True


def _as_jpeg(request: ProxiedRequest, response: ProxiedResponse, _state: ProxyState) -> None:
    if request.is_download:
        response.set_header(
            "content-type", "image/jpeg" if request.path.endswith("png") else "video/webm"
        )


def _as_html(request: ProxiedRequest, response: ProxiedResponse, _state: ProxyState) -> None:
    if request.is_download:
        response.set_header("content-type", "text/html")


def _guarded(request: ProxiedRequest, response: ProxiedResponse, _state: ProxyState) -> None:
    if request.is_download and not request.key:
        response.status, response.content = 401, error_response(401, "authentication_error").content


def _one_file(request: ProxiedRequest, response: ProxiedResponse, state: ProxyState) -> None:
    if request.is_download and response.status == 200:
        response.content = state.notes.setdefault(request.path[-3:], response.content)


def _any_file(request: ProxiedRequest, response: ProxiedResponse, state: ProxyState) -> None:
    if request.is_download and response.status == 200:
        response.content = state.notes.setdefault("any", response.content)


def _twice_named(request: ProxiedRequest, response: ProxiedResponse, _state: ProxyState) -> None:
    if request.is_poll and response.content.startswith(b"{"):
        response.content = b'{"status": "pending", ' + response.content[1:]


def _not_a_number(request: ProxiedRequest, response: ProxiedResponse, _state: ProxyState) -> None:
    response.content = response.content.replace(b'"can_cancel"', b'"speed":NaN,"can_cancel"')


def _with_bom(request: ProxiedRequest, response: ProxiedResponse, _state: ProxyState) -> None:
    if request.is_poll:
        response.content = b"\xef\xbb\xbf" + response.content


def _latin(request: ProxiedRequest, response: ProxiedResponse, _state: ProxyState) -> None:
    if request.is_submission and response.status == 400:
        response.content = response.content.replace(
            b'"message":"', '"message":"Désolé: '.encode("latin-1")
        )


def _leak(request: ProxiedRequest, response: ProxiedResponse, _state: ProxyState) -> None:
    if request.is_submission and response.status == 400:
        body = response.body
        body["debug"] = {"authorization": request.key}
        response.set_body(body)


def _jsonp(request: ProxiedRequest, response: ProxiedResponse, _state: ProxyState) -> None:
    if request.is_poll:
        response.content = b")]}',\n" + response.content


_alter_exchange(
    "created-201",
    "The response to a submission is 201.",
    _status(200, 201, lambda a: a.is_submission),
)
_alter_exchange(
    "query-203", "The response to a poll is 203.", _status(200, 203, lambda a: a.is_poll)
)
_alter_exchange(
    "refusal-422",
    "The response to an invalid request is 422.",
    _fixed_error(400, 422, "invalid_request_error"),
)
_alter_exchange(
    "refusal-409",
    "The response to an invalid request is 409.",
    _fixed_error(400, 409, "invalid_request_error"),
)
_alter_exchange(
    "refusal-403",
    "The response to an invalid request is 403.",
    _fixed_error(400, 403, "permission_error"),
)
_alter_exchange(
    "refusal-402",
    "The response to an invalid request is 402.",
    _fixed_error(400, 402, "insufficient_quota_error"),
)
_alter_exchange(
    "no-key-403",
    "The response to a missing key is 403.",
    _fixed_error(401, 403, "permission_error"),
)
_alter_exchange(
    "no-key-404", "The response to a missing key is 404.", _fixed_error(401, 404, "not_found_error")
)
_alter_exchange(
    "unknown-410",
    "The response to an unknown task is 410.",
    _fixed_error(404, 410, "not_found_error"),
)
_alter_exchange(
    "limit-as-503",
    "The response at the rate limit is 503.",
    _fixed_error(429, 503, "service_unavailable_error"),
    needs_controls=True,
)
_alter_exchange(
    "fault-as-200",
    "The response to a server error is 200.",
    _status(500, 200, lambda a: True),
    needs_controls=True,
)
_alter_exchange("media-text", "JSON is called text/plain.", _header("content-type", "text/plain"))
_alter_exchange(
    "media-utf-16",
    "JSON is called UTF-16.",
    _header("content-type", "application/json; charset=utf-16"),
)
_alter_exchange(
    "media-twice",
    "The media type is sent twice.",
    _header("content-type", "application/json", "text/html"),
)
_alter_exchange(
    "problem-json",
    "Errors are called application/problem+xml.",
    _header("content-type", "application/problem+xml", of=400),
)
_alter_exchange(
    "retry-negative",
    "Retry-After is negative.",
    _header("retry-after", "-5", of=429),
    needs_controls=True,
)
_alter_exchange(
    "retry-fraction",
    "Retry-After is a fraction.",
    _header("retry-after", "1.5", of=429),
    needs_controls=True,
)
_alter_exchange(
    "retry-twice",
    "Retry-After is sent twice.",
    _header("retry-after", "5", "60", of=429),
    needs_controls=True,
)
_alter_exchange(
    "retry-past",
    "Retry-After is a day of 1999.",
    _header("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT", of=429),
    needs_controls=True,
)
_alter_exchange(
    "retry-garbage",
    "Retry-After is a sentence.",
    _header("retry-after", "in a minute", of=429),
    needs_controls=True,
)
_alter_exchange(
    "not-gzip", "Responses are labelled gzip, and are not.", _header("content-encoding", "gzip")
)
_alter_exchange("cached", "The first poll of a task is cached for ever.", _cached)
_alter_exchange("ends-cached", "The end of a task is cached for all accounts.", _cached_ends)
_alter_exchange("forgotten", "A task is forgotten after four polls.", _forgotten)
_alter_exchange("not-yet", "A task isn't found at the first poll.", _not_yet)
_alter_exchange("sometimes-500", "Sometimes there is a server error.", _sometimes_500)
_alter_exchange(
    "responses-exchanged", "Responses to concurrent requests are exchanged.", _exchanged
)
_alter_exchange("file-halved", "Files are cut off.", _kept_short)
_alter_exchange("one-shot", "A link works once.", _one_shot)
_alter_exchange("file-as-jpeg", "Files are called JPEG or WebM.", _as_jpeg)
_alter_exchange("file-as-html", "Files are called HTML.", _as_html)
_alter_exchange("file-guarded", "Files need a key.", _guarded)
_alter_exchange("one-image", "All images are the first one.", _one_file)
_alter_exchange("one-file", "All files are the first one.", _any_file)
_alter_exchange("name-twice", "A name is given twice.", _twice_named)
_alter_exchange("not-a-number", "A number is NaN.", _not_a_number)
_alter_exchange("with-bom", "JSON begins with a byte order mark.", _with_bom)
_alter_exchange("latin-1", "Errors are in Latin-1.", _latin)
_alter_exchange("key-echoed", "Errors show the key.", _leak)
_alter_exchange("guarded-json", "JSON begins with a prefix against inclusion in scripts.", _jsonp)
