"""Faults in requests: the proxy changes them, rejects them, or responds itself."""

from __future__ import annotations

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


def _alter_request(name: str, description: str, alter: Callable[[dict[str, Any]], object]) -> None:
    """Register a fault that changes the body of a submission before it is forwarded."""

    def before(request: ProxiedRequest, _state: ProxyState) -> None:
        body = request.body
        if request.is_submission and body:
            alter(body)
            request.set_body(body) if body != request.body else None

    FAULTS.append(Fault(name, description, before))


def _reject_if(
    name: str, description: str, condition: Callable[[ProxiedRequest, ProxyState], bool], param: str
) -> None:
    """Register a fault that rejects some valid submissions."""

    def before(request: ProxiedRequest, state: ProxyState) -> ProxiedResponse | None:
        wrong = request.is_submission and condition(request, state)
        return error_response(400, "invalid_request_error", param=param) if wrong else None

    FAULTS.append(Fault(name, description, before))


def _if(name: str, was: Any, becomes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda body: body.get(name) == was and body.update({name: becomes})


def _mapped(name: str, kind: type, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], Any]:
    def alter(body: dict[str, Any]) -> None:
        if isinstance(body.get(name), kind) and not isinstance(body.get(name), bool):
            body[name] = change(body[name])

    return alter


def _coerced(body: dict[str, Any]) -> None:
    for name, value in body.items():
        if isinstance(value, str) and value.isdigit() and name != "prompt":
            body[name] = int(value)


def _texts(body: dict[str, Any]) -> None:
    if isinstance(body.get("prompt"), int):
        body["prompt"] = str(body["prompt"])


def _nulls(body: dict[str, Any]) -> None:
    for name in [name for name, value in body.items() if value is None]:
        del body[name]


def _swapped_size(body: dict[str, Any]) -> None:
    if str(body.get("size")).count("x") == 1:
        body["size"] = "x".join(reversed(str(body["size"]).split("x")))


def _public(body: dict[str, Any]) -> None:
    if "://172.3" in str(body.get("callback_url")) or "://10." in str(body.get("callback_url")):
        body["callback_url"] = "https://example.com/hook"


def _six(body: dict[str, Any]) -> None:
    if isinstance(body.get("callback_url"), str) and body["callback_url"].startswith("https://["):
        body["callback_url"] = "https://example.com/hook"


def _long(body: dict[str, Any]) -> None:
    if len(str(body.get("callback_url", ""))) in range(2049, 2500):
        body["callback_url"] = body["callback_url"][:2048]


def _listed(body: dict[str, Any]) -> None:
    if isinstance(body.get("image_urls"), str):
        body["image_urls"] = [body["image_urls"]]


def _first_image(body: dict[str, Any]) -> None:
    if isinstance(body.get("image_urls"), list):
        body["image_urls"] = body["image_urls"][:1]


def _no_blanks(body: dict[str, Any]) -> None:
    if isinstance(body.get("quality"), str):
        body["quality"] = body["quality"].strip().lower()


def _pixels(body: dict[str, Any], low: int, high: int, size: str) -> None:
    sides = str(body.get("size")).split("x")
    if len(sides) == 2 and all(one.isdecimal() for one in sides):
        pixels = int(sides[0]) * int(sides[1])
        if low <= pixels <= high:
            body["size"] = size


def _ratio(body: dict[str, Any]) -> None:
    sides = str(body.get("size")).split("x")
    if len(sides) == 2 and all(one.isdecimal() and int(one) for one in sides):
        ratio = int(sides[0]) / int(sides[1])
        if ratio > 4 or ratio < 0.25:
            body["size"] = "1024x1024"


def _small_square(body: dict[str, Any]) -> None:
    if body.get("quality") == "480p" and body.get("aspect_ratio") in {"4:3", "3:4"}:
        body["aspect_ratio"] = "1:1"


