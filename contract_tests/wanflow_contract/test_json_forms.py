"""One request in many JSON forms: spaces, order and escapes don't matter."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.definitions.headers import CURRENT
from wanflow_contract.checks.definitions.requests import (
    COMPLETE,
    JSON_FORM,
    NEARLY_JSON,
    UNUSUAL_BODY,
)
from wanflow_contract.checks.definitions.responses import IDENTITY
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.edges import choices_of
from wanflow_contract.checks.expectation import Expected, packaged_oracle
from wanflow_contract.plan.order import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS = sorted(packaged_contract().catalog.models)
SCRIPTS = 'Кот 猫 قطة é ñ \U0001f408 \u201cquoted\u201d \u2013 100 % </cat> & \\ " /'


def _escaped(body: dict[str, object]) -> str:
    """Write each character of the prompt as an escape."""
    text = json.dumps(body)
    prompt = "".join(f"\\u{ord(char):04x}" for char in "a cat")
    return text.replace(json.dumps(body["prompt"]), f'"{prompt}"')


JSON_FORMS: dict[str, Callable[[dict[str, object]], str]] = {
    "not escaped": lambda body: json.dumps({**body, "prompt": SCRIPTS}, ensure_ascii=False),
    "all escaped": lambda body: json.dumps({**body, "prompt": SCRIPTS}),
    "escaped needlessly": _escaped,
    "with no spaces": lambda body: json.dumps(body, separators=(",", ":")),
    "on many lines": lambda body: (
        "\r\n" + json.dumps(body, indent="\t").replace("\n", "\r\n") + "\n"
    ),
    "in reverse order": lambda body: json.dumps(dict(reversed(body.items()))),
    "with slashes escaped": lambda body: json.dumps(body).replace("/", "\\/"),
    "with names escaped": lambda body: json.dumps(body).replace('"prompt"', '"\\u0070rom\\u0070t"'),
    "with escapes in capitals": lambda body: re.sub(
        r"\\u[0-9a-f]{4}",
        lambda found: f"\\u{found[0][2:].upper()}",
        json.dumps({**body, "prompt": SCRIPTS}),
    ),
    "with many spaces": lambda body: " " * 3000 + json.dumps(body) + "\r\n\t " * 1000,
    "with every short escape": lambda body: json.dumps(
        {**body, "prompt": 'a "cat"\n\ton a \\ mat'}
    ).replace("mat", "\\/mat"),
}
NO_NUMBERS = ("NaN", "Infinity", "-Infinity", "0x10", "010", "+1", ".5", "1.", "1_0", "undefined")
"""Numbers of other languages, and what these write for a number that is none."""


def _with_number(number: str, text: str) -> str:
    return f'{text[:-1]}, "unknown": {number}}}'


# Each is nearly the JSON of a valid request.
NO_JSON: dict[str, Callable[[str], str]] = {
    "a trailing comma": lambda text: text[:-1] + ",}",
    "a comment": lambda text: text[:-1] + "/* a cat */}",
    "a comment at the end": lambda text: text + " // a cat",
    "single quotes": lambda text: text.replace('"', "'"),
    "names without quotes": lambda text: re.sub(r'"([a-z_]+)":', r"\1:", text),
    "more after the object": lambda text: text + "x",
    "a second object": lambda text: text + text,
    "no closing brace": lambda text: text[:-1],
    "a closing brace too many": lambda text: text + "}",
    "a line break within a text": lambda text: text.replace('"prompt": "', '"prompt": "a\n'),
    "a tab within a text": lambda text: text.replace('"prompt": "', '"prompt": "a\t'),
    "an unknown escape": lambda text: text.replace('"prompt": "', '"prompt": "\\x41'),
    "half an escape": lambda text: text.replace('"prompt": "', '"prompt": "\\u00'),
    "a semicolon for a comma": lambda text: text.replace(", ", "; ", 1),
    "an equals sign for a colon": lambda text: text.replace(": ", "= ", 1),
    "a missing comma": lambda text: text.replace(", ", " ", 1),
    **{f"the number {number}": partial(_with_number, number) for number in NO_NUMBERS},
    "an object within a text": json.dumps,
    "an object within a list": lambda text: f"[{text}]",
}
# No number of JSON, and yet some parsers read it: a server that does isn't wrong by the documents.
READ_BY_SOME = {f"the number {number}" for number in ("NaN", "Infinity", "-Infinity")}
UNUSUAL_BODIES: dict[str, Callable[[dict[str, object]], bytes]] = {
    "a byte order mark": lambda body: b"\xef\xbb\xbf" + json.dumps(body).encode(),
    "UTF-16": lambda body: json.dumps(body).encode("utf-16"),
    "UTF-32": lambda body: json.dumps(body).encode("utf-32-le"),
    "a name twice": lambda body: json.dumps(body)[:-1].encode() + b', "prompt": "a cat"}',
    "a NUL at the end": lambda body: json.dumps(body).encode() + b"\x00",
    "an infinite number": lambda body: json.dumps(body)[:-1].encode() + b', "unknown": 1e999}',
    "a long number": lambda body: (
        json.dumps(body)[:-1].encode() + b', "unknown": ' + b"9" * 6000 + b"}"
    ),
    "a deep value": lambda body: (
        json.dumps(body)[:-1].encode() + b', "unknown": ' + b"[" * 3000 + b"]" * 3000 + b"}"
    ),
    "many names": lambda body: json.dumps({**body, **{f"a{i}": i for i in range(3000)}}).encode(),
    "a long name": lambda body: json.dumps({**body, "a" * 70_000: 1}).encode(),
}


@pytest.mark.fast
@pytest.mark.parametrize("way", sorted(JSON_FORMS))
@pytest.mark.parametrize("name", MODELS)
def test_a_request_is_accepted_in_every_json_form(target, name, way) -> None:
    """Spaces, line ends, the order of names and escapes don't matter; text is UTF-8."""
    model = target.models[name]
    exchange = target.post_bytes(model, JSON_FORMS[way](cheapest(model)).encode())
    JSON_FORM.require(exchange.status == 200, f"{exchange.status}, written {way}", exchange)


