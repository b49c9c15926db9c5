"""Requests that mean the same have one key; any difference in meaning makes another."""

from __future__ import annotations

from typing import Any

import pytest

from tests.any_model import model_name
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mcp_server.identity import canonical, request_key

SERVER = "https://api.example"
BODY: dict[str, Any] = {"prompt": "caf\u00e9"}


def key(body: dict[str, Any], variation: str = "", server: str = SERVER) -> str:
    catalog = packaged_catalog()
    model = catalog.models[model_name("image")]
    body = canonical({"model": model.name, **body})
    return request_key(server, model, catalog.document, body, variation)


def defaults() -> list[tuple[str, str, Any]]:
    """Return each parameter with a default, by model."""
    return [
        (model.name, name, rule["default"])
        for model in packaged_catalog().models.values()
        for name, rule in model.parameters.items()
        if "default" in rule
    ]


@pytest.mark.parametrize(
    "same",
    [
        {"prompt": "cafe\u0301"},
        dict(reversed({**BODY}.items())),
    ],
)
def test_equal_requests_have_one_key(same: dict[str, Any]) -> None:
    """In any order, and in any form of Unicode."""
    assert key(same) == key(BODY)


@pytest.mark.parametrize(("name", "parameter", "default"), defaults())
def test_a_default_that_is_written_out_makes_no_difference(
    name: str, parameter: str, default: Any
) -> None:
    """Of any parameter of any model; another value does, and so does the model."""
    catalog = packaged_catalog()
    model = catalog.models[name]

    def of(**more: Any) -> str:
        return request_key(SERVER, model, catalog.document, {**BODY, **more}, "")

    assert of(**{parameter: default}) == of()
    assert of(**{parameter: not default if isinstance(default, bool) else "other"}) != of()


@pytest.mark.parametrize("one", [1, 1.0, 10**0])
def test_whole_numbers_have_one_form(one: float) -> None:
    """`1` and `1.0` are the same number; `true` and a text are none."""
    assert key({**BODY, "seed": one}) == key({**BODY, "seed": 1})
    assert len({key({**BODY, "seed": value}) for value in (1, True, "1", 2)}) == 4


def test_other_requests_have_other_keys() -> None:
    """Another text, variation or server; nothing of one field passes for another."""
    found = [
        key(BODY),
        key({"prompt": "cafe"}),
        key({"prompt": "caf\u00e9 "}),
        key(BODY, "2"),
        key(BODY, server="https://other.example"),
        key({**BODY, "negative_prompt": ""}),
        key({"prompt": '", "x": "'}),
        key({"prompt": "\ud800"}),
    ]
    assert len(set(found)) == len(found)
