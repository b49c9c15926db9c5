"""Mutants written by hand: choices that are taken for valid beside others, and kinds of results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from self_tests.mutation.manual_refusals import error
from self_tests.mutation.mutant import Mutant, after, files, register, submits
from wanflow.catalog.catalog import packaged_catalog
from wanflow_contract.checks.boundaries import cheapest

if TYPE_CHECKING:
    from collections.abc import Callable

    from self_tests.mutation.fault_layer import MutableRequest, MutableResponse

    State = dict[str, Any]


def _takes(
    name: str, description: str, given: dict[str, Any], field: str, new: Callable[[Any], Any]
) -> None:
    """Register a mutant that replaces some values of a field before they are checked."""

    def alter(call: MutableRequest, _state: State) -> None:
        body = call.body
        if isinstance(body.get(field), type(given[field])):
            call.content = json.dumps({**body, field: new(body[field])}).encode()

    probe = _with(field, given)
    register(Mutant(name, "validation missing", description, "submit", submits, alter, probe=probe))


def _with(field: str, given: dict[str, Any]) -> dict[str, Any]:
    models = packaged_catalog().models.values()
    return {**cheapest(next(one for one in models if field in one.parameters)), **given}


def _shortened(counted: Callable[[str], str]) -> Callable[[str], str]:
    """Return a function that makes a URL short enough if what is counted of it is so."""
    return lambda url: url[:2048] if len(counted(url)) <= 2048 else url


_takes(
    "ratio-of-films",
    "The aspect ratio 21:9 is accepted where each other one is.",
    {"aspect_ratio": "21:9", "quality": "720p"},
    "aspect_ratio",
    lambda ratio: {"21:9": "4:3"}.get(ratio, ratio),
)
_takes(
    "eight-seconds",
    "A duration of eight seconds is accepted.",
    {"duration": 8},
    "duration",
    lambda seconds: {8: 10}.get(seconds, seconds),
)
_takes(
    "shot-by-itself",
    "A shot of the type `auto` is accepted.",
    {"model_params": {"shot_type": "auto"}},
    "model_params",
    lambda given: {} if given == {"shot_type": "auto"} else given,
)
_takes(
    "callback-length-without-query",
    "The query doesn't count for the length of a callback URL.",
    {"callback_url": "https://example.com/?a=".ljust(2049, "b")},
    "callback_url",
    _shortened(lambda url: url.partition("?")[0]),
)
_takes(
    "callback-length-decoded",
    "The length of a callback URL is counted after it is decoded.",
    {"callback_url": "https://example.com/%41%41".ljust(2049, "b")},
    "callback_url",
    _shortened(unquote),
)


def _refuses_named_address(call: MutableRequest, _state: State) -> MutableResponse | None:
    found = "127.0.0.1" in str(call.body.get("callback_url")).partition("?")[2]
    return error(400, "invalid_request_error", param="callback_url") if found else None


register(
    Mutant(
        "no-internal-address-in-a-query",
        "validation too strict",
        "A callback URL is refused if an internal address is anywhere in it.",
        "submit",
        submits,
        _refuses_named_address,
        probe=_with("callback_url", {"callback_url": "https://example.com/?from=127.0.0.1"}),
    )
)


@after("links", "Videos are sounds, in a file of the same format.", files, "video")
def videos_are_sounds(call: MutableRequest, response: MutableResponse, _state: State) -> None:
    if call.path.endswith(".mp4"):
        mark, tracks = response.content[:8], response.content[12:].replace(b"vide", b"soun")
        response.set_content(mark + b"isom" + tracks)


@after("identity", "The kind is in polls alone, and is another.", lambda _call: True, "poll")
def kind_of_another_in_polls(
    call: MutableRequest, response: MutableResponse, _state: State
) -> None:
    body = response.body
    if call.is_submission and "object" in body:
        response.set_body({name: one for name, one in body.items() if name != "object"})
    elif "object" in body:
        response.set_body({**body, "object": "audio.generation.task"})


def _refuses_two(call: MutableRequest, _state: State) -> MutableResponse | None:
    found = call.body.get("n") == 3 and len(str(call.body.get("prompt"))) == 2000
    return error(400, "invalid_request_error", param="n") if found else None


register(
    Mutant(
        "no-long-prompt-for-three",
        "validation too strict",
        "The longest prompt is refused for three images, and only for three.",
        "submit",
        submits,
        _refuses_two,
        probe=_with("n", {"n": 3, "prompt": "a" * 2000}),
    )
)
