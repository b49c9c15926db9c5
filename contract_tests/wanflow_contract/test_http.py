"""HTTP: methods, paths, media types, and bodies that aren't valid requests."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.definitions.access import (
    METHOD,
    NO_TASK_SHOWN,
    UNDOCUMENTED_PATH,
    UNKNOWN,
)
from wanflow_contract.checks.definitions.requests import MEDIA_TYPE, NO_BODY, REJECTS
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.plan.combined import price_of
from wanflow_contract.plan.order import Stage

CONTRACT = packaged_contract()
OPERATIONS = sorted(CONTRACT.operations)
SUBMISSIONS = [name for name in OPERATIONS if CONTRACT.operations[name].is_submission]
MODELS = list(CONTRACT.catalog.models.values())
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
assert SUBMISSIONS, "the document has no submissions"


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


def cheapest_of(target, operation_id: str):
    """Return the model of an operation that costs least: a faulty server may make a task."""
    models = (one for one in target.models.values() if one.operation_id == operation_id)
    return min(models, key=price_of)


def path_of(target, operation_id: str) -> str:
    if operation_id == CONTRACT.status_operation.id:
        return target.task_path("task-unified-1756817821-4x3rx6ny")
    return CONTRACT.operations[operation_id].operation.path


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_undocumented_methods_are_rejected(target, operation_id, method) -> None:
    """An undocumented method is rejected, with a valid body and without one."""
    if method == CONTRACT.operations[operation_id].operation.method.upper():
        return
    headers = {**target.authorization(), "Content-Type": "application/json"}
    path, contents = path_of(target, operation_id), list[bytes | None]([None])
    if operation_id in SUBMISSIONS and method != "GET":
        contents.append(json.dumps(cheapest(cheapest_of(target, operation_id))).encode())
    for content in contents:
        check_refused(target.exchange(method, path, headers, content))


def check_refused(exchange) -> None:
    """Check that an undocumented method does nothing, and is rejected."""
    NO_TASK_SHOWN.require(
        not exchange.shows_task, f"{exchange.status} with a task", exchange, shape="a task"
    )
    refused = 400 <= exchange.status < 500 or exchange.status == 501
    METHOD.require(refused, f"{exchange.status}", exchange)


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("body", sorted(BODIES))
@pytest.mark.parametrize("operation_id", SUBMISSIONS)
def test_a_body_that_is_not_an_object_is_rejected(target, operation_id, body) -> None:
    """Malformed, foreign and very large bodies are rejected, and never cause a server error."""
    headers = {**target.authorization(), "Content-Type": "application/json"}
    exchange = target.exchange("POST", path_of(target, operation_id), headers, BODIES[body])
    right = exchange.status in {400, 404, 413}
    NO_BODY.require(right, f"{exchange.status} for {body}", exchange)


JSON_TYPES = (
    "application/json",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    "Application/JSON",
    'application/json; charset="utf-8"',
    "application/json ; charset=utf-8",
    "application/json;",
    "application/json; profile=a",
    "application/json; CHARSET=UTF-8",
)


@pytest.mark.fast
@pytest.mark.parametrize("kind", JSON_TYPES)
@pytest.mark.parametrize("operation_id", SUBMISSIONS)
def test_every_form_of_the_json_media_type_is_accepted(target, operation_id, kind) -> None:
    """The media type may be in capitals and have a charset."""
    model = model_of(target, operation_id)
    exchange = target.post(model, cheapest(model), headers={"Content-Type": kind})
    MEDIA_TYPE.require(exchange.status == 200, f"{exchange.status} for {kind}", exchange)


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("operation_id", SUBMISSIONS)
def test_no_form_of_the_json_media_type_is_why_a_body_is_refused(target, operation_id) -> None:
    """An invalid body is refused for its content, whatever the form of its type: this is free."""
    model = cheapest_of(target, operation_id)
    for kind in JSON_TYPES:
        body = {**cheapest(model), "prompt": {"a": 5}}
        exchange = target.post(model, body, headers={"Content-Type": kind})
        MEDIA_TYPE.require(exchange.status != 415, f"415 for {kind}", exchange)


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/xml"]
)
@pytest.mark.parametrize("operation_id", SUBMISSIONS)
def test_other_media_types_are_rejected(target, operation_id, kind) -> None:
    """A form or XML is rejected."""
    body = cheapest(model_of(target, operation_id))
    content = "&".join(f"{name}={value}" for name, value in body.items()).encode()
    headers = {**target.authorization(), "Content-Type": kind}
    exchange = target.exchange("POST", path_of(target, operation_id), headers, content)
    MEDIA_TYPE.require(400 <= exchange.status < 500, f"{exchange.status} for {kind}", exchange)


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_fields_in_the_query_of_a_submission_are_not_read(target, model) -> None:
    """What is missing in the body can't be in the URL; a query makes nothing fail."""
    base = cheapest(model)
    for name in model.required:
        body = {key: value for key, value in base.items() if key != name}
        value = base[name] if isinstance(base[name], str) else json.dumps(base[name])
        path = f"{model.path}?{urlencode({name: value, 'lang': 'en'})}"
        headers = {**target.authorization(), "Content-Type": "application/json"}
        exchange = target.exchange("POST", path, headers, json.dumps(body).encode())
        REJECTS.require(exchange.status == 400, f"{exchange.status} with ?{name}=", exchange)


