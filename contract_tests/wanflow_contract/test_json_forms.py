"""One request in many JSON forms: spaces, order and escapes don't matter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import Check
from wanflow_contract.checks.documented_responses import packaged_contract

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS = sorted(packaged_contract().catalog.models)
SCRIPTS = 'Кот 猫 قطة é ñ \U0001f408 \u201cquoted\u201d \u2013 100 % </cat> & \\ " /'

JSON_FORM = Check("json-form", "A request is accepted in every form of JSON.")
IDENTITY = Check("encoding", "A response has a content encoding only if the client accepts it.")


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
}


@pytest.mark.fast
@pytest.mark.parametrize("way", sorted(JSON_FORMS))
@pytest.mark.parametrize("name", MODELS)
def test_a_request_is_accepted_in_every_json_form(target, name, way) -> None:
    """Spaces, line ends, the order of names and escapes don't matter; text is UTF-8."""
    model = target.models[name]
    content = JSON_FORMS[way](cheapest(model)).encode()
    sent = {**target.authorization(), "Content-Type": "application/json"}
    exchange = target.exchange("POST", model.path, sent, content)
    JSON_FORM.require(exchange.status == 200, f"{exchange.status}, written {way}", exchange)


@pytest.mark.fast
def test_a_response_is_not_encoded_unless_accepted(target) -> None:
    """A response has no content encoding if the client accepts none."""
    history = target.submit(cheapest(target.models[MODELS[0]]))
    exchange = target.get_task(history.id, **{"Accept-Encoding": "identity"})
    coding = exchange.header("content-encoding")
    IDENTITY.require(coding in {None, "identity"}, f"it is {coding}", exchange)


@pytest.mark.fast
@pytest.mark.parametrize("accept", ["application/json", "application/json, */*;q=0.1", "*/*"])
def test_a_client_that_accepts_json_gets_json(target, accept) -> None:
    """A client that accepts JSON, or anything, gets JSON."""
    history = target.submit(cheapest(target.models[MODELS[0]]))
    exchange = target.get_task(history.id, Accept=accept)
    IDENTITY.require(exchange.status == 200, f"{exchange.status}", exchange)
