"""Mutants written by hand: faults that only a few kinds of requests reveal.

They have their own scripts where the common ones don't show them.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from self_tests.mutation.fault_layer import MutableResponse
from self_tests.mutation.kill_proof import KEY, SCRIPTS, ScriptRunner, image_model, video_model
from self_tests.mutation.manual_refusals import error
from self_tests.mutation.mutant import Mutant, before, register, submits
from wanflow.catalog.catalog import packaged_catalog
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.support.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable

    from self_tests.mutation.fault_layer import MutableRequest
    from wanflow.catalog.catalog import Model

    State = dict[str, Any]

_KEY = "witness-key-00000003"
_LONG = "a cat on a mat " * 30


def _priced(
    name: str,
    description: str,
    probe: dict[str, Any],
    factor: Callable[[Any], float],
    model: Model | None = None,
) -> None:
    """Register a mutant that charges a factor more for some requests, such as the probe."""

    def alter(call: MutableRequest, response: MutableResponse, _state: State) -> None:
        body = response.body
        if response.status == 200 and "usage" in body:
            was = body["usage"]["credits_reserved"]
            body["usage"]["credits_reserved"] = round(was * factor(call.body), 2)
            response.set_body(body)

    shown = {**cheapest(model or image_model()), **probe}
    register(Mutant(name, "billing", description, "submit", submits, after=alter, probe=shown))


_priced(
    "long-prompt-costs-more",
    "A long prompt costs twice as much.",
    {"prompt": _LONG},
    lambda body: 2 if len(str(body.get("prompt"))) > 400 else 1,
)
_priced(
    "price-of-one",
    "Several images cost as much as one.",
    {"n": 3},
    lambda body: 1 / (body.get("n") or 1),
)
_priced(
    "squared-price",
    "Three images cost as much as nine.",
    {"n": 3},
    lambda body: body.get("n", 1),
)
_priced(
    "lowest-quality-costs-most",
    "The lowest quality of a video costs four times as much.",
    {"quality": "480p"},
    lambda body: 4 if body.get("quality") == "480p" else 1,
    video_model(),
)


def _refuses(
    name: str, description: str, field: str, model: Model, given: dict[str, Any], wrong: Any
) -> None:
    """Register a mutant that refuses valid requests of some kind, such as the given one."""

    def refuse(call: MutableRequest, _state: State) -> MutableResponse | None:
        return error(400, "invalid_request_error", param=field) if wrong(call.body) else None

    kind, probe = "validation too strict", {**cheapest(model), **given}
    register(Mutant(name, kind, description, "submit", submits, before=refuse, probe=probe))


def _has_odd_sides(body: dict[str, Any]) -> bool:
    sides = re.fullmatch("([0-9]+)x([0-9]+)", str(body.get("size")))
    return sides is not None and any(int(one) % 16 for one in sides.groups())


_refuses(
    "sides-of-sixteen",
    "Sizes whose sides aren't multiples of 16 are refused.",
    "size",
    image_model(),
    {"size": "1001x997"},
    _has_odd_sides,
)
_SHAPED = next(
    one for one in packaged_catalog().models.values() if "aspect_ratio" in one.parameters
)
_refuses(
    "one-shape-at-one-quality",
    "One aspect ratio is refused at the highest quality only.",
    "aspect_ratio",
    _SHAPED,
    {"aspect_ratio": "3:4", "quality": "1080p"},
    lambda body: (body.get("aspect_ratio"), body.get("quality")) == ("3:4", "1080p"),
)


def _refuses_url(name: str, description: str, field: str, part: str, url: str) -> None:
    """Register a mutant that refuses a URL in which a part occurs."""

    def refuse(call: MutableRequest, _state: State) -> MutableResponse | None:
        found = part in json.dumps(call.body.get(field))
        return error(400, "invalid_request_error", param=field) if found else None

    model = next(one for one in packaged_catalog().models.values() if field in one.parameters)
    given = [url] if model.parameters[field].get("type") == "array" else url
    probe = {**cheapest(model), field: given}
    kind = "validation too strict"
    register(Mutant(name, kind, description, "submit", submits, before=refuse, probe=probe))


_refuses_url(
    "no-escape-in-an-image",
    "An image whose URL has a percent sign is refused.",
    "image_urls",
    "%",
    "https://example.com/a%20cat.jpeg",
)
_refuses_url(
    "no-escape-in-a-callback",
    "A callback URL with a percent sign is refused.",
    "callback_url",
    "%",
    "https://example.com/a%20b",
)
_refuses_url(
    "no-port-in-a-callback",
    "A callback URL with a port is refused.",
    "callback_url",
    ":8443",
    "https://example.com:8443/hook",
)
_refuses_url(
    "no-query-in-a-callback",
    "A callback URL with a query is refused.",
    "callback_url",
    "?",
    "https://example.com/hook?task=1",
)
_refuses_url(
    "no-capitals-in-a-callback",
    "A callback URL whose host has capitals is refused.",
    "callback_url",
    ".COM",
    "https://Example.COM/hook",
)
_refuses_url(
    "no-punycode-in-an-image",
    "An image at a host whose name is in Punycode is refused.",
    "image_urls",
    "xn--",
    "https://xn--bcher-kva.example.com/a.jpeg",
)
_refuses_url(
    "no-punycode-in-a-callback",
    "A callback URL with a host in Punycode is refused.",
    "callback_url",
    "xn--",
    "https://xn--bcher-kva.example.com/hook",
)


def _refuses_size(name: str, description: str, size: str) -> None:
    """Register a mutant that refuses one size, such as a corner of what is allowed."""

    def refuse(call: MutableRequest, _state: State) -> MutableResponse | None:
        if call.body.get("size") != size:
            return None
        return error(400, "invalid_request_error", param="size")

    probe = {**cheapest(image_model()), "size": size}
    kind = "validation too strict"
    register(Mutant(name, kind, description, "submit", submits, before=refuse, probe=probe))


_refuses_size("no-short-side", "An image with the shortest side is refused.", "384x1536")
_refuses_size("no-long-side", "An image with the longest side is refused.", "2880x720")


def _failed(call: MutableRequest, response: MutableResponse, state: State) -> None:
    body = response.body
    if call.is_submission and response.status == 200 and call.body.get("n") == 3:
        state[body["id"]] = True
    if call.is_query and call.task_id in state and body.get("status") == "completed":
        error = {"code": "service_error", "message": "Sorry", "type": "task_error"}
        del body["results"]
        response.set_body({**body, "status": "failed", "progress": 0, "error": error})


register(Mutant("three-fail", "life cycle", "Three images always fail.", "several", after=_failed))


def _key_until_its_end(call: MutableRequest, response: MutableResponse, state: State) -> None:
    key = call.headers.get("idempotency-key")
    if call.is_submission and key and response.status == 200:
        state[response.body["id"]] = key
    if call.task_id in state and response.body.get("status") == "completed":
        state.setdefault("over", set()).add(state[call.task_id])


def _as_new(call: MutableRequest, state: State) -> MutableResponse | None:
    if call.is_submission and call.headers.get("idempotency-key") in state.get("over", ()):
        del call.headers["idempotency-key"]
    return None


register(
    Mutant(
        "key-until-its-end",
        "idempotency",
        "A key is forgotten when its task has ended.",
        "late-replay",
        before=_as_new,
        after=_key_until_its_end,
    )
)


@before("auth", "A key in a cookie is accepted, too.", lambda _call: True, "cookie")
def cookie_key(call: MutableRequest, _state: State) -> MutableResponse | None:
    found = re.search(r"token=([^;]+)", call.headers.get("cookie", ""))
    if found and "authorization" not in call.headers:
        call.headers["authorization"] = f"Bearer {found[1]}"
    return None


@before("validation too strict", "Text that isn't escaped is rejected.", submits, "unescaped")
def escapes_only(call: MutableRequest, _state: State) -> MutableResponse | None:
    error = b'{"error": {"code": 400, "message": "No", "type": "invalid_request_error"}}'
    refusal = MutableResponse(400, [("content-type", "application/json")], error)
    return refusal if any(one > 0x7F for one in call.content) and call.body else None


@before("status", "PUT and PATCH submit as well.", lambda _call: True, "put")
def other_methods_submit(call: MutableRequest, _state: State) -> MutableResponse | None:
    if call.method in {"PUT", "PATCH"} and call.body:
        call.method = "POST"
    return None


@before(
    "validation missing", "Each operation takes the models of all.", submits, "another-operation"
)
def any_model_anywhere(call: MutableRequest, _state: State) -> MutableResponse | None:
    model = packaged_catalog().models.get(str(call.body.get("model")))
    call.path = model.path if model else call.path
    return None


def _needs(name: str, description: str, field: str, unless: str, sample: dict[str, Any]) -> None:
    """Register a mutant that refuses some values of a field if another one isn't given."""
    model = next(one for one in packaged_catalog().models.values() if field in one.parameters)

    def refuse(call: MutableRequest, _state: State) -> MutableResponse | None:
        wrong = call.body.get(field) == sample[field] and unless not in call.body
        return error(400, "invalid_request_error", param=field) if wrong else None

    shown = {key: one for key, one in cheapest(model).items() if key != unless} | sample
    where = "validation too strict", description, "submit", submits
    register(Mutant(name, *where, before=refuse, probe=shown))


