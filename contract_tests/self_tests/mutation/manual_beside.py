"""Mutants written by hand: failures at unusual content, rules with exceptions, damaged files."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from self_tests.mutation.kill_proof import (
    KEY,
    OTHER_KEY,
    SCRIPTS,
    ScriptRunner,
    image_model,
)
from self_tests.mutation.manual_refusals import error
from self_tests.mutation.mutant import after, before, files, queries, submits
from self_tests.mutation.runner import KEYS
from wanflow_contract.checks.boundaries import cheapest

if TYPE_CHECKING:
    from self_tests.mutation.fault_layer import MutableRequest, MutableResponse

    State = dict[str, Any]

_TOO_MANY = 9
_OTHERS = (OTHER_KEY, KEYS["WANFLOW_CONTRACT_API_KEY2"])


def _submission(**more: Any) -> dict[str, Any]:
    return {**cheapest(image_model()), **more}


SCRIPTS |= {
    "backslash": lambda runner: runner.post(_submission(prompt="a \\ cat")),
    "bracket": lambda runner: runner.post(_submission(callback_url="https://[::1")),
    "prototype": lambda runner: runner.post(_submission(__proto__=1)),
    "infinite": lambda runner: runner.send(
        "POST",
        image_model().path,
        KEY,
        content=json.dumps(_submission())[:-1] + ', "unknown": 1e400}',
        headers={"content-type": "application/json"},
    ),
    "nul-in-id": lambda runner: runner.get("task-unified-1-none%00"),
    "html": lambda runner: runner.get("task-unified-1-none", Accept="text/html, application/json"),
    "forwarded": lambda runner: runner.get(
        "task-unified-1-none", None, X_Forwarded_For="127.0.0.1"
    ),
    "unchecked-with-a-key": lambda runner: runner.post(
        _submission(n=_TOO_MANY), Idempotency_Key="witness-key-00000001"
    ),
    "unchecked-for-another": lambda runner: runner.post(_submission(n=_TOO_MANY), OTHER_KEY),
}


def _failure() -> MutableResponse:
    return error(500, "internal_server_error")


@before("text", "A prompt with a backslash makes the server fail.", submits, "backslash")
def fails_at_a_backslash(call: MutableRequest, _state: State) -> MutableResponse | None:
    return _failure() if "\\" in str(call.body.get("prompt")) else None


@before("text", "A URL that can't be parsed makes the server fail.", submits, "bracket")
def fails_at_a_bracket(call: MutableRequest, _state: State) -> MutableResponse | None:
    try:
        _ = urlsplit(str(call.body.get("callback_url"))).port
    except ValueError:
        return _failure()
    return None


@before("schema", "An unknown field `__proto__` makes the server fail.", submits, "prototype")
def fails_at_a_prototype(call: MutableRequest, _state: State) -> MutableResponse | None:
    return _failure() if "__proto__" in call.body else None


@before("schema", "A number too large for its type makes the server fail.", submits, "infinite")
def fails_at_infinity(call: MutableRequest, _state: State) -> MutableResponse | None:
    numbers = [one for one in call.body.values() if isinstance(one, float)]
    return _failure() if any(abs(one) == float("inf") for one in numbers) else None


@before("identity", "A NUL in an id makes the server fail.", queries, "nul-in-id")
def fails_at_a_nul(call: MutableRequest, _state: State) -> MutableResponse | None:
    return _failure() if "%00" in call.path else None


@after("error shape", "Errors are pages for who accepts pages, too.", lambda _call: True, "html")
def errors_as_pages(call: MutableRequest, response: MutableResponse, _state: State) -> None:
    if response.status >= 400 and "text/html" in call.headers.get("accept", ""):
        response.set_content(b"<h1>Error</h1>")
        response.set_header("content-type", "text/html")


@before("auth", "A request in the name of this machine needs no key.", queries, "forwarded")
def trusts_an_address(call: MutableRequest, _state: State) -> MutableResponse | None:
    if call.headers.get("x-forwarded-for") == "127.0.0.1" and "authorization" not in call.headers:
        call.headers["authorization"] = f"Bearer {KEY}"
    return None


def _take(call: MutableRequest) -> None:
    number = call.body.get("n")
    if isinstance(number, int) and number > 1:
        call.content = json.dumps({**call.body, "n": 1}).encode()


@before(
    "validation missing",
    "With an idempotency key any number of images is accepted.",
    submits,
    "unchecked-with-a-key",
)
def unchecked_with_a_key(call: MutableRequest, _state: State) -> MutableResponse | None:
    if "idempotency-key" in call.headers and call.body.get("n", 1) not in range(5):
        _take(call)
    return None


@before(
    "validation missing",
    "For all accounts but the first one any number of images is accepted.",
    submits,
    "unchecked-for-another",
)
def unchecked_for_another(call: MutableRequest, _state: State) -> MutableResponse | None:
    if call.headers.get("authorization", "").endswith(_OTHERS):
        _take(call)
    return None


@after("links", "Pictures have zeros in their middle.", files, "file")
def damaged_pictures(call: MutableRequest, response: MutableResponse, _state: State) -> None:
    content, middle = response.content, len(response.content) // 2
    if response.status == 200 and content.startswith(b"\x89PNG"):
        response.set_content(content[:middle] + bytes(20) + content[middle + 20 :])


@after("links", "Videos have no table of their contents.", files, "video")
def videos_without_table(call: MutableRequest, response: MutableResponse, _state: State) -> None:
    response.set_content(response.content.replace(b"moov", b"free"))


@after("links", "Videos are a second shorter than their header's usual duration.", files, "video")
def a_second_shorter(call: MutableRequest, response: MutableResponse, _state: State) -> None:
    at = response.content.find(b"mvhd")
    if at < 0 or response.content[at + 4] != 0:
        return
    scale, duration = struct.unpack(">II", response.content[at + 16 : at + 24])
    shorter = struct.pack(">II", scale, duration - scale)
    response.set_content(response.content[: at + 16] + shorter + response.content[at + 24 :])


@after("links", "An earlier link of a result ends with the next one.", lambda _call: True, "links")
def earlier_links_end(call: MutableRequest, response: MutableResponse, state: State) -> None:
    if call.path.startswith("/media"):
        if call.query and call.query != f"v={state.get(call.path.split('/')[-2], 0)}":
            response.status = 403
        return
    body = response.body
    if call.is_query and isinstance(body, dict) and body.get("results"):
        number = state[call.task_id] = state.get(call.task_id, 0) + 1
        links = [f"{one}?v={number}" for one in body["results"]]
        response.set_body({**body, "results": links})


def _links(runner: ScriptRunner) -> None:
    made = runner.post()
    seen = [runner.get(str(made.get("id"))) for _ in range(4)]
    for link in (str(one) for body in seen for one in body.get("results") or ()):
        runner.send("GET", link)


SCRIPTS["links"] = _links
