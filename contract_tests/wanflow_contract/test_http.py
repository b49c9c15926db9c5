"""The frame of the requests: methods, paths, media types and bodies that are none."""

from __future__ import annotations

import json

import pytest

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import Law
from wanflow_contract.checks.documented_responses import packaged_promises
from wanflow_contract.support.api_under_test import NO_FAULT, UNKNOWN

PROMISES = packaged_promises()
OPERATIONS = sorted(PROMISES.operations)
SUBMISSIONS = [name for name in OPERATIONS if PROMISES.operations[name].submits]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
assert SUBMISSIONS, "the document has no submissions"

METHOD = Law("method", "What an operation isn't documented for is not done.")
NO_BODY = Law("no-body", "What is no JSON object is refused with 400.")
NOWHERE = Law("nowhere", "A path that isn't documented is answered with a 4xx.")
MEDIA = Law("media", "A body is taken as application/json, whatever parameters that has.")

BODIES = {
    "nothing": b"",
    "white space": b"  ",
    "half an object": b'{"model": ',
    "an object and a half": b'{"model": "a"} {',
    "single quotes": b"{'model': 'a'}",
    "a trailing comma": b'{"model": "a",}',
    "a comment": b'{"model": "a"} // a',
    "a bare word": b"model",
    "a list": b"[]",
    "a list of an object": b'[{"model": "a"}]',
    "a text": b'"model"',
    "a number": b"5",
    "null": b"null",
    "true": b"true",
    "an empty object": b"{}",
    "no UTF-8": b'{"model": "\xff\xfe"}',
    "a NUL": b'{"model": "\x00"}',
    "a form": b"model=a&prompt=b",
    "XML": b"<model>a</model>",
    "a deep nesting": b"[" * 5000 + b"]" * 5000,
    "a deep object": b'{"a":' * 2000 + b"1" + b"}" * 2000,
    "a huge number": b'{"model": ' + b"9" * 5000 + b"}",
    "two megabytes": b'{"model": "' + b"a" * 2_000_000 + b'"}',
}


def model_of(target, operation_id: str):
    return next(one for one in target.models.values() if one.operation_id == operation_id)


def path_of(target, operation_id: str) -> str:
    if operation_id == PROMISES.query.id:
        return target.address("task-unified-1756817821-4x3rx6ny")
    return PROMISES.operations[operation_id].operation.path


@pytest.mark.fast
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_other_methods_do_nothing(target, operation_id, method) -> None:
    """A method that the document doesn't have is refused, with a right body and without one."""
    if method == PROMISES.operations[operation_id].operation.method.upper():
        return
    headers = {**target.authorization(), "Content-Type": "application/json"}
    path, contents = path_of(target, operation_id), [None]
    if operation_id in SUBMISSIONS and method != "GET" and target.purse.roomy:
        contents.append(json.dumps(cheapest(model_of(target, operation_id))).encode())
    for content in contents:
        exchange = target.exchange(method, path, headers, content)
        METHOD.holds(_is_refused(exchange), f"{exchange.status}", exchange)


def _is_refused(exchange) -> bool:
    return 400 <= exchange.status < 500 or exchange.status == 501


@pytest.mark.fast
@pytest.mark.parametrize("body", sorted(BODIES))
@pytest.mark.parametrize("operation_id", SUBMISSIONS)
def test_what_is_no_object_is_refused(target, operation_id, body) -> None:
    """Broken, foreign and enormous bodies are refused with what is wrong, and never break it."""
    headers = {**target.authorization(), "Content-Type": "application/json"}
    exchange = target.exchange("POST", path_of(target, operation_id), headers, BODIES[body])
    NO_BODY.holds(exchange.status in {400, 404, 413}, f"{exchange.status}", exchange)


@pytest.mark.fast
@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "Application/JSON",
    ],
)
@pytest.mark.parametrize("operation_id", SUBMISSIONS)
def test_json_is_taken_by_each_of_its_names(target, operation_id, kind) -> None:
    """A media type is the same in capitals and with a charset."""
    model = model_of(target, operation_id)
    exchange = target.post(model, cheapest(model), headers={"Content-Type": kind})
    MEDIA.holds(exchange.status == 200, f"{exchange.status} for {kind}", exchange)


@pytest.mark.fast
@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/xml"]
)
@pytest.mark.parametrize("operation_id", SUBMISSIONS)
def test_other_media_are_refused(target, operation_id, kind) -> None:
    """A form or XML is no request of this API."""
    body = cheapest(model_of(target, operation_id))
    content = "&".join(f"{name}={value}" for name, value in body.items()).encode()
    headers = {**target.authorization(), "Content-Type": kind}
    exchange = target.exchange("POST", path_of(target, operation_id), headers, content)
    MEDIA.holds(400 <= exchange.status < 500, f"{exchange.status} for {kind}", exchange)


