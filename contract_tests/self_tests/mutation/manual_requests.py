"""Mutants written by hand: wrong only in dealings that few requests have: words, cookies, replays.

Each has a script of its own where the others' don't show it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from self_tests.mutation.fault_layer import Reply
from self_tests.mutation.kill_proof import KEY, SCRIPTS, Stage, an_image
from self_tests.mutation.mutant import Mutant, before, enter, submits
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.support.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable

    from self_tests.mutation.fault_layer import Call

    State = dict[str, Any]

_KEY = "witness-key-00000003"
_LONG = "a cat on a mat " * 30


def _priced(name: str, says: str, probe: dict[str, Any], factor: Callable[[Any], float]) -> None:
    """Enter a mutant that charges a factor more for some requests, which the probe is one of."""

    def spoil(call: Call, reply: Reply, _state: State) -> None:
        body = reply.body
        if reply.status == 200 and "usage" in body:
            was = body["usage"]["credits_reserved"]
            body["usage"]["credits_reserved"] = round(was * factor(call.body), 2)
            reply.say(body)

    shown = {**cheapest(an_image()), **probe}
    enter(Mutant(name, "billing", says, "submit", submits, after=spoil, probe=shown))


_priced(
    "dear-words",
    "A long prompt costs twice as much.",
    {"prompt": _LONG},
    lambda body: 2 if len(str(body.get("prompt"))) > 400 else 1,
)
_priced(
    "squared-price",
    "Three pictures cost as much as nine.",
    {"n": 3},
    lambda body: body.get("n", 1),
)


def _failed(call: Call, reply: Reply, state: State) -> None:
    body = reply.body
    if call.submits and reply.status == 200 and call.body.get("n") == 3:
        state[body["id"]] = True
    if call.queries and call.task_id in state and body.get("status") == "completed":
        error = {"code": "service_error", "message": "Sorry", "type": "task_error"}
        del body["results"]
        reply.say({**body, "status": "failed", "progress": 0, "error": error})


enter(Mutant("three-fail", "life cycle", "Three pictures always fail.", "several", after=_failed))


def _key_until_its_end(call: Call, reply: Reply, state: State) -> None:
    key = call.headers.get("idempotency-key")
    if call.submits and key and reply.status == 200:
        state[reply.body["id"]] = key
    if call.task_id in state and reply.body.get("status") == "completed":
        state.setdefault("over", set()).add(state[call.task_id])


def _as_new(call: Call, state: State) -> Reply | None:
    if call.submits and call.headers.get("idempotency-key") in state.get("over", ()):
        del call.headers["idempotency-key"]
    return None


enter(
    Mutant(
        "key-until-its-end",
        "idempotency",
        "A key is forgotten when its task has ended.",
        "late-replay",
        before=_as_new,
        after=_key_until_its_end,
    )
)


@before("auth", "A key in a cookie is taken as well.", lambda _call: True, "cookie")
def cookie_key(call: Call, _state: State) -> Reply | None:
    found = re.search(r"token=([^;]+)", call.headers.get("cookie", ""))
    if found and "authorization" not in call.headers:
        call.headers["authorization"] = f"Bearer {found[1]}"
    return None


@before("validation too strict", "Text that isn't escaped is refused.", submits, "spoken")
def escapes_only(call: Call, _state: State) -> Reply | None:
    error = b'{"error": {"code": 400, "message": "No", "type": "invalid_request_error"}}'
    refusal = Reply(400, [("content-type", "application/json")], error)
    return refusal if any(one > 0x7F for one in call.content) and call.body else None


@before("status", "PUT and PATCH submit as well.", lambda _call: True, "put")
def other_methods_submit(call: Call, _state: State) -> Reply | None:
    if call.method in {"PUT", "PATCH"} and call.body:
        call.method = "POST"
    return None


def _query_lost(call: Call, _state: State) -> Reply | None:
    call.content = re.sub(rb"(/hook[^\"?]*)\?[^\"]*", rb"\1", call.content)
    return None


enter(
    Mutant(
        "callback-query-lost",
        "callbacks",
        "The query of a callback's URL is lost.",
        "callback-query",
        submits,
        before=_query_lost,
        options={"loopback_callbacks": True},
    )
)


def _late_replay(stage: Stage) -> None:
    made = stage.post(Idempotency_Key=_KEY)
    for _ in range(3):
        stage.get(str(made.get("id")))
    stage.post(Idempotency_Key=_KEY)


def _spoken(stage: Stage) -> None:
    content = json.dumps({**cheapest(an_image()), "prompt": "猫"}, ensure_ascii=False)
    sent = {"Content-Type": "application/json"}
    stage.send("POST", an_image().path, KEY, content=content.encode(), headers=sent)


def _callback_query(stage: Stage) -> None:
    with Receiver() as receiver:
        hook = "hook?token=1"
        made = stage.post({**cheapest(an_image()), "callback_url": receiver.address(hook)})
        for _ in range(2):
            stage.get(str(made.get("id")))
        stage.told.append(f"told: {receiver.next(hook, 1.0) is not None}")


SCRIPTS |= {
    "late-replay": _late_replay,
    "cookie": lambda stage: stage.send(
        "GET", "/v1/tasks/task-unified-1-none", headers={"Cookie": f"token={KEY}"}
    ),
    "spoken": _spoken,
    "put": lambda stage: stage.send("PUT", an_image().path, KEY, json=cheapest(an_image())),
    "callback-query": _callback_query,
}
