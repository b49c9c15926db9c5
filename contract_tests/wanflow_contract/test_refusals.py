"""Refusals: their order, what they say about other tasks, and repeated or unusual headers."""

from __future__ import annotations

import json
from functools import partial
from itertools import combinations
from uuid import uuid4

import pytest

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.definitions.access import (
    KEY_REQUIRED,
    METHOD,
    NO_TASK_SHOWN,
    PRIVATE,
    QUERY_IGNORED,
    SCHEME,
)
from wanflow_contract.checks.definitions.headers import CURRENT, IGNORED
from wanflow_contract.checks.definitions.requests import PARAM
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import Expected, packaged_oracle
from wanflow_contract.checks.faulty_field import error_of
from wanflow_contract.checks.invalid_requests import invalid_requests_of
from wanflow_contract.plan.order import Stage

CONTRACT = packaged_contract()
MODELS = sorted(CONTRACT.catalog.models)
OPERATIONS = sorted(CONTRACT.operations)
UNKNOWN_ID = "task-unified-1756817821-4x3rx6ny"


@pytest.mark.fast
@pytest.mark.costs(0)
def test_an_unknown_task_is_not_revealed_without_a_key(target) -> None:
    """The key is checked before the task: without one, nobody learns which tasks exist."""
    for headers in ({}, {"Authorization": "Bearer"}):
        exchange = target.exchange("GET", target.task_path(UNKNOWN_ID), headers)
        KEY_REQUIRED.require(exchange.status == 401, f"{exchange.status}", exchange)


@pytest.mark.fast
def test_a_used_idempotency_key_needs_an_api_key(target) -> None:
    """The API key is checked before the idempotency key."""
    model, key = target.models[MODELS[0]], {"Idempotency-Key": f"contract-{uuid4().hex}"}
    history = target.submit(cheapest(model), **key)
    content = json.dumps(history.request).encode()
    for shown in ({}, {"Authorization": "Bearer"}, {"Authorization": "Basic YTpi"}):
        headers = {**shown, **key, "Content-Type": "application/json"}
        exchange = target.exchange("POST", model.path, headers, content)
        KEY_REQUIRED.require(exchange.status == 401, f"{exchange.status}", history.first, exchange)


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("name", MODELS)
def test_an_error_about_several_parameters_names_one_of_them(target, name) -> None:
    """If two parameters are invalid, an error doesn't name a third."""
    model, faults = target.models[name], dict[str, object]()
    for body, expectation in invalid_requests_of(model):
        if len(expectation.parameters) == 1 and not expectation.unknown_model:
            (field,) = expectation.parameters
            faults.setdefault(field, body.get(field))
    for one, two in combinations(sorted(faults)[:4], 2):
        body = {**cheapest(model), one: faults[one], two: faults[two]}
        body = {key: value for key, value in body.items() if value is not None}
        expectation = packaged_oracle().expectation(model.operation_id, body)
        if expectation.expected is Expected.REJECT:
            exchange = target.post(model, body)
            param = error_of(exchange).get("param") if exchange.status == 400 else None
            known = isinstance(param, str) and param in model.parameters
            right = not known or param in expectation.parameters
            detail = f"param is {param!r}, invalid are {sorted(expectation.parameters)}"
            PARAM.require(right, detail, exchange)


@pytest.mark.fast
def test_an_error_reveals_nothing_of_another_accounts_task(target) -> None:
    """An account that may not read a task doesn't learn its prompt, its results or its end."""
    if "two" not in target.keys:
        pytest.skip("a second account is needed: --api-key2")
    secret = f"a cat named {uuid4().hex}"
    history = target.submit({**cheapest(target.models[MODELS[0]]), "prompt": secret})
    target.wait(history)
    for name in (history.id, history.id[:-1], UNKNOWN_ID):
        exchange = target.get_task(name, "two")
        shown = [one for one in (secret, *history.links) if one.encode() in exchange.content]
        PRIVATE.require(not shown, f"the error has {shown}", history.first, exchange)


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "BREW", "PROPFIND", "GETS"])
@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_other_methods_show_and_create_no_task(target, operation_id, method) -> None:
    """Other methods, with and without a key, don't submit, and don't show a task."""
    path = CONTRACT.operations[operation_id].operation.path
    if operation_id == CONTRACT.status_operation.id:
        tasks = target.tasks or {target.some_task().id: None}
        path = target.task_path(next(iter(tasks)))
    no_key = dict[str, str]()
    for headers in (target.authorization(), no_key):
        exchange = target.exchange(method, path, headers)
        NO_TASK_SHOWN.require(not exchange.shows_task, f"{exchange.status} with a task", exchange)
        if method not in {"HEAD", "OPTIONS"}:
            right = 400 <= exchange.status < 500 or exchange.status == 501
            METHOD.require(right, f"{exchange.status}", exchange)
        if method == "HEAD" and not headers:
            KEY_REQUIRED.require(
                exchange.status >= 300, f"{exchange.status} without a key", exchange
            )


