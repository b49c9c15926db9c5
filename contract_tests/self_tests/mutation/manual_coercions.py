"""Mutants written by hand: values that a lenient server turns into valid ones, and lost checks."""

from __future__ import annotations

import json
import re
from math import gcd
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from self_tests.mutation.fault_layer import MutableResponse
from self_tests.mutation.kill_proof import KEY, SCRIPTS, image_model, video_model
from self_tests.mutation.mutant import Mutant, after, before, register, submits
from wanflow.catalog.catalog import packaged_catalog
from wanflow_contract.checks.boundaries import cheapest

if TYPE_CHECKING:
    from collections.abc import Callable

    from self_tests.mutation.fault_layer import MutableRequest
    from self_tests.mutation.kill_proof import ScriptRunner
    from wanflow.catalog.catalog import Model

    State = dict[str, Any]

_FALSE: tuple[Any, ...] = ("", 0, [], {})
_MODELS = packaged_catalog().models.values()


def _model_with(name: str) -> Model:
    return next(one for one in _MODELS if name in one.parameters)


def _takes(
    name: str,
    description: str,
    field: str,
    given: Any,
    new: Callable[[Any], Any],
    kind: str = "validation missing",
) -> None:
    """Register a mutant that replaces the value of a field before it is checked.

    `new` returns the new value, or raises a ValueError or TypeError if there is none.
    """

    def alter(call: MutableRequest, _state: State) -> None:
        body = call.body
        if field in body:
            try:
                call.content = json.dumps({**body, field: new(body[field])}).encode()
            except (ValueError, TypeError, LookupError, AttributeError):
                return

    probe = {**cheapest(_model_with(field)), field: given}
    register(Mutant(name, kind, description, "submit", submits, alter, probe=probe))


