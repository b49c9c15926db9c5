"""Faults in what a proxy brings back: answers that it changes, mixes up, keeps, or spoils."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from self_tests.holdout_faults.proxy import Answer, Ask, Fault, Memory, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

FAULTS: list[Fault] = []


def _told(
    name: str,
    says: str,
    change: Callable[[dict[str, Any], Ask, Memory], object],
    when: Callable[[Ask, Answer], bool] = lambda ask, answer: ask.submits or ask.looks,
    *,
    steered: bool = False,
) -> None:
    """Enter a fault that changes the body of a good answer."""

    def after(ask: Ask, answer: Answer, memory: Memory) -> None:
        body = answer.body
        if answer.status == 200 and when(ask, answer) and isinstance(body, dict):
            change(body, ask, memory)
            if body != answer.body:
                answer.say(body)

    FAULTS.append(Fault(name, says, after=after, steered=steered))


def _refused(
    name: str,
    says: str,
    change: Callable[[dict[str, Any], Ask, Answer], object],
    *,
    steered: bool = False,
) -> None:
    """Enter a fault that changes the error of a refusal."""

    def after(ask: Ask, answer: Answer, _memory: Memory) -> None:
        body = answer.body
        if answer.status >= 400 and isinstance(body.get("error"), dict):
            change(body["error"], ask, answer)
            if body != answer.body:
                answer.say(body)

    FAULTS.append(Fault(name, says, after=after, steered=steered))


def _spoiled(
    name: str, says: str, spoil: Callable[[Ask, Answer, Memory], object], *, steered: bool = False
) -> None:
    def after(ask: Ask, answer: Answer, memory: Memory) -> None:
        spoil(ask, answer, memory)

    FAULTS.append(Fault(name, says, after=after, steered=steered))


def _looks(ask: Ask, _answer: Answer) -> bool:
    return ask.looks


def _submits(ask: Ask, _answer: Answer) -> bool:
    return ask.submits


def _in(state: str, **values: Any) -> Callable[[dict[str, Any], Ask, Memory], object]:
    return lambda body, _ask, _memory: body.get("status") == state and body.update(values)


def _times(name: str, factor: float) -> Callable[[dict[str, Any], Ask, Memory], object]:
    return lambda body, _ask, _memory: (
        name in body and body.update({name: int(body[name] * factor)})
    )


def _usage(body: dict[str, Any], **values: Any) -> None:
    if isinstance(body.get("usage"), dict):
        body["usage"] = {**body["usage"], **values}


def _same_credits(body: dict[str, Any], ask: Ask, memory: Memory) -> None:
    price = memory.notes.setdefault(
        body.get("model"), body.get("usage", {}).get("credits_reserved")
    )
    _usage(body, credits_reserved=price)


def _two_for_one(body: dict[str, Any], ask: Ask, memory: Memory) -> None:
    one = memory.notes.get(ask.body.get("model"))
    if ask.body.get("n") == 1:
        memory.notes[ask.body.get("model")] = body.get("usage", {}).get("credits_reserved")
    if ask.body.get("n") == 2 and one is not None:
        _usage(body, credits_reserved=one)


def _inverse(body: dict[str, Any], ask: Ask, _memory: Memory) -> None:
    price = body.get("usage", {}).get("credits_reserved")
    factor = {"480p": 9, "1080p": 0.1}.get(str(ask.body.get("quality")))
    if price and factor:
        _usage(body, credits_reserved=price * factor)


def _surge(body: dict[str, Any], _ask: Ask, memory: Memory) -> None:
    price = body.get("usage", {}).get("credits_reserved")
    if price and memory.count > 150:
        _usage(body, credits_reserved=price + 1)


def _rules(body: dict[str, Any], _ask: Ask, memory: Memory) -> None:
    if memory.count % 7 == 6:
        _usage(body, billing_rule="per_token")


def _groups(body: dict[str, Any], _ask: Ask, memory: Memory) -> None:
    if memory.count % 7 == 6:
        _usage(body, user_group="vip")


def _estimate(value: Any) -> Callable[[dict[str, Any], Ask, Memory], None]:
    def change(body: dict[str, Any], _ask: Ask, _memory: Memory) -> None:
        if "estimated_time" in body.get("task_info", {}):
            body["task_info"] = {**body["task_info"], "estimated_time": value}

    return change


def _previous(body: dict[str, Any], ask: Ask, memory: Memory) -> None:
    last, memory.notes[ask.key] = memory.notes.get(ask.key), body["id"]
    if last and memory.count % 20 == 19:
        body["id"] = last


def _strange_links(body: dict[str, Any], _ask: Ask, memory: Memory) -> None:
    if body.get("results"):
        kept = memory.notes.setdefault((body["model"], len(body["results"])), body["results"])
        body["results"] = kept


def _relooked(body: dict[str, Any], ask: Ask, memory: Memory) -> None:
    if memory.looked[ask.path] == 4:
        body.update(status="processing", progress=50)
        body.pop("results", None)


def _late_results(body: dict[str, Any], _ask: Ask, memory: Memory) -> None:
    if body.get("results") and body["id"] not in memory.notes:
        memory.notes[body["id"]] = True
        body["results"] = []


def _drift(body: dict[str, Any], ask: Ask, memory: Memory) -> None:
    if "created" in body:
        body["created"] += memory.looked[ask.path]


def _one_less(body: dict[str, Any], _ask: Ask, memory: Memory) -> None:
    if len(body.get("results") or []) == 4:
        body["results"] = body["results"][:3]


def _doubled(body: dict[str, Any], _ask: Ask, _memory: Memory) -> None:
    if body.get("results"):
        body["results"] = [*body["results"], body["results"][0] + "?again"]


def _nested(body: dict[str, Any], name: str, **values: Any) -> None:
    if isinstance(body.get(name), dict):
        body[name] = {**body[name], **values}


_told("created-ms", "`created` is in milliseconds.", _times("created", 1000))
_told(
    "created-ms-one",
    "One model's `created` is in milliseconds.",
    lambda body, ask, memory: (
        body.get("model") == "wan2.6-image-to-video" and _times("created", 1000)(body, ask, memory)
    ),
)
_told(
    "created-local",
    "`created` is eight hours ahead.",
    lambda body, *_: "created" in body and body.update(created=body["created"] + 28800),
)
_told("created-drifts", "`created` moves on with each look.", _drift, _looks)
_told(
    "created-lost",
    "`created` is lost while a task runs.",
    lambda body, *_: body.get("status") == "processing" and body.pop("created", None),
    _looks,
)
_told("estimate-negative", "`estimated_time` is negative.", _estimate(-5))
_told("estimate-fraction", "`estimated_time` is a fraction.", _estimate(12.5))
_told("estimate-text", "`estimated_time` is a text.", _estimate("20s"))
_told("hundred-early", "Progress is 100 while a task runs.", _in("processing", progress=100))
_told("never-hundred", "Progress is 99 at the end.", _in("completed", progress=99), _looks)
_told(
    "progress-fraction",
    "Progress goes from 0 to 1.",
    lambda body, *_: "progress" in body and body.update(progress=body["progress"] // 100),
)
_told(
    "progress-absent",
    "Progress is lost at the end.",
    lambda body, *_: body.get("status") == "completed" and body.pop("progress"),
    _looks,
)
_told("results-late", "Results come one look after the end.", _late_results, _looks)
_told(
    "results-null",
    "One model's results are null.",
    lambda body, *_: "results" in body and "2.6" in body["model"] and body.update(results=None),
)
_told(
    "results-early",
    "A running task has a result.",
    lambda body, *_: (
        body.get("status") == "processing" and body.update(results=["https://example.com/0.png"])
    ),
    _looks,
)
_told("three-of-four", "One of four results is missing.", _one_less, _looks)
_told("one-more", "There is a result too many.", _doubled, _looks)
_told("links-of-another", "Results are those of an earlier task.", _strange_links, _looks)
_told(
    "links-relative",
    "Links are relative.",
    lambda body, *_: (
        body.get("results")
        and body.update(
            results=["/media/" + one.rpartition("/media/")[2] for one in body["results"]]
        )
    ),
)
_told(
    "result-data-wrong",
    "`result_data` has other links than `results`.",
    lambda body, *_: (
        body.get("results") and body.update(result_data=[{"url": "https://example.com/1.png"}])
    ),
    _looks,
)
_told("succeeded", "The end is called succeeded.", _in("completed", status="succeeded"))
_told(
    "capitals",
    "States are in capitals.",
    lambda body, *_: "status" in body and body.update(status=body["status"].upper()),
)
_told("back-again", "A completed task runs again at its fourth look.", _relooked, _looks)
_told(
    "other-object",
    "An image is called a video.task.",
    lambda body, *_: "object" in body and body.update(object="video.generation.task"),
    _looks,
)
_told("other-type", "The type changes at the end.", _in("completed", type="text"), _looks)
_told(
    "other-model",
    "The model is another one at the end.",
    _in("completed", model="wan2.5-text-to-video"),
    _looks,
)
_told(
    "id-bare",
    "Ids lack their beginning.",
    lambda body, *_: body.update(id=body["id"].replace("task-unified-", "")),
    _submits,
)
_told(
    "id-other",
    "A task tells another id than it was asked by.",
    lambda body, *_: body.update(id=body["id"][:-1] + "_"),
    _looks,
)
_told("id-again", "Now and then a submission is told with the last one's id.", _previous, _submits)
_told(
    "cancel-text",
    "`can_cancel` is a text.",
    lambda body, *_: _nested(body, "task_info", can_cancel="true"),
)
_told(
    "credits-negative",
    "Credits are negative.",
    lambda body, *_: _usage(body, credits_reserved=-1.0),
)
_told("credits-text", "Credits are a text.", lambda body, *_: _usage(body, credits_reserved="5"))
_told("credits-same", "All requests for a model cost the same.", _same_credits, _submits)
_told("two-for-one", "Two pictures cost what one does.", _two_for_one, _submits)
_told("credits-inverse", "The lowest quality is the dearest.", _inverse, _submits)
_told("credits-surge", "After a while each request costs a credit more.", _surge, _submits)
_told("rule-wavers", "The billing rule changes now and then.", _rules, _submits)
_told("group-wavers", "The user group changes now and then.", _groups, _submits)
_told(
    "used-negative",
    "Credits used are negative at the end.",
    _in("completed", usage={"credits_used": -3}),
    _looks,
)
_told(
    "error-null", "Each answer has an error that is null.", lambda body, *_: body.update(error=None)
)
_told(
    "failure-odd",
    "A failed task has a code that nobody knows.",
    lambda body, *_: _nested(body, "error", code="oops"),
    _looks,
    steered=True,
)
_told(
    "failure-silent",
    "A failed task doesn't say why.",
    lambda body, *_: body.pop("error", None),
    _looks,
    steered=True,
)
_told("failure-hundred", "A failed task is at 100.", _in("failed", progress=100), steered=True)
_told(
    "failure-results",
    "A failed task has a result.",
    _in("failed", results=["https://example.com/0.png"]),
    _looks,
    steered=True,
)
_told(
    "failure-kind",
    "A failed task's error is of the type of a refusal.",
    lambda body, *_: _nested(body, "error", type="invalid_request_error"),
    _looks,
    steered=True,
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
    lambda error, ask, _: "2.6" in str(ask.body.get("model")) and error.pop("message"),
)
_refused(
    "limit-type",
    "A rate limit has the type of a fault.",
    lambda error, _, answer: answer.status == 429 and error.update(type="upstream_error"),
    steered=True,
)


def _status(was: int, now: int, where: Callable[[Ask], bool]) -> Callable[..., None]:
    def spoil(ask: Ask, answer: Answer, _memory: Memory) -> None:
        if answer.status == was and where(ask):
            answer.status = now

    return spoil


def _fixed_error(was: int, now: int, kind: str) -> Callable[..., None]:
    def spoil(ask: Ask, answer: Answer, _memory: Memory) -> None:
        if answer.status == was:
            new = refusal(now, kind)
            answer.status, answer.content = now, new.content

    return spoil


def _header(name: str, *values: str, of: int = 0) -> Callable[..., None]:
    def spoil(ask: Ask, answer: Answer, _memory: Memory) -> None:
        if (ask.submits or ask.looks) and of in {0, answer.status}:
            answer.set(name, *values)

    return spoil


def _cached(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.looks and answer.status in {200, 404}:
        kept = memory.notes.setdefault(ask.path, (answer.status, answer.content))
        answer.status, answer.content = kept


def _cached_ends(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.looks and answer.body.get("status") in {"completed", "failed"}:
        memory.notes[ask.path] = answer.content
    if ask.looks and ask.path in memory.notes:
        answer.status, answer.content = 200, memory.notes[ask.path]


def _forgotten(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.looks and memory.looked[ask.path] > 4 and answer.status == 200:
        gone = refusal(404, "not_found_error", param="task_id")
        answer.status, answer.content = 404, gone.content


def _not_yet(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.looks and memory.looked[ask.path] == 1 and answer.status == 200:
        gone = refusal(404, "not_found_error", param="task_id")
        answer.status, answer.content = 404, gone.content


def _third(ask: Ask, answer: Answer, memory: Memory) -> None:
    if memory.count % 43 == 42 and (ask.looks or ask.submits):
        answer.status, answer.content = 500, refusal(500, "internal_server_error").content


def _crossed(ask: Ask, answer: Answer, memory: Memory) -> None:
    """Bring an answer to whoever asked at the same time."""
    if ask.submits and answer.status == 200:
        now = time.monotonic()
        before, memory.notes["last"] = memory.notes.get("last"), (now, answer.content)
        if before and now - before[0] < 0.0015:
            answer.content, memory.notes["last"] = before[1], (now, answer.content)


def _kept_short(ask: Ask, answer: Answer, _memory: Memory) -> None:
    if ask.fetches and answer.status == 200:
        answer.content = answer.content[: len(answer.content) // 2]


def _one_shot(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.fetches and answer.status == 200:
        if ask.path in memory.notes:
            answer.status, answer.content = 410, refusal(410, "not_found_error").content
        memory.notes[ask.path] = True


def _as_jpeg(ask: Ask, answer: Answer, _memory: Memory) -> None:
    if ask.fetches:
        answer.set("content-type", "image/jpeg" if ask.path.endswith("png") else "video/webm")


def _as_html(ask: Ask, answer: Answer, _memory: Memory) -> None:
    if ask.fetches:
        answer.set("content-type", "text/html")


def _guarded(ask: Ask, answer: Answer, _memory: Memory) -> None:
    if ask.fetches and not ask.key:
        answer.status, answer.content = 401, refusal(401, "authentication_error").content


def _one_file(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.fetches and answer.status == 200:
        answer.content = memory.notes.setdefault(ask.path[-3:], answer.content)


def _any_file(ask: Ask, answer: Answer, memory: Memory) -> None:
    if ask.fetches and answer.status == 200:
        answer.content = memory.notes.setdefault("any", answer.content)


def _twice_named(ask: Ask, answer: Answer, _memory: Memory) -> None:
    if ask.looks and answer.content.startswith(b"{"):
        answer.content = b'{"status": "pending", ' + answer.content[1:]


def _not_a_number(ask: Ask, answer: Answer, _memory: Memory) -> None:
    answer.content = answer.content.replace(b'"can_cancel"', b'"speed":NaN,"can_cancel"')


def _with_bom(ask: Ask, answer: Answer, _memory: Memory) -> None:
    if ask.looks:
        answer.content = b"\xef\xbb\xbf" + answer.content


def _latin(ask: Ask, answer: Answer, _memory: Memory) -> None:
    if ask.submits and answer.status == 400:
        answer.content = answer.content.replace(
            b'"message":"', '"message":"Désolé: '.encode("latin-1")
        )


def _leak(ask: Ask, answer: Answer, _memory: Memory) -> None:
    if ask.submits and answer.status == 400:
        body = answer.body
        body["debug"] = {"authorization": ask.key}
        answer.say(body)


def _jsonp(ask: Ask, answer: Answer, _memory: Memory) -> None:
    if ask.looks:
        answer.content = b")]}',\n" + answer.content


_spoiled(
    "created-201", "Submissions are answered with 201.", _status(200, 201, lambda a: a.submits)
)
_spoiled("query-203", "Looks are answered with 203.", _status(200, 203, lambda a: a.looks))
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
    steered=True,
)
_spoiled(
    "fault-as-200", "A fault is answered with 200.", _status(500, 200, lambda a: True), steered=True
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
    "retry-negative", "Retry-After is negative.", _header("retry-after", "-5", of=429), steered=True
)
_spoiled(
    "retry-fraction",
    "Retry-After is a fraction.",
    _header("retry-after", "1.5", of=429),
    steered=True,
)
_spoiled(
    "retry-twice",
    "Retry-After is said twice.",
    _header("retry-after", "5", "60", of=429),
    steered=True,
)
_spoiled(
    "retry-past",
    "Retry-After is a day of 1999.",
    _header("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT", of=429),
    steered=True,
)
_spoiled(
    "retry-garbage",
    "Retry-After is a sentence.",
    _header("retry-after", "in a minute", of=429),
    steered=True,
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