CONDITIONS = {
    "another version": {"If-None-Match": '"no-such-version"'},
    "a weak version": {"If-None-Match": 'W/"0", "1"'},
    "a day long past": {"If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"},
    "a date that is none": {"If-Modified-Since": "soon"},
    "the first bytes": {"Range": "bytes=0-9"},
    "the last bytes": {"Range": "bytes=-5"},
    "another unit": {"Range": "lines=0-9"},
    "a range of another version": {"Range": "bytes=0-9", "If-Range": '"no-such-version"'},
}


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
@pytest.mark.parametrize("way", sorted(CONDITIONS))
def test_a_condition_does_not_hide_a_task(target, way) -> None:
    """Conditions that are true, and ranges, give the task as it stands, or exactly that range."""
    history = target.some_task()
    headers = {**target.authorization(), **CONDITIONS[way]}
    exchange = target.client.send("GET", target.task_path(history.id), headers)
    if exchange.status == 206 and "Range" in headers:
        ranged = exchange.header("content-range") is not None and len(exchange.content) < 11
        CURRENT.require(ranged and "If-Range" not in headers, "206", history.first, exchange)
        return
    CURRENT.require(exchange.status == 200, f"{exchange.status} for {way}", history.first, exchange)
    target.run_state.check(CONTRACT.status_operation, None, exchange)


IGNORED_HEADERS = {
    "another method": {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "PUT"},
    "another path": {"X-Original-URL": "/v1/none", "X-Rewrite-URL": "/v1/none"},
    "another protocol": {"Upgrade": "h2c, websocket", "Connection": "Upgrade"},
    "a preference": {"Prefer": "respond-async, wait=1"},
    "another language": {"Accept-Language": "x-klingon"},
    "proxies": {"Via": "1.0 a, 1.1 b", "X-Forwarded-For": "10.0.0.1", "Forwarded": "for=_a"},
    "an origin": {"Origin": "https://example.com", "Sec-Fetch-Mode": "cors"},
    "a cookie": {"Cookie": "session=1; token=none"},
    "an API key elsewhere": {"X-API-Key": "none", "Api-Key": "none"},
    "a long value": {"X-Long": "a" * 4000},
    "trailers": {"TE": "trailers", "Trailer": "X-Sum"},
    "a body's language": {"Content-Language": "en", "Content-Location": "/none"},
}
_OF_THE_CONNECTION = frozenset({"upgrade", "connection", "te", "trailer", "keep-alive", "expect"})


def sent_through_http(target, method, path, headers, content=None):
    """Send a request that the HTTP server may refuse; any other response is the API's."""
    exchange = target.submit_paid(method, path, headers, content)
    if not 400 <= exchange.status < 500:
        expectation = target.expectation(method, path, headers, content)
        target.run_state.check(CONTRACT.operation_at(path), expectation, exchange)
    return exchange


@pytest.mark.fast
@pytest.mark.parametrize("way", sorted(IGNORED_HEADERS))
def test_unknown_headers_change_nothing(target, way) -> None:
    """A submission and a query with unusual headers do what they do without them.

    One of the connection is for the HTTP server, which may refuse it before the API sees it, and
    not in JSON.
    """
    model, more = target.models[MODELS[0]], IGNORED_HEADERS[way]
    of_the_api = not _OF_THE_CONNECTION & {name.lower() for name in more}
    send = target.exchange if of_the_api else partial(sent_through_http, target)
    sent = {**target.authorization(), **more}
    content = json.dumps(cheapest(model)).encode()
    made = send("POST", model.path, {"Content-Type": "application/json", **sent}, content)
    IGNORED.require(made.status == 200, f"{made.status} with {way}", made)
    seen = send("GET", target.task_path(made.task_id or UNKNOWN_ID), sent)
    IGNORED.require(seen.status == 200, f"{seen.status} with {way}", made, seen)


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEARER"])
def test_the_scheme_is_compared_without_case(target, scheme) -> None:
    """The scheme of the key may be written in any case."""
    path = target.task_path(target.some_task().id)
    shown = {"Authorization": f"{scheme} {target.keys[target.account]}"}
    exchange = target.client.send("GET", path, shown)
    SCHEME.require(exchange.status == 200, f"{exchange.status} for {scheme}", exchange)


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
@pytest.mark.parametrize(
    "query", ["", "x=1", "x=1&x=2", "task_id=ID&id=ID", "status=completed", "%00", "a;b"]
)
def test_a_query_chooses_no_other_task(target, query) -> None:
    """A query in a task's URL, which isn't documented, is ignored or rejected."""
    history = target.some_task()
    other = next((one for one in target.tasks if one != history.id), UNKNOWN_ID)
    path = f"{target.task_path(history.id)}?{query.replace('ID', other)}"
    exchange = target.client.send("GET", path, target.authorization())
    right = exchange.status in {200, 400, 404}
    QUERY_IGNORED.require(right, f"{exchange.status} for ?{query}", history.first, exchange)
    if exchange.status == 200:
        target.run_state.check(CONTRACT.status_operation, None, exchange)