@pytest.mark.fast
@pytest.mark.parametrize(
    "way",
    [
        pytest.param(way, marks=pytest.mark.costs(int(way in READ_BY_SOME)))
        for way in sorted(NO_JSON)
    ],
)
def test_a_body_that_is_nearly_json_is_rejected(target, way) -> None:
    """A server reads JSON, not what a person would make of it."""
    model = target.models[MODELS[0]]
    content = NO_JSON[way](json.dumps(cheapest(model))).encode()
    exchange = target.post_bytes(model, content)
    NEARLY_JSON.require(exchange.status in {400, 422}, f"{exchange.status} for {way}", exchange)


@pytest.mark.fast
@pytest.mark.parametrize("way", sorted(UNUSUAL_BODIES))
def test_an_unusual_body_does_not_make_the_server_fail(target, way) -> None:
    """Where parsers disagree, a server accepts or rejects a request, and doesn't fail."""
    model = target.models[MODELS[0]]
    exchange = target.post_bytes(model, UNUSUAL_BODIES[way](cheapest(model)))
    right = exchange.status in {200, 400, 413, 415}
    UNUSUAL_BODY.require(right, f"{exchange.status} for {way}", exchange)


def all_parameters(model: Any, *, last: bool) -> dict[str, Any]:
    """Return a request with every parameter: the first or the last of its distant values."""
    body = dict(cheapest(model))
    for name, rule in model.parameters.items():
        choices = choices_of(rule)
        if choices:
            body[name] = choices[-1 if last else 0]
    return body


@pytest.mark.fast
@pytest.mark.costs(1)  # the requests at limits, which come before, have all of these values
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("last", [False, True])
def test_all_parameters_together_are_accepted(target, name, last) -> None:
    """A request with every parameter is accepted, at the lower and at the upper limits."""
    model = target.models[name]
    body = all_parameters(model, last=last)
    expectation = packaged_oracle().expectation(model.operation_id, body)
    exchange = target.post_bytes(model, json.dumps(body).encode())
    right = exchange.status == 200 or expectation.expected is not Expected.ACCEPT
    COMPLETE.require(right, f"{exchange.status} with {len(body)} parameters", exchange)


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
def test_a_response_is_not_encoded_unless_accepted(target) -> None:
    """A response has no content encoding if the client accepts none."""
    history = target.some_task()
    exchange = target.get_task(history.id, **{"Accept-Encoding": "identity"})
    coding = exchange.header("content-encoding")
    IDENTITY.require(coding in {None, "identity"}, f"it is {coding}", exchange)


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
@pytest.mark.parametrize("coding", ["gzip;q=0, identity", "compress", "*;q=0, identity;q=1"])
def test_a_response_has_no_coding_that_the_client_refuses(target, coding) -> None:
    """A response isn't compressed in a way that the client refuses, or doesn't list."""
    history = target.some_task()
    exchange = target.get_task(history.id, **{"Accept-Encoding": coding})
    found = exchange.header("content-encoding")
    IDENTITY.require(found in {None, "identity", coding}, f"{found} for {coding}", exchange)


ACCEPTED = (
    *("application/json", "application/json, */*;q=0.1", "*/*", "application/*"),
    *("application/json;q=0.5", "text/html, application/json", "APPLICATION/JSON"),
    "application/xml;q=0.9,application/json;q=1.0,*/*;q=0.8",
)


@pytest.mark.fast
@pytest.mark.costs(0, stage=Stage.SHARED)
@pytest.mark.parametrize("accept", ACCEPTED)
def test_a_client_that_accepts_json_gets_json(target, accept) -> None:
    """A client that accepts JSON, or anything, gets JSON."""
    history = target.some_task()
    exchange = target.get_task(history.id, Accept=accept)
    CURRENT.require(exchange.status == 200, f"{exchange.status} for {accept}", exchange)