_alter_request("n-dropped", "`n` is not forwarded.", lambda body: body.pop("n", None))
_alter_request("four-is-three", "Four images are requested as three.", _if("n", 4, 3))
_alter_request("five-is-four", "Five images are accepted, and are four.", _if("n", 5, 4))
_alter_request("none-is-one", "Zero images are accepted as one.", _if("n", 0, 1))
_alter_request("ten-is-five", "Ten seconds are forwarded as five.", _if("duration", 10, 5))
_alter_request("six-is-five", "Six seconds are accepted as five.", _if("duration", 6, 5))
_alter_request("fifteen-is-ten", "Fifteen seconds are accepted as ten.", _if("duration", 15, 10))
_alter_request(
    "quality-dropped", "`quality` is not forwarded.", lambda body: body.pop("quality", None)
)
_alter_request(
    "ratio-dropped", "`aspect_ratio` is not forwarded.", lambda body: body.pop("aspect_ratio", None)
)
_alter_request(
    "portrait-lost", "A portrait is forwarded as a landscape.", _if("aspect_ratio", "9:16", "16:9")
)
_alter_request("size-dropped", "`size` is not forwarded.", lambda body: body.pop("size", None))
_alter_request("size-swapped", "Width and height are exchanged.", _swapped_size)
_alter_request(
    "too-small-taken",
    "Images a little too small are accepted.",
    lambda body: _pixels(body, 589000, 589823, "768x768"),
)
_alter_request(
    "too-large-taken",
    "Images a little too large are accepted.",
    lambda body: _pixels(body, 2073601, 2080000, "1440x1440"),
)
_alter_request("too-wide-taken", "Images of any ratio are accepted.", _ratio)
_alter_request("digits-coerced", "Digits in quotes are accepted as numbers.", _coerced)
_alter_request("numbers-as-prompt", "A number is accepted as a prompt.", _texts)
_alter_request("nulls-dropped", "A field that is null is treated as absent.", _nulls)
_alter_request(
    "prompt-cut", "Prompts that are too long are cut.", _mapped("prompt", str, lambda t: t[:1500])
)
_alter_request("url-as-list", "One URL is accepted as a list of URLs.", _listed)
_alter_request("images-cut", "More images than allowed are accepted, and dropped.", _first_image)
_alter_request("quality-cleaned", "A quality is accepted in any case.", _no_blanks)
_alter_request(
    "model-cleaned",
    "A model's name is accepted in any case.",
    _mapped("model", str, lambda name: name.lower().strip()),
)
_alter_request(
    "http-upgraded",
    "Callback URLs without TLS are accepted.",
    _mapped("callback_url", str, lambda url: url.replace("http://", "https://")),
)
_alter_request("inside-allowed", "Some internal addresses are accepted for callbacks.", _public)
_alter_request("inside-six-allowed", "Internal IPv6 addresses are accepted for callbacks.", _six)
_alter_request("long-callback-cut", "Callback URLs that are too long are cut.", _long)
_alter_request(
    "combination-corrected",
    "A quality accepts an aspect ratio that it doesn't have.",
    _small_square,
)
_alter_request(
    "flags-coerced",
    "A string is accepted as a boolean.",
    lambda body: body.get("prompt_extend") == "true" and body.update(prompt_extend=True),
)
_alter_request("fraction-cut", "Fractions of seconds are cut off.", _mapped("duration", float, int))

_reject_if(
    "no-astral",
    "Prompts with emoji are rejected.",
    lambda request, _: any(ord(char) > 0xFFFF for char in str(request.body.get("prompt"))),
    "prompt",
)
_reject_if(
    "no-lines",
    "Prompts of more than a line are rejected.",
    lambda request, _: "\n" in str(request.body.get("prompt")),
    "prompt",
)
_reject_if(
    "last-character",
    "A prompt of the full length is rejected.",
    lambda request, _: len(str(request.body.get("prompt"))) in {1500, 2000},
    "prompt",
)
_reject_if(
    "no-portrait",
    "One aspect ratio is rejected at one quality.",
    lambda request, _: (
        (request.body.get("quality"), request.body.get("aspect_ratio")) == ("1080p", "3:4")
    ),
    "aspect_ratio",
)
_reject_if(
    "extension-needed",
    "`prompt_extend` is required.",
    lambda request, _: (
        "text-to-image" in str(request.body.get("model")) and "prompt_extend" not in request.body
    ),
    "prompt_extend",
)
_reject_if(
    "no-two-images",
    "Two images are rejected.",
    lambda request, _: len(request.body.get("image_urls") or []) == 2,
    "image_urls",
)
_reject_if(
    "no-charset",
    "A media type with a charset is rejected.",
    lambda request, _: ";" in request.headers.get("content-type", ""),
    "body",
)
_reject_if(
    "every-hundredth-rejected",
    "Every hundredth submission is rejected.",
    lambda request, state: state.count % 100 == 99,
    "model",
)
_reject_if(
    "largest-rejected",
    "The largest square is rejected.",
    lambda request, _: request.body.get("size") == "1440x1440",
    "size",
)
_reject_if(
    "flattest-rejected",
    "A ratio of exactly 4 is rejected.",
    lambda request, _: any(
        request.body.get("size") == f"{4 * high}x{high}" for high in range(300, 800)
    ),
    "size",
)
_reject_if(
    "port-rejected",
    "A callback URL with a port is rejected.",
    lambda request, _: ":8443" in str(request.body.get("callback_url")),
    "callback_url",
)


def _rerouted(request: ProxiedRequest, _state: ProxyState) -> None:
    if request.is_submission:
        kind = "images" if "image" in str(request.body.get("model"))[-5:] else "videos"
        request.path = f"/v1/{kind}/generations"


def _as_post(request: ProxiedRequest, _state: ProxyState) -> None:
    if request.method in {"PUT", "PATCH"}:
        request.method = "POST"


def _as_get(request: ProxiedRequest, _state: ProxyState) -> None:
    if request.method in {"POST", "PUT"} and request.path.startswith("/v1/tasks/"):
        request.method = "GET"


