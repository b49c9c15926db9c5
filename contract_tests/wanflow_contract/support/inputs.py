"""Files that the user gives for parameters, in place of the examples of the documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow._urls import is_http_url
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.file_access import file_parameters

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wanflow.catalog.catalog import Model


def parse_inputs(given: Iterable[str]) -> dict[str, list[str]]:
    """Return URLs by parameter.

    Raises:
        ValueError: one is not NAME=URL, or no model has a parameter with files of this name.
    """
    models = packaged_contract().catalog.models.values()
    names = sorted({name for model in models for name in file_parameters(model)})
    found: dict[str, list[str]] = {}
    for one in given:
        name, sign, url = one.partition("=")
        if not sign or name not in names:
            raise ValueError(f"--input {one}: NAME=URL is needed, with one of {', '.join(names)}")
        if not is_http_url(url) or not url.partition("://")[2].strip("/"):
            raise ValueError(f"--input {one}: the URL must begin with https:// or http://")
        found.setdefault(name, []).append(url)
    return found


def use_inputs(given: Iterable[str]) -> None:
    """Let all requests of this process have the given files, before any is made.

    Raises:
        ValueError: one is invalid; see `parse_inputs`.
    """
    for name, urls in parse_inputs(given).items():
        for model in packaged_contract().catalog.models.values():
            if name in file_parameters(model):
                _replace(model, name, urls)


def _replace(model: Model, name: str, urls: Sequence[str]) -> None:
    rule: dict[str, Any] = model.parameters[name]
    many = rule.get("type") == "array"
    rule["example"] = list(urls) if many else urls[0]
    if name in model.example:
        count = len(model.example[name]) if many else 1
        model.example[name] = [urls[at % len(urls)] for at in range(count)] if many else urls[0]
