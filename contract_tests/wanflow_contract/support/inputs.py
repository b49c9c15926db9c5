"""Files that the user gives for parameters, in place of the examples of the documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow._urls import is_http_url, split_url
from wanflow.catalog.validator import packaged_validator
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.file_access import file_parameters

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wanflow.catalog.catalog import Model


def parse_inputs(given: Iterable[str]) -> dict[str, list[str]]:
    """Return URLs by parameter.

    Raises:
        ValueError: one is not NAME=URL, no model has a parameter with files of this name, or the
            URL is not valid for one of them.
    """
    models = packaged_contract().catalog.models.values()
    names = sorted({name for model in models for name in file_parameters(model)})
    found: dict[str, list[str]] = {}
    for one in given:
        name, sign, url = one.partition("=")
        if not sign or name not in names:
            raise ValueError(f"--input {one}: NAME=URL is needed, with one of {', '.join(names)}")
        if problem := _problem(name, url):
            raise ValueError(f"--input {one}: the URL {problem}")
        found.setdefault(name, []).append(url)
    return found


def _problem(name: str, url: str) -> str:
    """Return what is wrong with a URL for a parameter, by what its models document; '' if none."""
    parts = split_url(url)
    if not is_http_url(url) or parts is None or not parts.hostname:
        return "must begin with https:// or http:// and a host"
    validator = packaged_validator()
    for model in packaged_contract().catalog.models.values():
        if name in file_parameters(model):
            many = model.parameters[name].get("type") == "array"
            body = {**cheapest(model), name: [url] if many else url}
            for one in validator.violations(model, body):
                if one.parameter == name:
                    return f"is not valid: {one.message}"
    return ""


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