@pytest.mark.fast
@pytest.mark.costs(0)
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
def test_undocumented_paths_are_rejected(target, method, path) -> None:
    """A path that isn't documented doesn't exist, in any spelling."""
    headers = {**target.authorization(), "Content-Type": "application/json"}
    exchange = target.exchange(method, path, headers, b"{}" if method == "POST" else None)
    detail = f"{exchange.status} at {path[:40]}"
    UNDOCUMENTED_PATH.require(300 <= exchange.status < 500, detail, exchange)


@pytest.mark.fast
@pytest.mark.costs(0)
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
    """An id that was never issued is not found, whatever its form."""
    target.get_task(task_id)


def misspelled_ids(task_id: str) -> dict[str, str]:
    """Return strings that are similar to a task id."""
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
@pytest.mark.costs(0, stage=Stage.SHARED)
@pytest.mark.parametrize("way", sorted(misspelled_ids("task-unified-1-a")))
def test_a_misspelled_id_names_no_task(target, way) -> None:
    """A task is found by its exact id only."""
    history = next(iter(target.tasks.values()), None) or target.some_task()
    name = misspelled_ids(history.id)[way]
    if name in target.tasks:
        pytest.skip("another task of the server has this id")
    exchange = target.get_task(name)
    UNKNOWN.require(exchange.status in {400, 404}, f"{exchange.status} {way}", exchange)


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
@pytest.mark.parametrize("method", [one for one in METHODS if one != "GET"])
def test_undocumented_methods_do_not_change_a_task(target, method) -> None:
    """Methods other than GET are rejected, and the task is still there afterwards."""
    history = target.some_task()
    headers = {**target.authorization(), "Content-Type": "application/json"}
    content = None if method == "DELETE" else b"{}"
    exchange = target.exchange(method, target.task_path(history.id), headers, content)
    check_refused(exchange)
    seen = target.client.send("GET", target.task_path(history.id), target.authorization())
    if seen.status != 200:
        target.tasks.pop(history.id, None)  # other tests need one that is there
    detail = f"{seen.status} for the task after {method}"
    NO_TASK_SHOWN.require(seen.status == 200, detail, exchange, seen, shape=f"{method}: gone")
    target.poll(history)


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
def test_a_well_formed_unknown_id_is_not_found(target) -> None:
    """A well-formed unknown id is not found."""
    history = target.some_task()
    last = "a" if history.id[-1] != "a" else "b"
    exchange = target.get_task(history.id[:-1] + last)
    if exchange.path.rpartition("/")[2] not in target.tasks:
        UNKNOWN.require(exchange.status in {400, 404}, f"{exchange.status}", exchange)


@pytest.mark.fast
@pytest.mark.parametrize("operation_id", SUBMISSIONS)
def test_header_names_are_case_insensitive(target, operation_id) -> None:
    """Header names are case-insensitive, and unknown headers are ignored."""
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
    MEDIA_TYPE.require(exchange.status == 200, f"{exchange.status}", exchange)