def _of(kind: type, change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that changes values of one type only."""

    def changed(value: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(value)
        return change(value)

    return changed


def _reduced(text: str) -> str:
    wide, high = (int(one) for one in text.split(":"))
    return f"{wide // gcd(wide, high)}:{high // gcd(wide, high)}"


def _item(model: Model) -> str:
    return str(cheapest(model)["image_urls"][0])


_IMAGES = _model_with("image_urls")
_URL = _item(_IMAGES)
_takes("count-in-a-text", "A count may be a text of digits.", "n", "2", _of(str, int))
_takes("count-with-a-fraction", "The fraction of a count is dropped.", "n", 1.5, _of(float, int))
_takes("count-in-a-list", "A count may be in a list of one.", "n", [1], lambda value: value[0])
_takes("count-in-a-byte", "A count is stored in a byte.", "n", 257, _of(int, lambda n: n % 256))
_takes(
    "duration-in-two-bytes",
    "A duration is stored in two bytes.",
    "duration",
    65541,
    _of(int, lambda seconds: seconds % 65536),
)
_takes(
    "duration-with-a-unit",
    "A duration may have a unit.",
    "duration",
    "5s",
    _of(str, lambda text: int(text.removesuffix("s"))),
)
_takes(
    "zero-is-false",
    "A switch may be 0.",
    "prompt_extend",
    0,
    _of(int, lambda number: {0: False}[number]),
)
_takes(
    "words-for-a-switch",
    "A switch may be `yes` or `no`.",
    "prompt_extend",
    "yes",
    _of(str, lambda text: {"yes": True, "no": False}[text]),
)
_takes(
    "nulls-dropped",
    "Nulls in a list of URLs are dropped.",
    "image_urls",
    [_URL, None],
    _of(list, lambda urls: [one for one in urls if one is not None]),
)
_takes(
    "empty-entries-dropped",
    "Empty texts in a list of URLs are dropped.",
    "image_urls",
    [_URL, ""],
    _of(list, lambda urls: [one for one in urls if one != ""]),
)
_takes(
    "objects-for-entries",
    "An entry of a list of URLs may be an object.",
    "image_urls",
    [{"url": _URL}],
    _of(list, lambda urls: [one["url"] for one in urls]),
)
_takes(
    "sound-over-tls-only",
    "A sound that is not at https is refused.",
    "audio_url",
    "http://example.com/file.mp3",
    _of(str, lambda url: url if url.startswith("https:") else "no url"),
    "validation too strict",
)
_takes(
    "sound-with-extension-only",
    "A sound whose URL has no extension is refused.",
    "audio_url",
    "https://example.com/files/1756817821",
    _of(str, lambda url: url if ".mp3" in url else "no url"),
    "validation too strict",
)
_takes(
    "object-for-a-list",
    "A list of URLs may be an object with numbers as names.",
    "image_urls",
    {"0": _URL},
    _of(dict, lambda urls: list(urls.values())),
)
_takes(
    "ratios-reduced",
    "Aspect ratios are reduced.",
    "aspect_ratio",
    "32:18",
    _of(str, _reduced),
)
_takes(
    "ratios-with-an-x",
    "Aspect ratios may be written with an x.",
    "aspect_ratio",
    "16x9",
    _of(str, lambda text: re.sub("[x/]", ":", text)),
)
_takes(
    "quality-without-unit",
    "A quality may lack its unit.",
    "quality",
    "720",
    lambda value: f"{int(value)}p",
)
_takes(
    "quality-with-a-line-break",
    "A line break at the end of a quality is dropped.",
    "quality",
    "720p\n",
    _of(str, lambda text: text.removesuffix("\n")),
)
_takes(
    "spaces-not-counted",
    "Spaces around a prompt don't count for its length.",
    "prompt",
    "a" * _model_with("prompt").parameters["prompt"]["maxLength"] + " ",
    _of(str, str.strip),
)
_takes(
    "parameters-in-a-text",
    "An object of parameters may be in a text.",
    "model_params",
    '{"shot_type": "single"}',
    _of(str, json.loads),
)


@before("validation missing", "Zeros, empty texts and lists are taken as absent.", submits, "zero")
def nothing_is_absent(call: MutableRequest, _state: State) -> None:
    body = call.body
    kept = {name: one for name, one in body.items() if one is False or one not in _FALSE}
    if "prompt" in body and "model" in body and kept != body:
        call.content = json.dumps({**kept, "prompt": body["prompt"]}).encode()


@before(
    "validation missing", "The shot is not checked without a rewritten prompt.", submits, "shot"
)
def shot_unchecked(call: MutableRequest, _state: State) -> None:
    body = call.body
    if body.get("prompt_extend") is False and "model_params" in body:
        call.content = json.dumps({**body, "model_params": {}}).encode()


@before(
    "validation missing", "The quality is unknown to what is checked before it.", submits, "ordered"
)
def ratio_checked_before_quality(call: MutableRequest, _state: State) -> None:
    body = call.body
    names = [name for name in body if name in {"aspect_ratio", "quality"}]
    if names == ["aspect_ratio", "quality"] and body["aspect_ratio"] in ("4:3", "3:4"):
        call.content = json.dumps({**body, "aspect_ratio": "1:1"}).encode()


@before(
    "validation missing", "The best quality has durations of another model.", submits, "longest"
)
def durations_of_the_best_quality(call: MutableRequest, _state: State) -> None:
    body = call.body
    if body.get("quality") == "1080p" and body.get("duration") == 15:
        call.content = json.dumps({**body, "duration": 10}).encode()


_takes(
    "quality-in-thousands",
    "The qualities 2K and 4K are accepted.",
    "quality",
    "4K",
    lambda value: {"2K": "1080p", "4K": "1080p"}[value],
)


@before("validation missing", "Fields of the URL count as fields of the body.", submits, "in-url")
def query_read(call: MutableRequest, _state: State) -> None:
    if call.query and call.body:
        call.content = json.dumps({**dict(parse_qsl(call.query)), **call.body}).encode()


@before("http", "A query in the URL of a submission makes the server fail.", submits, "in-url")
def query_of_a_submission_fails(call: MutableRequest, _state: State) -> MutableResponse | None:
    if not call.query:
        return None
    error = {"code": 500, "message": "Oops", "type": "internal_server_error"}
    content = json.dumps({"error": error}).encode()
    return MutableResponse(500, [("content-type", "application/json")], content)


@before("auth", "A valid submission needs no key; an invalid one does.", submits, "keyless")
def valid_needs_no_key(call: MutableRequest, _state: State) -> None:
    if "authorization" not in call.headers and "image_urls" not in call.body and call.body:
        call.headers["authorization"] = f"Bearer {KEY}"


@after("error shape", "The error about an unknown model blames the prompt.", submits, "model")
def model_blames_prompt(_call: MutableRequest, response: MutableResponse, _state: State) -> None:
    body = response.body
    if response.status == 404 and "error" in body:
        body["error"]["param"] = "prompt"
        response.set_body(body)


@before("status", "DELETE removes a task.", lambda _call: True, "deleted")
def removed_by_delete(call: MutableRequest, state: State) -> MutableResponse | None:
    gone = state.setdefault("gone", set())
    json_type = [("content-type", "application/json")]
    if call.method == "DELETE" and "/tasks/" in call.path:
        gone.add(call.task_id)
        return MutableResponse(200, json_type, b"{}")
    if call.is_query and call.task_id in gone:
        error = {"code": 404, "message": "Not found", "type": "not_found_error"}
        return MutableResponse(404, json_type, json.dumps({"error": error}).encode())
    return None


def _beside(runner: ScriptRunner, model: Model, **fields: Any) -> None:
    runner.post({**cheapest(model), **fields})


def _ordered(runner: ScriptRunner) -> None:
    body = {**cheapest(_model_with("aspect_ratio")), "aspect_ratio": "4:3"}
    del body["quality"]
    runner.post({**body, "quality": "480p"})


def _in_url(runner: ScriptRunner) -> None:
    body = {name: one for name, one in cheapest(image_model()).items() if name != "prompt"}
    runner.send("POST", f"{image_model().path}?prompt=cat", KEY, json=body)


def _deleted(runner: ScriptRunner) -> None:
    made = runner.post()
    runner.send("DELETE", f"/v1/tasks/{made.get('id')}", KEY)
    runner.get(str(made.get("id")))


SCRIPTS.update(
    {
        "zero": lambda runner: _beside(runner, video_model(), prompt_extend=0),
        "shot": lambda runner: _beside(
            runner,
            _model_with("model_params"),
            prompt_extend=False,
            model_params={"shot_type": "none"},
        ),
        "ordered": _ordered,
        "longest": lambda runner: _beside(
            runner, _model_with("aspect_ratio"), quality="1080p", duration=15
        ),
        "in-url": _in_url,
        "deleted": _deleted,
    }
)
