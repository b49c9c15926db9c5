"""Texts: every character is accepted in a prompt, and a choice is compared exactly."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.definitions.requests import OPEN_TEXT
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import Expected, packaged_oracle

if TYPE_CHECKING:
    from collections.abc import Iterator

MODELS = packaged_contract().catalog.models
PROMPTED = [name for name, one in MODELS.items() if "maxLength" in one.parameters.get("prompt", {})]

TEXTS = {
    "similar letters of other scripts": "\u0430 \u0441\u0430t \u03bf\u03b7 \u0430 mat",
    "zero-width characters": "a\u200b cat\u2060 on\ufeff a\u200c mat",
    "a family of joined emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467 at home",
    "a flag and a skin tone": "\U0001f1ef\U0001f1f5 \U0001f44d\U0001f3fd \u2764\ufe0f",
    "directions": "a \u202ecat\u202c and \u2067\u05d7\u05ea\u05d5\u05dc\u2069 \u200f\u200e",
    "many marks on each letter": "".join(
        f"{one}\u0300\u0316\u0321\u035c\u0331\u0352\u0489" for one in "cat"
    ),
    "letters that grow in capitals": "stra\u00dfe \ufb01sh \u0149a \u01f0 \u0390 \u1e96",
    "letters of special case rules": "\u0130stanbul \u0131\u017f\u212a \u03a3\u03c2",
    "combining letters": unicodedata.normalize("NFD", "\u00e9\u00f1\u1ea5 \ud55c\uad6d"),
    "compatibility forms": "\uff43\uff41\uff54 \u2460 \u2168 \u33a1 \u00bd",
    "line and paragraph separators": "a cat\u2028on a mat\u2029",
    "spaces of all widths": "a\u00a0cat\u2003on\u3000a\u202fmat\u00ad",
    "private use": "\ue000 \U000f0000 cat",
    "rare ideographs": "\U00020000\U0002a6d6\u9f98 cat",
    "mathematical letters": "\U0001d4d2\U0001d4ea\U0001d4fd",
    "what filters take for an attack": (
        "a <script>cat</script> ' OR 1=1 -- ../../etc/passwd {{7*7}} ${jndi:a} <!ENTITY a> ;ls|cat"
    ),
    "ancient scripts": "\U00013080\U00012000\U00010900",
}
# The same letter in several forms: each makes texts whose length is counted differently.
UNITS = {
    "two code points": "e\u0301",
    "one letter in two or three bytes": "\u20ac",
    "two UTF-16 units": "\U0001f408",
    "a family": "\U0001f468\u200d\U0001f469",
    "grows in capitals": "\u00df",
    "grows when decomposed": "\ud55c",
    "shrinks when composed": "\u1112\u1161\u11ab",
}
BODIES: dict[str, bytes] = {
    "half a surrogate pair": b'"a \\ud83d cat"',
    "the second half alone": b'"a \\udc31 cat"',
    "surrogates in reverse": b'"\\udc31\\ud83d"',
    "an escaped NUL": b'"a\\u0000cat"',
    "escaped control characters": b'"\\u0001\\u001b[31m\\u007f\\u0085"',
    "not a character": b'"\\ufffe \\uffff \\udbff\\udfff"',
    "bytes that are not UTF-8": b'"a \xff\xfe cat"',
    "an overlong encoding": b'"a \xc0\xaf cat"',
    "an encoded surrogate": b'"a \xed\xa0\xbd cat"',
    "half a character at the end": b'"a cat \xf0\x9f\x90"',
}


def body_with(model: Any, prompt: bytes) -> bytes:
    """Return the cheapest body with a prompt that is already encoded."""
    body = {**cheapest(model), "prompt": "PROMPT"}
    return json.dumps(body).encode().replace(b'"PROMPT"', prompt)


@pytest.mark.fast
@pytest.mark.parametrize("way", sorted(TEXTS))
def test_a_prompt_may_have_any_characters(target, way) -> None:
    """A prompt in any script and with any signs is accepted, escaped or not."""
    model = target.models[PROMPTED[0]]
    content = json.dumps(TEXTS[way], ensure_ascii=len(way) % 2 == 0).encode()
    target.post_bytes(model, body_with(model, content))


def text_of(unit: str, length: int) -> str:
    """Return a text that has so many code points, of a letter in one of its forms."""
    return (unit * (length // len(unit) + 1))[: length - 1] + "."


@pytest.mark.fast
@pytest.mark.parametrize("unit", sorted(UNITS))
def test_length_is_counted_in_code_points(target, unit) -> None:
    """A text is as long as it has code points, however many letters or bytes these are."""
    model = target.models[PROMPTED[0]]
    limit = model.parameters["prompt"]["maxLength"]
    target.post(model, {**cheapest(model), "prompt": text_of(UNITS[unit], limit)})


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("name", PROMPTED)
def test_one_code_point_too_many_is_too_long(target, name) -> None:
    """Spaces count, and so do the parts of a letter that another form has as one."""
    model = target.models[name]
    limit = model.parameters["prompt"]["maxLength"]
    spaces = (f"a{' ' * limit}", "\n" * limit + "a", "a\u200b" * limit)
    letters = (text_of(one, limit + 1) for one in UNITS.values())
    for text in (*spaces, *letters):
        target.post(model, {**cheapest(model), "prompt": text[: limit + 1]})


def similar_texts(text: str) -> Iterator[tuple[str, str]]:
    """Yield texts that some comparisons take for the given one."""
    wide = "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else one for one in text)
    yield "full-width", wide
    arabic = str.maketrans(
        "0123456789", "\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669"
    )
    yield "in-arabic-digits", text.translate(arabic)
    alike = str.maketrans("pxeaocis", "\u0440\u0445\u0435\u0430\u043e\u0441\u0456\u0455")
    yield "in-similar-letters", text.translate(alike)
    yield "with-a-zero-width-space", f"{text[:1]}\u200b{text[1:]}"
    yield "with-a-byte-order-mark", f"\ufeff{text}"
    yield "with-a-mark", f"{text}\u0301"
    yield "with-a-NUL", f"{text}\x00"
    yield "with-a-NUL-and-more", f"{text}\x00{text}"
    yield "with-a-wide-space", f"{text}\u00a0"
    yield "with-a-tab", f"\t{text}"
    yield (
        "of-special-case",
        text.replace("s", "\u017f").replace("k", "\u212a").replace("i", "\u0131"),
    )
    yield "in-quotes", f'"{text}"'
    yield "percent-encoded", "".join(f"%{ord(one):02X}" for one in text)


CHOICES = [
    (name, field, str(next(iter(rule.get("enum", ()))) if "enum" in rule else rule["example"]))
    for name, model in MODELS.items()
    for field, rule in model.parameters.items()
    if rule.get("type") == "string" and ("enum" in rule or str(rule.get("pattern")).endswith("$"))
]


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize(("name", "field", "value"), CHOICES)
def test_a_choice_is_compared_exactly(target, name, field, value) -> None:
    """A text that only resembles one of the choices is rejected."""
    _compare_exactly(target, target.models[name], field, value)


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_model_is_compared_exactly(target, name) -> None:
    """A text that only resembles a model's name is no model."""
    _compare_exactly(target, target.models[name], "model", name)


def _compare_exactly(target, model, field, value) -> None:
    for way, text in similar_texts(value):
        body = {**cheapest(model), field: text}
        expected = packaged_oracle().expectation(model.operation_id, body).expected
        if text != value:
            assert expected is Expected.REJECT, (field, way)
            target.post(model, body)


@pytest.mark.fast
@pytest.mark.parametrize("way", sorted(BODIES))
def test_an_unusual_text_does_not_make_the_server_fail(target, way) -> None:
    """Surrogates, control characters and bytes that aren't UTF-8 are accepted or rejected."""
    model = target.models[PROMPTED[0]]
    exchange = target.post_bytes(model, body_with(model, BODIES[way]))
    OPEN_TEXT.require(exchange.status in {200, 400}, f"{exchange.status} for {way}", exchange)
    made = exchange.task_id
    if exchange.status == 200 and made in target.tasks:
        target.poll(target.tasks[made])
