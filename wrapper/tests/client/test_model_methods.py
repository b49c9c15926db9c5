"""The methods for one model show its parameters, and do what the client's do."""

from __future__ import annotations

import inspect
import json
import pydoc
from typing import Literal, get_args, get_origin

import jedi
import pytest

from tests.spec.reach import value_for
from wanflow import AsyncClient, Client, UnknownModel
from wanflow.catalog.catalog import packaged_catalog

MODELS = packaged_catalog().models
METHODS = ("submit", "run", "preview", "estimate")


@pytest.fixture(params=[Client, AsyncClient])
def client(request: pytest.FixtureRequest) -> Client:
    return request.param("key", "http://127.0.0.1:9")


@pytest.mark.parametrize("method", METHODS)
def test_the_signature_is_that_of_the_model(client: Client, method: str):
    """Every parameter with its values and default; then the options of the client's method."""
    options = {
        name: one
        for name, one in inspect.signature(getattr(client, method)).parameters.items()
        if one.kind is inspect.Parameter.KEYWORD_ONLY and name != "model"
    }
    for model in MODELS.values():
        found = inspect.signature(getattr(client.model(model.name), method)).parameters
        names = set(model.parameters) - set(options)
        assert set(found) == names | set(options)
        assert {name: found[name] for name in options} == options
        for name in names:
            rule, one = model.parameters[name], found[name]
            needed = one.default is inspect.Parameter.empty
            assert needed == (name in model.required)
            assert needed or one.default == rule.get("default")
            if "enum" in rule:
                kinds = (one.annotation, *get_args(one.annotation))
                (literal,) = (kind for kind in kinds if get_origin(kind) is Literal)
                assert list(get_args(literal)) == rule["enum"]


@pytest.mark.parametrize("method", METHODS)
def test_help_describes_each_parameter(client: Client, method: str):
    """With its type, values, default and every word of its description."""
    for model in MODELS.values():
        words = pydoc.plain(pydoc.render_doc(getattr(client.model(model.name), method))).split()
        printed = " ".join(words)
        for name, rule in model.parameters.items():
            assert f"{name} ({'required' if name in model.required else 'optional'}" in printed
            assert " ".join(rule["description"].split()) in printed
            assert all(repr(value) in printed for value in rule.get("enum", ()))
            assert "default" not in rule or f"default {rule['default']!r}" in printed


def test_it_sends_what_the_client_sends(client: Client):
    """The model is its own; nothing else is added, no default either."""
    for model in MODELS.values():
        given = {name: value_for(model.parameters[name]) for name in model.required}
        options = {"validate": False, "idempotency_key": "a" * 16}
        sent = client.model(model.name).preview(**given, **options)
        assert sent == client.preview(model=model.name, **given, **options)
        assert json.loads(sent.content or b"") == {"model": model.name, **given}


def test_another_model_or_a_positional_argument_is_an_error(client: Client):
    first, second, *_ = MODELS
    methods = client.model(first)
    assert (methods.name, repr(methods)) == (first, f"<ModelMethods {first}>")
    with pytest.raises(TypeError, match="model"):
        methods.preview(model=second, prompt="x")
    with pytest.raises(TypeError, match="positional"):
        methods.preview({"model": second, "prompt": "x"})
    with pytest.raises(UnknownModel, match=first):
        client.model(f"{first}x")


def test_shells_complete_the_parameters_of_the_model_alone(client: Client):
    """As IPython does, which completes by jedi what is alive."""
    for model in MODELS.values():
        shell = jedi.Interpreter("video.run(", [{"video": client.model(model.name)}])
        offered = {one.name_with_symbols for one in shell.complete()}
        assert {f"{name}=" for name in model.parameters} <= offered
        other = {name for each in MODELS.values() for name in each.parameters}
        assert not offered & {f"{name}=" for name in other - set(model.parameters)}
