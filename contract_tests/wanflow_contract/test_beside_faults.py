"""Unusual content beside a fault: a server must refuse it for the fault, so that it costs nothing.

Alone it may have to be accepted, and be paid for. Many servers read all of a request before they
refuse it, and one that fails at unusual content fails here, too.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from wanflow.catalog.keywords import AUDIO_FILE, IMAGE_FILE, PUBLIC_URL
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.invalid_requests import one_of_each_rule, with_a_fault
from wanflow_contract.test_idempotency import HEADER, new_key
from wanflow_contract.test_json_forms import ACCEPTED, JSON_FORMS, UNUSUAL_BODIES
from wanflow_contract.test_texts import BODIES, TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow.catalog.catalog import Model

    Body = dict[str, Any]

MODELS = sorted(packaged_contract().catalog.models)
_BY_PATH = {one.path: name for name, one in packaged_contract().catalog.models.items()}
ONE_OF_EACH = sorted(_BY_PATH.values())
"""One model of each path."""
NAMES = ("", " ", "__proto__", "constructor", "$ref", "a.b", "a[0]", "\0", "a" * 300, "prompt ")
"""Names of unknown fields that some servers take for something else."""
NUMBERS = ("1e400", "-1e400", "1e-400", "9" * 400, "-0", "0.1e1", "1E+2", "123456789.0123456789")
URLS = (
    *("https://", "https:///a", "https:a", "https://%/a", "https://a b/a", "https://a/%zz"),
    *("https://[::1", "https://[a]/a", "https://[::1%25a]/a", "https://a/\0"),
    *("https://a:b/a", "https://a:99999/a", "https://a:-1/a", "https://:1/a"),
    *("https://\u00e9.example/a", "https://a..b/a", "https://xn--/a"),
)
"""Some of them are URLs by one standard only; a server may take or refuse each, but not fail."""
_URL_KINDS = (AUDIO_FILE, IMAGE_FILE, PUBLIC_URL)


def _with_name(name: str, body: Body) -> bytes:
    return json.dumps({**body, name: 1}).encode()


def _with_number(number: str, body: Body) -> bytes:
    return f'{json.dumps(body)[:-1]}, "unknown": {number}}}'.encode()


def _with_text(text: str, body: Body) -> bytes:
    return json.dumps({**body, "prompt": text}, ensure_ascii=len(text) % 2 == 0).encode()


def _with_prompt(prompt: bytes, body: Body) -> bytes:
    return json.dumps({**body, "prompt": "PROMPT"}).encode().replace(b'"PROMPT"', prompt)


def _in_form(form: Callable[[Body], str], body: Body) -> bytes:
    return form(body).encode()


UNUSUAL: dict[str, Callable[[Body], bytes]] = {
    **{f"a prompt with {way}": partial(_with_text, text) for way, text in TEXTS.items()},
    **{f"a prompt with {way}": partial(_with_prompt, text) for way, text in BODIES.items()},
    **{f"JSON {way}": partial(_in_form, form) for way, form in JSON_FORMS.items()},
    **{f"a body with {way}": make for way, make in UNUSUAL_BODIES.items()},
    **{f"the unknown field {name[:20]!r}": partial(_with_name, name) for name in NAMES},
    **{f"the number {number[:20]}": partial(_with_number, number) for number in NUMBERS},
}


def faulty(model: Model) -> Body:
    """Return a request with one fault; it is the last field that can have one alone."""
    names = [name for name in model.parameters if name not in {"model", "prompt"}]
    return with_a_fault(model, cheapest(model), reversed(names))


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("name", ONE_OF_EACH)
@pytest.mark.parametrize("way", UNUSUAL)
def test_unusual_content_beside_a_fault_does_not_make_the_server_fail(target, name, way) -> None:
    """Texts, numbers, names and forms of JSON that must not be charged for here."""
    model = target.models[name]
    target.post_bytes(model, UNUSUAL[way](faulty(model)))


def url_fields(model: Model) -> list[str]:
    """Return the parameters of a model that have URLs."""
    return [
        name
        for name, rule in model.parameters.items()
        if any(kind in rule or kind in rule.get("items", {}) for kind in _URL_KINDS)
        or "uri" in {rule.get("format"), rule.get("items", {}).get("format")}
    ]


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("name", MODELS)
def test_no_url_beside_a_fault_makes_the_server_fail(target, name) -> None:
    """URLs without a host, with a wrong port, or with half an address in brackets."""
    model = target.models[name]
    for field in url_fields(model):
        many = model.parameters[field].get("type") == "array"
        names = [one for one in model.parameters if one not in {"model", field}]
        body = with_a_fault(model, cheapest(model), reversed(names))
        for url in URLS:
            target.post(model, {**body, field: [url] if many else url})


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("account", ["one", "two"])
@pytest.mark.parametrize("name", MODELS)
def test_an_invalid_request_is_refused_however_it_is_sent(target, name, account) -> None:
    """An idempotency key makes it valid for no account."""
    if account not in target.keys:
        pytest.skip("a second account is needed: --api-key2")
    model = target.models[name]
    for body in one_of_each_rule(model):
        target.post(model, body, account, headers={HEADER: new_key()})


@pytest.mark.fast
@pytest.mark.costs(0)
@pytest.mark.parametrize("accept", ACCEPTED)
def test_a_client_that_accepts_json_gets_errors_in_json(target, accept) -> None:
    """What else a client accepts is no reason for an error in another format."""
    model = target.usual_model
    target.post(model, faulty(model), headers={"Accept": accept})
    target.get_task("task-unified-1756817821-4x3rx6ny", Accept=accept)
    sent = {"Accept": accept, "Content-Type": "application/json"}
    target.exchange("POST", model.path, sent, json.dumps(cheapest(model)).encode())