def _deleted(request: ProxiedRequest, state: ProxyState) -> ProxiedResponse | None:
    if request.method == "DELETE" and request.path.rpartition("/")[2] in state.owner:
        return ProxiedResponse(200, [("content-type", "application/json")], b'{"deleted": true}')
    return None


def _as_owner(request: ProxiedRequest, state: ProxyState) -> None:
    if request.is_poll:
        request.headers["authorization"] = state.owner.get(
            request.path.rpartition("/")[2], request.key
        )


def _as_owner_after_two_polls(request: ProxiedRequest, state: ProxyState) -> None:
    if request.is_poll and state.polls[request.path] >= 2:
        _as_owner(request, state)


def _as_first(request: ProxiedRequest, state: ProxyState) -> None:
    if request.is_submission or request.is_poll:
        first = state.notes.setdefault("key", request.key or None)
        if first and len(request.key) > 20:
            request.headers["authorization"] = first


def _by_prefix(request: ProxiedRequest, state: ProxyState) -> None:
    for known in set(state.owner.values()):
        if known[:-1] == request.key or known == request.key[:-1]:
            request.headers["authorization"] = known


def _by_query(request: ProxiedRequest, _state: ProxyState) -> None:
    path, _, query = request.path.partition("?")
    for part in query.split("&"):
        if part.startswith("api_key="):
            request.path, request.headers["authorization"] = path, f"Bearer {part[8:]}"


def _any_scheme(request: ProxiedRequest, _state: ProxyState) -> None:
    scheme, _, key = request.key.partition(" ")
    if key and scheme == "Token":
        request.headers["authorization"] = f"Bearer {key}"


def _capital_ids(request: ProxiedRequest, _state: ProxyState) -> None:
    if request.is_poll:
        request.path = request.path.lower()


def _short_ids(request: ProxiedRequest, state: ProxyState) -> None:
    tail = request.path.rpartition("/")[2]
    if request.is_poll and tail:
        known = next((one for one in state.owner if one.endswith(tail)), tail)
        request.path = f"/v1/tasks/{known}"


def _without_key(request: ProxiedRequest, _state: ProxyState) -> None:
    request.headers.pop("idempotency-key", None)


def _short_key(request: ProxiedRequest, _state: ProxyState) -> None:
    key = request.headers.get("idempotency-key")
    if key and len(key) > 32:
        request.headers["idempotency-key"] = key[:32]


def _lower_key(request: ProxiedRequest, _state: ProxyState) -> None:
    if "idempotency-key" in request.headers:
        request.headers["idempotency-key"] = request.headers["idempotency-key"].lower()


def _key_of_body(request: ProxiedRequest, _state: ProxyState) -> None:
    if request.is_submission and "idempotency-key" not in request.headers:
        request.headers["idempotency-key"] = f"body-{abs(hash(request.content)):020d}"


def _twice(request: ProxiedRequest, state: ProxyState) -> None:
    """Keep the key for a while, and use the last one again."""
    if request.is_submission and state.count % 25 == 24 and "idem" in state.notes:
        request.headers["idempotency-key"] = state.notes["idem"]
    if request.is_submission and "idempotency-key" in request.headers:
        state.notes["idem"] = request.headers["idempotency-key"]


def _no_callback(request: ProxiedRequest, _state: ProxyState) -> None:
    body = request.body
    if request.is_submission and str(body.get("callback_url")).startswith("http://127"):
        body.pop("callback_url")
        request.set_body(body)


FAULTS += [
    Fault("rerouted", "A model is accepted at the path of others.", _rerouted),
    Fault("put-as-post", "PUT and PATCH submit, too.", _as_post),
    Fault("post-as-get", "A task query is answered for any method.", _as_get),
    Fault("delete-works", "A task can be deleted.", _deleted),
    Fault("all-see-all", "A task is visible to any account.", _as_owner),
    Fault(
        "visible-after-two-polls",
        "A task is visible to any account after two polls.",
        _as_owner_after_two_polls,
    ),
    Fault("one-account", "Any key is accepted, as the first account.", _as_first),
    Fault("key-by-prefix", "A key that lacks or adds a letter is accepted.", _by_prefix),
    Fault("key-in-query", "A key in the URL is accepted.", _by_query),
    Fault("token-scheme", "The scheme Token is accepted.", _any_scheme),
    Fault("ids-in-capitals", "An id is found in any case.", _capital_ids),
    Fault("short-ids", "An id is found by its end.", _short_ids),
    Fault("key-dropped", "The idempotency key is not forwarded.", _without_key),
    Fault("key-shortened", "Idempotency keys count by their first 32 characters.", _short_key),
    Fault("key-lowered", "Idempotency keys count in any case.", _lower_key),
    Fault("equal-bodies", "Equal requests make one task, without any key.", _key_of_body),
    Fault("key-kept", "Sometimes the last idempotency key is used again.", _twice),
    Fault(
        "callback-dropped", "The callback URL is not forwarded.", _no_callback, needs_controls=True
    ),
]
