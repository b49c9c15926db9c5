"""Faults in what a proxy lets through: requests that it changes, refuses, or answers itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from self_tests.holdout_faults.proxy import Answer, Ask, Fault, Memory, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

FAULTS: list[Fault] = []


def _bent(name: str, says: str, bend: Callable[[dict[str, Any]], object]) -> None:
    """Enter a fault that bends the body of a submission before it is forwarded."""

    def before(ask: Ask, _memory: Memory) -> None:
        body = ask.body
        if ask.submits and body:
            bend(body)
            ask.say(body) if body != ask.body else None

    FAULTS.append(Fault(name, says, before))


def _barred(name: str, says: str, barred: Callable[[Ask, Memory], bool], param: str) -> None:
    """Enter a fault that refuses some submissions that are right."""

    def before(ask: Ask, memory: Memory) -> Answer | None:
        wrong = ask.submits and barred(ask, memory)
        return refusal(400, "invalid_request_error", param=param) if wrong else None

    FAULTS.append(Fault(name, says, before))


def _if(name: str, was: Any, becomes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda body: body.get(name) == was and body.update({name: becomes})


def _mapped(name: str, kind: type, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], Any]:
    def bend(body: dict[str, Any]) -> None:
        if isinstance(body.get(name), kind) and not isinstance(body.get(name), bool):
            body[name] = change(body[name])

    return bend


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


_bent("n-dropped", "`n` is not forwarded.", lambda body: body.pop("n", None))
_bent("four-is-three", "Four pictures are asked for as three.", _if("n", 4, 3))
_bent("five-is-four", "Five pictures are taken, and are four.", _if("n", 5, 4))
_bent("none-is-one", "No picture at all is taken as one.", _if("n", 0, 1))
_bent("ten-is-five", "Ten seconds are forwarded as five.", _if("duration", 10, 5))
_bent("six-is-five", "Six seconds are taken as five.", _if("duration", 6, 5))
_bent("fifteen-is-ten", "Fifteen seconds are taken as ten.", _if("duration", 15, 10))
_bent("quality-dropped", "`quality` is not forwarded.", lambda body: body.pop("quality", None))
_bent("shape-dropped", "`aspect_ratio` is not kept.", lambda body: body.pop("aspect_ratio", None))
_bent("portrait-lost", "A portrait is made as a landscape.", _if("aspect_ratio", "9:16", "16:9"))
_bent("size-dropped", "`size` is not forwarded.", lambda body: body.pop("size", None))
_bent("size-swapped", "Width and height change places.", _swapped_size)
_bent(
    "too-small-taken",
    "Pictures a little too small are taken.",
    lambda body: _pixels(body, 589000, 589823, "768x768"),
)
_bent(
    "too-large-taken",
    "Pictures a little too large are taken.",
    lambda body: _pixels(body, 2073601, 2080000, "1440x1440"),
)
_bent("too-wide-taken", "Pictures of any ratio are taken.", _ratio)
_bent("digits-coerced", "Digits in quotes are taken as numbers.", _coerced)
_bent("numbers-as-prompt", "A number is taken as a prompt.", _texts)
_bent("nulls-dropped", "What is null is taken as absent.", _nulls)
_bent(
    "prompt-cut", "Prompts that are too long are cut.", _mapped("prompt", str, lambda t: t[:1500])
)
_bent("url-as-list", "One URL is taken as a list of URLs.", _listed)
_bent("images-cut", "More images than allowed are taken, and dropped.", _first_image)
_bent("quality-cleaned", "Words for quality are taken in any case.", _no_blanks)
_bent(
    "model-cleaned",
    "A model's name is taken in any case.",
    _mapped("model", str, lambda name: name.lower().strip()),
)
_bent(
    "http-upgraded",
    "Callback URLs without TLS are taken.",
    _mapped("callback_url", str, lambda url: url.replace("http://", "https://")),
)
_bent("inside-allowed", "Some internal addresses are taken for callbacks.", _public)
_bent("inside-six-allowed", "Internal IPv6 addresses are taken for callbacks.", _six)
_bent("long-callback-cut", "Callback URLs that are too long are cut.", _long)
_bent("combination-mended", "A quality takes a shape that it doesn't have.", _small_square)
_bent(
    "flags-coerced",
    "A text is taken as yes or no.",
    lambda body: body.get("prompt_extend") == "true" and body.update(prompt_extend=True),
)
_bent("fraction-cut", "Fractions of seconds are cut off.", _mapped("duration", float, int))

_barred(
    "no-astral",
    "Prompts with emoji are refused.",
    lambda ask, _: any(ord(char) > 0xFFFF for char in str(ask.body.get("prompt"))),
    "prompt",
)
_barred(
    "no-lines",
    "Prompts of more than a line are refused.",
    lambda ask, _: "\n" in str(ask.body.get("prompt")),
    "prompt",
)
_barred(
    "last-character",
    "A prompt of the full length is refused.",
    lambda ask, _: len(str(ask.body.get("prompt"))) in {1500, 2000},
    "prompt",
)
_barred(
    "no-portrait",
    "One shape is refused at one quality.",
    lambda ask, _: (ask.body.get("quality"), ask.body.get("aspect_ratio")) == ("1080p", "3:4"),
    "aspect_ratio",
)
_barred(
    "extension-needed",
    "`prompt_extend` has to be given.",
    lambda ask, _: (
        "text-to-image" in str(ask.body.get("model")) and "prompt_extend" not in ask.body
    ),
    "prompt_extend",
)
_barred(
    "no-two-images",
    "Two images are refused.",
    lambda ask, _: len(ask.body.get("image_urls") or []) == 2,
    "image_urls",
)
_barred(
    "no-charset",
    "A media type with a charset is refused.",
    lambda ask, _: ";" in ask.headers.get("content-type", ""),
    "body",
)
_barred(
    "tired",
    "Every hundredth submission is refused.",
    lambda ask, memory: memory.count % 100 == 99,
    "model",
)
_barred(
    "largest-refused",
    "The largest square is refused.",
    lambda ask, _: ask.body.get("size") == "1440x1440",
    "size",
)
_barred(
    "flattest-refused",
    "A ratio of exactly 4 is refused.",
    lambda ask, _: any(ask.body.get("size") == f"{4 * high}x{high}" for high in range(300, 800)),
    "size",
)
_barred(
    "port-refused",
    "A callback URL with a port is refused.",
    lambda ask, _: ":8443" in str(ask.body.get("callback_url")),
    "callback_url",
)


def _rerouted(ask: Ask, _memory: Memory) -> None:
    if ask.submits:
        kind = "images" if "image" in str(ask.body.get("model"))[-5:] else "videos"
        ask.path = f"/v1/{kind}/generations"


def _as_post(ask: Ask, _memory: Memory) -> None:
    if ask.method in {"PUT", "PATCH"}:
        ask.method = "POST"


def _as_get(ask: Ask, _memory: Memory) -> None:
    if ask.method in {"POST", "PUT"} and ask.path.startswith("/v1/tasks/"):
        ask.method = "GET"


def _deleted(ask: Ask, memory: Memory) -> Answer | None:
    if ask.method == "DELETE" and ask.path.rpartition("/")[2] in memory.owner:
        return Answer(200, [("content-type", "application/json")], b'{"deleted": true}')
    return None


def _as_owner(ask: Ask, memory: Memory) -> None:
    if ask.looks:
        ask.headers["authorization"] = memory.owner.get(ask.path.rpartition("/")[2], ask.key)


def _as_owner_once_looked(ask: Ask, memory: Memory) -> None:
    if ask.looks and memory.looked[ask.path] >= 2:
        _as_owner(ask, memory)


def _as_first(ask: Ask, memory: Memory) -> None:
    if ask.submits or ask.looks:
        first = memory.notes.setdefault("key", ask.key or None)
        if first and len(ask.key) > 20:
            ask.headers["authorization"] = first


def _by_prefix(ask: Ask, memory: Memory) -> None:
    for known in set(memory.owner.values()):
        if known[:-1] == ask.key or known == ask.key[:-1]:
            ask.headers["authorization"] = known


def _by_query(ask: Ask, _memory: Memory) -> None:
    path, _, query = ask.path.partition("?")
    for part in query.split("&"):
        if part.startswith("api_key="):
            ask.path, ask.headers["authorization"] = path, f"Bearer {part[8:]}"


def _any_scheme(ask: Ask, _memory: Memory) -> None:
    scheme, _, key = ask.key.partition(" ")
    if key and scheme == "Token":
        ask.headers["authorization"] = f"Bearer {key}"


def _capital_ids(ask: Ask, _memory: Memory) -> None:
    if ask.looks:
        ask.path = ask.path.lower()


def _short_ids(ask: Ask, memory: Memory) -> None:
    tail = ask.path.rpartition("/")[2]
    if ask.looks and tail:
        known = next((one for one in memory.owner if one.endswith(tail)), tail)
        ask.path = f"/v1/tasks/{known}"


def _without_key(ask: Ask, _memory: Memory) -> None:
    ask.headers.pop("idempotency-key", None)


def _short_key(ask: Ask, _memory: Memory) -> None:
    key = ask.headers.get("idempotency-key")
    if key and len(key) > 32:
        ask.headers["idempotency-key"] = key[:32]


def _lower_key(ask: Ask, _memory: Memory) -> None:
    if "idempotency-key" in ask.headers:
        ask.headers["idempotency-key"] = ask.headers["idempotency-key"].lower()


def _key_of_body(ask: Ask, _memory: Memory) -> None:
    if ask.submits and "idempotency-key" not in ask.headers:
        ask.headers["idempotency-key"] = f"body-{abs(hash(ask.content)):020d}"


def _twice(ask: Ask, memory: Memory) -> None:
    """Keep the key for a while, and use the last one again."""
    if ask.submits and memory.count % 25 == 24 and "idem" in memory.notes:
        ask.headers["idempotency-key"] = memory.notes["idem"]
    if ask.submits and "idempotency-key" in ask.headers:
        memory.notes["idem"] = ask.headers["idempotency-key"]


def _no_callback(ask: Ask, _memory: Memory) -> None:
    body = ask.body
    if ask.submits and str(body.get("callback_url")).startswith("http://127"):
        body.pop("callback_url")
        ask.say(body)


FAULTS += [
    Fault("rerouted", "A model is taken at the path of others.", _rerouted),
    Fault("put-as-post", "PUT and PATCH submit, too.", _as_post),
    Fault("post-as-get", "A task is told whatever the method.", _as_get),
    Fault("delete-works", "A task can be deleted.", _deleted),
    Fault("all-see-all", "A task is seen by any account.", _as_owner),
    Fault(
        "seen-once-looked", "A task is seen by any account after two looks.", _as_owner_once_looked
    ),
    Fault("one-account", "Any key is let in, as the first account.", _as_first),
    Fault("key-by-prefix", "A key that lacks or adds a letter is let in.", _by_prefix),
    Fault("key-in-query", "A key in the address is let in.", _by_query),
    Fault("token-scheme", "The scheme Token is let in.", _any_scheme),
    Fault("ids-in-capitals", "An id is found in any case.", _capital_ids),
    Fault("short-ids", "An id is found by its end.", _short_ids),
    Fault("key-dropped", "The idempotency key is not forwarded.", _without_key),
    Fault("key-shortened", "Idempotency keys count by their first 32 characters.", _short_key),
    Fault("key-lowered", "Idempotency keys count in any case.", _lower_key),
    Fault("equal-bodies", "Equal requests are one, without any key.", _key_of_body),
    Fault("key-kept", "Now and then the last idempotency key is used again.", _twice),
    Fault("callback-dropped", "The callback URL is not forwarded.", _no_callback, steered=True),
]
