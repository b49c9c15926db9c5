"""One request in many writings: JSON is the same whatever its spaces, its order, its escapes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import Law
from wanflow_contract.checks.documented_responses import packaged_promises

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS = sorted(packaged_promises().catalog.models)
SCRIPTS = 'Кот 猫 قطة é ñ \U0001f408 \u201cquoted\u201d \u2013 100 % </cat> & \\ " /'

WRITING = Law("writing", "A request is the same request however its JSON is written.")
IDENTITY = Law("plain-answer", "Whoever accepts an answer as it is gets it as it is.")


def _escaped(body: dict[str, object]) -> str:
    """Write each sign of each text as an escape."""
    text = json.dumps(body)
    prompt = "".join(f"\\u{ord(char):04x}" for char in "a cat")
    return text.replace(json.dumps(body["prompt"]), f'"{prompt}"')


WRITINGS: dict[str, Callable[[dict[str, object]], str]] = {
    "as it is spoken": lambda body: json.dumps({**body, "prompt": SCRIPTS}, ensure_ascii=False),
    "all escaped": lambda body: json.dumps({**body, "prompt": SCRIPTS}),
    "escaped needlessly": _escaped,
    "with no spaces": lambda body: json.dumps(body, separators=(",", ":")),
    "on many lines": lambda body: (
        "\r\n" + json.dumps(body, indent="\t").replace("\n", "\r\n") + "\n"
    ),
    "from the end": lambda body: json.dumps(dict(reversed(body.items()))),
    "with slashes escaped": lambda body: json.dumps(body).replace("/", "\\/"),
}


@pytest.mark.fast
@pytest.mark.parametrize("way", sorted(WRITINGS))
@pytest.mark.parametrize("name", MODELS)
def test_a_request_is_the_same_however_it_is_written(target, name, way) -> None:
    """Spaces, line ends, the order of names and escapes change nothing; text is UTF-8."""
    model = target.models[name]
    content = WRITINGS[way](cheapest(model)).encode()
    sent = {**target.authorization(), "Content-Type": "application/json"}
    exchange = target.exchange("POST", model.path, sent, content)
    WRITING.holds(exchange.status == 200, f"{exchange.status}, written {way}", exchange)


@pytest.mark.fast
def test_an_answer_is_plain_for_who_wants_it_plain(target) -> None:
    """Without a coding that the client accepts, an answer has none."""
    life = target.submit(cheapest(target.models[MODELS[0]]))
    exchange = target.ask(life.id, **{"Accept-Encoding": "identity"})
    coding = exchange.header("content-encoding")
    IDENTITY.holds(coding in {None, "identity"}, f"it is {coding}", exchange)


@pytest.mark.fast
@pytest.mark.parametrize("accept", ["application/json", "application/json, */*;q=0.1", "*/*"])
def test_who_accepts_json_gets_json(target, accept) -> None:
    """An answer is JSON for whoever takes JSON, or anything."""
    life = target.submit(cheapest(target.models[MODELS[0]]))
    exchange = target.ask(life.id, Accept=accept)
    IDENTITY.holds(exchange.status == 200, f"{exchange.status}", exchange)
