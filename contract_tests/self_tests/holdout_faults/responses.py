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


def _refused(
    name: str,
    description: str,
    change: Callable[[dict[str, Any], ProxiedRequest, ProxiedResponse], object],
    *,
    needs_controls: bool = False,
) -> None:
    """Enter a fault that changes the error of a refusal."""

    def after(request: ProxiedRequest, response: ProxiedResponse, _state: ProxyState) -> None:
        body = response.body
        if response.status >= 400 and isinstance(body.get("error"), dict):
            change(body["error"], request, response)
            if body != response.body:
                response.set_body(body)

    FAULTS.append(Fault(name, description, after=after, needs_controls=needs_controls))


def _spoiled(
    name: str,
    description: str,
    spoil: Callable[[ProxiedRequest, ProxiedResponse, ProxyState], object],
    *,
    needs_controls: bool = False,
) -> None:
    def after(request: ProxiedRequest, response: ProxiedResponse, state: ProxyState) -> None:
        spoil(request, response, state)

    FAULTS.append(Fault(name, description, after=after, needs_controls=needs_controls))


def _looks(request: ProxiedRequest, _answer: ProxiedResponse) -> bool:
    return request.is_poll


def _submits(request: ProxiedRequest, _answer: ProxiedResponse) -> bool:
    return request.is_submission


def _in(
    state: str, **values: Any
) -> Callable[[dict[str, Any], ProxiedRequest, ProxyState], object]:
    return lambda body, _ask, _state: body.get("status") == state and body.update(values)


def _times(
    name: str, factor: float
) -> Callable[[dict[str, Any], ProxiedRequest, ProxyState], object]:
    return lambda body, _ask, _state: name in body and body.update({name: int(body[name] * factor)})


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


def _surge(body: dict[str, Any], _ask: ProxiedRequest, state: ProxyState) -> None:
    price = body.get("usage", {}).get("credits_reserved")
    if price and state.count > 150:
        _usage(body, credits_reserved=price + 1)


def _rules(body: dict[str, Any], _ask: ProxiedRequest, state: ProxyState) -> None:
    if state.count % 7 == 6:
        _usage(body, billing_rule="per_token")


def _groups(body: dict[str, Any], _ask: ProxiedRequest, state: ProxyState) -> None:
    if state.count % 7 == 6:
        _usage(body, user_group="vip")


def _estimate(value: Any) -> Callable[[dict[str, Any], ProxiedRequest, ProxyState], None]:
    def change(body: dict[str, Any], _ask: ProxiedRequest, _state: ProxyState) -> None:
        if "estimated_time" in body.get("task_info", {}):
            body["task_info"] = {**body["task_info"], "estimated_time": value}

    return change


def _previous(body: dict[str, Any], request: ProxiedRequest, state: ProxyState) -> None:
    last, state.notes[request.key] = state.notes.get(request.key), body["id"]
    if last and state.count % 20 == 19:
        body["id"] = last


def _strange_links(body: dict[str, Any], _ask: ProxiedRequest, state: ProxyState) -> None:
    if body.get("results"):
        kept = state.notes.setdefault((body["model"], len(body["results"])), body["results"])
        body["results"] = kept


def _relooked(body: dict[str, Any], request: ProxiedRequest, state: ProxyState) -> None:
    if state.polls[request.path] == 4:
        body.update(status="processing", progress=50)
        body.pop("results", None)


def _late_results(body: dict[str, Any], _ask: ProxiedRequest, state: ProxyState) -> None:
    if body.get("results") and body["id"] not in state.notes:
        state.notes[body["id"]] = True
        body["results"] = []


def _drift(body: dict[str, Any], request: ProxiedRequest, state: ProxyState) -> None:
    if "created" in body:
        body["created"] += state.polls[request.path]


def _one_less(body: dict[str, Any], _ask: ProxiedRequest, state: ProxyState) -> None:
    if len(body.get("results") or []) == 4:
        body["results"] = body["results"][:3]