@pytest.mark.fast
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/videos",
        "/v1/tasks",
        "/v1/tasks/",
        "/v1/audios/generations",
        "/v1/tasks/a/b",
        "/v2/videos/generations",
        "/v1/tasks/..%2f..%2fetc%2fpasswd",
        "/v1/tasks/%00",
        "/v1/tasks/%ff%fe",
        "/v1/tasks/" + "a" * 3000,
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_elsewhere_is_nothing(target, method, path) -> None:
    """What isn't documented is not there, however it is spelled."""
    headers = {**target.authorization(), "Content-Type": "application/json"}
    exchange = target.exchange(method, path, headers, b"{}" if method == "POST" else None)
    NOWHERE.holds(300 <= exchange.status < 500, f"{exchange.status}", exchange)


@pytest.mark.fast
@pytest.mark.parametrize(
    "task_id",
    [
        "task-unified-1756817821-4x3rx6ny",
        "task-unified-",
        "task-unified-0-00000000",
        "task-1",
        "1",
        "null",
        "undefined",
        "task-unified-1756817821-4X3RX6NY",
        "%20",
        "a%20b",
        "'%20OR%201=1%20--",
        "%E7%8C%AB",
        "💥",
    ],
)
def test_an_unknown_id_is_400_or_404(target, task_id) -> None:
    """An id that was never given out names nothing, whatever it looks like."""
    target.ask(task_id)


def near(task_id: str) -> dict[str, str]:
    """Ways of nearly writing an id, which are not it."""
    _, _, tail = task_id.rpartition("-")
    return {
        "in capitals": task_id.upper(),
        "its end": tail,
        "without its beginning": task_id.removeprefix("task-unified-"),
        "all but its last sign": task_id[:-1],
        "and a space": task_id + "%20",
        "and a NUL": task_id + "%00",
        "twice": task_id + task_id,
        "with a wildcard": task_id[:-1] + "%25",
    }


@pytest.mark.fast
@pytest.mark.parametrize("way", sorted(near("task-unified-1-a")))
def test_what_is_nearly_an_id_names_nothing(target, way) -> None:
    """A task is found by its id as it was given, and by nothing like it."""
    model = next(iter(target.models.values()))
    life = next(iter(target.lives.values()), None) or target.submit(cheapest(model))
    exchange = target.ask(near(life.id)[way])
    UNKNOWN.holds(exchange.status in {400, 404}, f"{exchange.status}", exchange)


@pytest.mark.fast
@pytest.mark.parametrize("method", [one for one in METHODS if one != "GET"])
def test_other_methods_do_nothing_to_a_task(target, method) -> None:
    """A task is read by GET; nothing else is done to it, and it is there afterwards."""
    life = target.submit(cheapest(next(iter(target.models.values()))))
    headers = {**target.authorization(), "Content-Type": "application/json"}
    content = None if method == "DELETE" else b"{}"
    exchange = target.exchange(method, target.address(life.id), headers, content)
    METHOD.holds(_is_refused(exchange), f"{exchange.status}", exchange)
    target.look(life)


@pytest.mark.fast
def test_an_id_of_nobody_that_looks_right_is_404(target) -> None:
    """Where an id has the right form, it is not found rather than malformed."""
    model = next(iter(target.models.values()))
    life = target.submit(cheapest(model))
    last = "a" if life.id[-1] != "a" else "b"
    exchange = target.ask(life.id[:-1] + last)
    if exchange.path.rpartition("/")[2] not in target.lives:
        NO_FAULT.holds(exchange.status in {400, 404}, f"{exchange.status}", exchange)


@pytest.mark.fast
@pytest.mark.parametrize("operation_id", SUBMISSIONS)
def test_header_names_have_no_case(target, operation_id) -> None:
    """Headers are the same in any case, and those that nobody knows are let be."""
    model = model_of(target, operation_id)
    headers = {
        "AUTHORIZATION": target.authorization()["Authorization"],
        "CONTENT-TYPE": "application/json",
        "X-Unknown": "1",
        "Accept": "*/*",
        "User-Agent": "another",
    }
    content = json.dumps(cheapest(model)).encode()
    exchange = target.exchange("POST", model.path, headers, content)
    MEDIA.holds(exchange.status == 200, f"{exchange.status}", exchange)
