"""Words of a command line, read as the JSON values that a schema wants."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from wanflow._core.snapshot import decode_as_is
from wanflow.catalog.document import is_object
from wanflow.cli.text import one_line

if TYPE_CHECKING:
    from wanflow.catalog.document import JsonObject

BRANCHES = ("allOf", "anyOf", "oneOf")
_INTEGER = re.compile(r"[+-]?[0-9]{1,300}", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]{1,300}(\.[0-9]{1,300})?([eE][+-]?[0-9]{1,2})?", re.ASCII)


def types_of(schema: JsonObject) -> set[str]:
    """Return the names of the types that a schema speaks of; empty where it says none."""
    named = schema.get("type", [])
    found = {named} if isinstance(named, str) else set(named)
    for keyword in BRANCHES:
        for branch in schema.get(keyword, []):
            if is_object(branch):
                found |= types_of(branch)
    return found or {_type_of(choice) for choice in allowed_values(schema)}


def allowed_values(schema: JsonObject) -> list[Any]:
    """Return the values that a schema confines its instances to; empty where it doesn't."""
    if "const" in schema:
        return [schema["const"]]
    values: list[Any] = schema.get("enum", [])
    return values


def to_text(value: Any) -> str:
    """Write a JSON value as a user would on a command line."""
    return value if isinstance(value, str) else json.dumps(value)


def parse_value(text: str, schema: JsonObject) -> Any:
    """Read a word as its schema wants it; one that doesn't fit stays as it is.

    The rules then say of it what is wrong, in one list with all else that is.

    Raises:
        ValueError: it begins as JSON where JSON is wanted, and isn't.
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
    """Read JSON.

    Raises:
        ValueError: it isn't JSON.
    """
    try:
        return decode_as_is(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not JSON: {error}") from None


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


# bool first: it is an int, too.
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
    _ParamType = click.ParamType  # generic to type checkers only, in the older releases


class ParsedValue(_ParamType):
    """Words that `read` makes values of, and of which the shell is offered `choices`.

    Both are functions; `read` raises ValueError with a sentence where a word can't be read.
    """

    name = "value"

    def __init__(
        self,
        parse: Callable[[str], Any] = str,
        choices: Callable[[], Iterable[str]] = tuple[str],
    ) -> None:
        self._parse = parse
        self._choices = choices

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a word."""
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
        """Offer the choices."""
        offered = (one_line(choice) for choice in self._choices())
        return [CompletionItem(choice) for choice in offered if choice.startswith(incomplete)]