def _doubled(body: dict[str, Any], _ask: ProxiedRequest, _state: ProxyState) -> None:
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
_alter_response("created-drifts", "`created` moves on with each look.", _drift, _looks)
_alter_response(
    "created-lost",
    "`created` is lost while a task runs.",
    lambda body, *_: body.get("status") == "processing" and body.pop("created", None),
    _looks,
)
_alter_response("estimate-negative", "`estimated_time` is negative.", _estimate(-5))
_alter_response("estimate-fraction", "`estimated_time` is a fraction.", _estimate(12.5))
_alter_response("estimate-text", "`estimated_time` is a text.", _estimate("20s"))
_alter_response(
    "hundred-early", "Progress is 100 while a task runs.", _in("processing", progress=100)
)
_alter_response(
    "never-hundred", "Progress is 99 at the end.", _in("completed", progress=99), _looks
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
    _looks,
)
_alter_response("results-late", "Results come one look after the end.", _late_results, _looks)
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
    _looks,
)
_alter_response("three-of-four", "One of four results is missing.", _one_less, _looks)
_alter_response("one-more", "There is a result too many.", _doubled, _looks)
_alter_response("links-of-another", "Results are those of an earlier task.", _strange_links, _looks)
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
    _looks,
)
_alter_response("succeeded", "The end is called succeeded.", _in("completed", status="succeeded"))
_alter_response(
    "capitals",
    "States are in capitals.",
    lambda body, *_: "status" in body and body.update(status=body["status"].upper()),
)
_alter_response("back-again", "A completed task runs again at its fourth look.", _relooked, _looks)
_alter_response(
    "other-object",
    "An image is called a video.task.",
    lambda body, *_: "object" in body and body.update(object="video.generation.task"),
    _looks,
)
_alter_response("other-type", "The type changes at the end.", _in("completed", type="text"), _looks)
_alter_response(
    "other-model",
    "The model is another one at the end.",
    _in("completed", model="wan2.5-text-to-video"),
    _looks,
)
_alter_response(
    "id-bare",
    "Ids lack their beginning.",
    lambda body, *_: body.update(id=body["id"].replace("task-unified-", "")),
    _submits,
)
_alter_response(
    "id-other",
    "A task tells another id than it was asked by.",
    lambda body, *_: body.update(id=body["id"][:-1] + "_"),
    _looks,
)
_alter_response(
    "id-again", "Now and then a submission is told with the last one's id.", _previous, _submits
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
_alter_response("credits-same", "All requests for a model cost the same.", _same_credits, _submits)
_alter_response("two-for-one", "Two pictures cost what one does.", _two_for_one, _submits)
_alter_response("credits-inverse", "The lowest quality is the dearest.", _inverse, _submits)
_alter_response(
    "credits-surge", "After a while each request costs a credit more.", _surge, _submits
)
_alter_response("rule-wavers", "The billing rule changes now and then.", _rules, _submits)
_alter_response("group-wavers", "The user group changes now and then.", _groups, _submits)
_alter_response(
    "used-negative",
    "Credits used are negative at the end.",
    _in("completed", usage={"credits_used": -3}),
    _looks,
)
_alter_response(
    "error-null", "Each answer has an error that is null.", lambda body, *_: body.update(error=None)
)
_alter_response(
    "failure-odd",
    "A failed task has a code that nobody knows.",
    lambda body, *_: _nested(body, "error", code="oops"),
    _looks,
    needs_controls=True,
)
_alter_response(
    "failure-silent",
    "A failed task doesn't say why.",
    lambda body, *_: body.pop("error", None),
    _looks,
    needs_controls=True,
)
_alter_response(
    "failure-hundred", "A failed task is at 100.", _in("failed", progress=100), needs_controls=True
)
_alter_response(
    "failure-results",
    "A failed task has a result.",
    _in("failed", results=["https://example.com/0.png"]),
    _looks,
    needs_controls=True,
)
_alter_response(
    "failure-kind",
    "A failed task's error is of the type of a refusal.",
    lambda body, *_: _nested(body, "error", type="invalid_request_error"),
    _looks,
    needs_controls=True,
)

_refused("code-of-404", "Each code is the text 404.", lambda error, *_: error.update(code="404"))
_refused("code-null", "Codes are null.", lambda error, *_: error.update(code=None))
_refused("type-plain", "Each type is error.", lambda error, *_: error.update(type="error"))
_refused(
    "param-model",
    "The parameter at fault is always the model.",
    lambda error, *_: "param" in error and error.update(param="model"),
)
_refused(
    "param-prompt",
    "The parameter at fault is always the prompt.",
    lambda error, *_: error.get("param") and error.update(param="prompt"),
)
_refused(
    "param-list",
    "The parameter at fault is in a list.",
    lambda error, *_: "param" in error and error.update(param=[error["param"]]),
)
_refused(
    "message-object",
    "Messages are objects.",
    lambda error, *_: error.update(message={"en": error["message"]}),
)
_refused(
    "message-of-one",
    "Errors about one model have no message.",
    lambda error, request, _: "2.6" in str(request.body.get("model")) and error.pop("message"),
)
_refused(
    "limit-type",
    "A rate limit has the type of a fault.",
    lambda error, _, response: response.status == 429 and error.update(type="upstream_error"),
    needs_controls=True,
)


def _status(was: int, now: int, where: Callable[[ProxiedRequest], bool]) -> Callable[..., None]:
    def spoil(request: ProxiedRequest, response: ProxiedResponse, _state: ProxyState) -> None:
        if response.status == was and where(request):
            response.status = now

    return spoil


def _fixed_error(was: int, now: int, kind: str) -> Callable[..., None]:
    def spoil(request: ProxiedRequest, response: ProxiedResponse, _state: ProxyState) -> None:
        if response.status == was:
            new = error_response(now, kind)
            response.status, response.content = now, new.content

    return spoil


def _header(name: str, *values: str, of: int = 0) -> Callable[..., None]:
    def spoil(request: ProxiedRequest, response: ProxiedResponse, _state: ProxyState) -> None:
        if (request.is_submission or request.is_poll) and of in {0, response.status}:
            response.set_header(name, *values)

    return spoil


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


def _third(request: ProxiedRequest, response: ProxiedResponse, state: ProxyState) -> None:
    if state.count % 43 == 42 and (request.is_poll or request.is_submission):
        response.status, response.content = (
            500,
            error_response(500, "internal_server_error").content,
        )


def _crossed(request: ProxiedRequest, response: ProxiedResponse, state: ProxyState) -> None:
    """Bring an answer to whoever asked at the same time."""
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


_spoiled(
    "created-201",
    "Submissions are answered with 201.",
    _status(200, 201, lambda a: a.is_submission),
)
_spoiled("query-203", "Looks are answered with 203.", _status(200, 203, lambda a: a.is_poll))
_spoiled(
    "refusal-422",
    "Wrong requests are answered with 422.",
    _fixed_error(400, 422, "invalid_request_error"),
)
_spoiled(
    "refusal-409",
    "Wrong requests are answered with 409.",
    _fixed_error(400, 409, "invalid_request_error"),
)
_spoiled(
    "refusal-403",
    "Wrong requests are answered with 403.",
    _fixed_error(400, 403, "permission_error"),
)
_spoiled(
    "refusal-402",
    "Wrong requests are answered with 402.",
    _fixed_error(400, 402, "insufficient_quota_error"),
)
_spoiled(
    "stranger-403",
    "A missing key is answered with 403.",
    _fixed_error(401, 403, "permission_error"),
)
_spoiled(
    "stranger-404", "A missing key is answered with 404.", _fixed_error(401, 404, "not_found_error")
)
_spoiled(
    "unknown-410",
    "An unknown task is answered with 410.",
    _fixed_error(404, 410, "not_found_error"),
)
_spoiled(
    "limit-as-503",
    "A rate limit is answered with 503.",
    _fixed_error(429, 503, "service_unavailable_error"),
    needs_controls=True,
)
_spoiled(
    "fault-as-200",
    "A fault is answered with 200.",
    _status(500, 200, lambda a: True),
    needs_controls=True,
)
_spoiled("media-text", "JSON is called text/plain.", _header("content-type", "text/plain"))
_spoiled(
    "media-utf-16",
    "JSON is called UTF-16.",
    _header("content-type", "application/json; charset=utf-16"),
)
_spoiled(
    "media-twice",
    "The media type is said twice.",
    _header("content-type", "application/json", "text/html"),
)
_spoiled(
    "problem-json",
    "Refusals are called application/problem+xml.",
    _header("content-type", "application/problem+xml", of=400),
)
_spoiled(
    "retry-negative",
    "Retry-After is negative.",
    _header("retry-after", "-5", of=429),
    needs_controls=True,
)
_spoiled(
    "retry-fraction",
    "Retry-After is a fraction.",
    _header("retry-after", "1.5", of=429),
    needs_controls=True,
)
_spoiled(
    "retry-twice",
    "Retry-After is said twice.",
    _header("retry-after", "5", "60", of=429),
    needs_controls=True,
)
_spoiled(
    "retry-past",
    "Retry-After is a day of 1999.",
    _header("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT", of=429),
    needs_controls=True,
)
_spoiled(
    "retry-garbage",
    "Retry-After is a sentence.",
    _header("retry-after", "in a minute", of=429),
    needs_controls=True,
)
_spoiled("gzip-lie", "Answers are called gzip, and are not.", _header("content-encoding", "gzip"))
_spoiled("cached", "The first look at a task is told for ever.", _cached)
_spoiled("ends-cached", "The end of a task is told to whoever asks next.", _cached_ends)
_spoiled("forgotten", "A task is forgotten after four looks.", _forgotten)
_spoiled("not-yet", "A task isn't there at the first look.", _not_yet)
_spoiled("now-and-then", "Now and then there is a fault.", _third)
_spoiled("crossed", "Answers to requests at once are crossed.", _crossed)
_spoiled("file-halved", "Files are cut off.", _kept_short)
_spoiled("one-shot", "A link works once.", _one_shot)
_spoiled("file-as-jpeg", "Files are called JPEG or WebM.", _as_jpeg)
_spoiled("file-as-html", "Files are called HTML.", _as_html)
_spoiled("file-guarded", "Files need a key.", _guarded)
_spoiled("one-picture", "All pictures are the first one.", _one_file)
_spoiled("one-file", "All files are the first one.", _any_file)
_spoiled("name-twice", "A name is given twice.", _twice_named)
_spoiled("not-a-number", "A number is NaN.", _not_a_number)
_spoiled("with-bom", "JSON begins with a byte order mark.", _with_bom)
_spoiled("latin-1", "Refusals are in Latin-1.", _latin)
_spoiled("key-echoed", "Refusals show the key.", _leak)
_spoiled("guarded-json", "JSON begins with a guard against inclusion.", _jsonp)
