"""Parses command-line arguments as JSON values, by a schema."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from wanflow._core.snapshot import decode_user_json
from wanflow.catalog.document import is_object
from wanflow.cli.text import one_line

if TYPE_CHECKING:
    from wanflow.catalog.document import JsonObject

BRANCHES = ("allOf", "anyOf", "oneOf")
_INTEGER = re.compile(r"[+-]?[0-9]{1,300}", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]{1,300}(\.[0-9]{1,300})?([eE][+-]?[0-9]{1,2})?", re.ASCII)


def types_of(schema: JsonObject) -> set[str]:
    """Return the type names of a schema and its branches; empty if it has none."""
    declared = schema.get("type", [])
    types = {declared} if isinstance(declared, str) else set(declared)
    for keyword in BRANCHES:
        for branch in schema.get(keyword, []):
            if is_object(branch):
                types |= types_of(branch)
    return types or {_type_of(choice) for choice in allowed_values(schema)}


def allowed_values(schema: JsonObject) -> list[Any]:
    """Return the values that a schema allows; empty if it doesn't list them."""
    if "const" in schema:
        return [schema["const"]]
    values: list[Any] = schema.get("enum", [])
    return values


def to_text(value: Any) -> str:
    """Return a JSON value as a user would write it on a command line."""
    return value if isinstance(value, str) else json.dumps(value)


def parse_value(text: str, schema: JsonObject) -> Any:
    """Parse a text as its schema requires; one that doesn't match stays a text.

    The validation of the request then reports it, together with all other problems.

    Raises:
        ValueError: it starts like JSON where JSON is allowed, but isn't.
    """
    for choice in allowed_values(schema):
        if text == to_text(choice):
            return choice
    types = types_of(schema)
    if {"integer", "number"} & types and _INTEGER.fullmatch(text):
        return int(text)
    if "number" in types and _NUMBER.fullmatch(text):
        return float(text)
    if "boolean" in types and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if "null" in types and text == "null":
        return None
    return _parse_structure(text, types)


def parse_json(text: str) -> Any:
    """Parse JSON.

    Raises:
        ValueError: the text isn't JSON.
    """
    try:
        return decode_user_json(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not valid JSON: {error}") from None


def _parse_structure(text: str, types: set[str]) -> Any:
    opening = text.lstrip()[:1]
    if (opening == "{" and "object" in types) or (opening == "[" and "array" in types):
        return parse_json(text)
    if types:
        return text
    try:
        return parse_json(text)
    except ValueError:
        return text


def _type_of(value: Any) -> str:
    return next((name for kind, name in _NAMES.items() if isinstance(value, kind)), "null")


# bool comes before int, its base class.
_NAMES = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    dict: "object",
    list: "array",
}


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType  # older releases are generic only to type checkers


class ParsedValue(_ParamType):
    """A parameter type made of two functions: `parse`, and `choices` for shell completion.

    `parse` raises ValueError with a message if a text is invalid. `paths` is "file" or "dir" where
    the shell completes paths, too.
    """

    name = "value"

    def __init__(
        self,
        parse: Callable[[str], Any] = str,
        choices: Callable[[], Iterable[str]] = tuple[str],
        paths: str | None = None,
    ) -> None:
        self._paths = paths
        self._parse = parse
        self._choices = choices

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse a text."""
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(one_line(str(error)), param, ctx)

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Return the choices that complete a text."""
        if self._paths is not None:
            return [CompletionItem(incomplete, type=self._paths)]
        choices = (one_line(choice) for choice in self._choices())
        return [CompletionItem(choice) for choice in choices if choice.startswith(incomplete)]