_needs(
    "ratio-of-the-lowest",
    "A ratio is compared with those of the lowest quality, if the request names none.",
    *("aspect_ratio", "quality"),
    {"aspect_ratio": "4:3"},
)
_needs(
    "shots-need-a-word",
    "Several shots are refused unless the request says whether the prompt is extended.",
    *("model_params", "prompt_extend"),
    {"model_params": {"shot_type": "multi"}},
)


def _query_lost(call: MutableRequest, _state: State) -> MutableResponse | None:
    call.content = re.sub(rb"(/hook[^\"?]*)\?[^\"]*", rb"\1", call.content)
    return None


register(
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


def _late_replay(runner: ScriptRunner) -> None:
    made = runner.post(Idempotency_Key=_KEY)
    for _ in range(3):
        runner.get(str(made.get("id")))
    runner.post(Idempotency_Key=_KEY)


def _unescaped(runner: ScriptRunner) -> None:
    content = json.dumps({**cheapest(image_model()), "prompt": "猫"}, ensure_ascii=False)
    sent = {"Content-Type": "application/json"}
    runner.send("POST", image_model().path, KEY, content=content.encode(), headers=sent)


def _callback_query(runner: ScriptRunner) -> None:
    with Receiver() as receiver:
        hook = "hook?token=1"
        made = runner.post({**cheapest(image_model()), "callback_url": receiver.address(hook)})
        for _ in range(2):
            runner.get(str(made.get("id")))
        runner.log.append(f"received: {runner.received(receiver, hook, 1.0) is not None}")


SCRIPTS.update(
    {
        "late-replay": _late_replay,
        "cookie": lambda runner: runner.send(
            "GET", "/v1/tasks/task-unified-1-none", headers={"Cookie": f"token={KEY}"}
        ),
        "unescaped": _unescaped,
        "another-operation": lambda runner: runner.send(
            "POST", image_model().path, KEY, json=cheapest(video_model())
        ),
        "put": lambda runner: runner.send(
            "PUT", image_model().path, KEY, json=cheapest(image_model())
        ),
        "callback-query": _callback_query,
    }
)
