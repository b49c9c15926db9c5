"""The command-line options of a model, built from its schema."""

from __future__ import annotations

import re
from itertools import chain, count
from typing import TYPE_CHECKING, Any

import click
from attrs import field, frozen

from wanflow.catalog.deprecation import deprecated_values, deprecation_of
from wanflow.catalog.document import JsonObject, is_array, is_object, resolve_ref
from wanflow.catalog.keywords import AUDIO_FILE, IMAGE_FILE, PIXEL_SIZE
from wanflow.cli.text import first_sentence, one_line, strike_through
from wanflow.cli.values import BRANCHES, ParsedValue, allowed_values, parse_value, to_text, types_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wanflow.catalog.catalog import Model


@frozen
class ModelOptions:
    """The options for a model's parameters, by click's parameter name."""

    entries: Mapping[str, tuple[Parameter, click.Option]]

    @classmethod
    def from_parameters(cls, parameters: list[Parameter], reserved: Iterable[str]) -> ModelOptions:
        """Make an option for each parameter, with a name that isn't `reserved`.

        A name may already be used by the command, or by a parameter whose name differs only in
        characters that option names don't have: then it gets a prefix, and a number if needed.
        """
        used = set(reserved)
        entries: dict[str, tuple[Parameter, click.Option]] = {}
        for number, parameter in enumerate(parameters):
            flag = _unused_flag(parameter.flag, used)
            used.add(flag)
            key = f"parameter_{number}"
            entries[key] = (parameter, _option(key, flag, parameter))
        for parameter, option in entries.values():
            if parameter.singular is not None and parameter.singular not in used:
                option.opts.insert(0, parameter.singular)
                used.add(parameter.singular)
        return cls(entries)

    @property
    def options(self) -> list[click.Option]:
        """The options, in the parameters' order."""
        return [option for _, option in self.entries.values()]

    def body(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the request fields of the given options."""
        body: dict[str, Any] = {}
        for key, (parameter, _) in self.entries.items():
            value = values.get(key)
            if value is None or value == ():
                continue
            if parameter.is_array:
                value = [entry for entries in value for entry in entries]
            _set_field(body, parameter.path, value)
        return body


class _DeprecatedOption(click.Option):
    """An option for a deprecated parameter."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the help with the names struck through."""
        record = super().get_help_record(ctx)
        return None if record is None else (strike_through(record[0]), record[1])


def _option(key: str, flag: str, parameter: Parameter) -> click.Option:
    boolean = types_of(parameter.schema) == {"boolean"}
    optional: dict[str, Any] = {"is_flag": False, "flag_value": "true"} if boolean else {}
    return (_DeprecatedOption if parameter.deprecated else click.Option)(
        [flag, key],
        type=ParsedValue(
            parameter.parse, lambda: parameter.choices, "file" if parameter.takes_file else None
        ),
        multiple=parameter.is_array,
        metavar=parameter.metavar,
        help=parameter.help,
        **optional,
    )


def _unused_flag(flag: str, used: set[str]) -> str:
    stem = f"--parameter-{flag.removeprefix('--')}"
    names = chain([flag, stem], (f"{stem}-{number}" for number in count(2)))
    return next(name for name in names if name not in used)


def _set_field(body: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *parents, last = path
    node = body
    for parent in parents:
        inner = node.get(parent)
        if not is_object(inner):
            inner = node[parent] = JsonObject()
        node = inner
    node[last] = value


# Objects at deeper levels are given as JSON.
_MAX_DEPTH = 3
_MAX_CHOICES = 12


@frozen
class Parameter:
    """A parameter of a model, or a field of one; `path` is its location in the request."""

    path: tuple[str, ...]
    schema: JsonObject = field(repr=False)
    required: bool

    @property
    def name(self) -> str:
        """The name, after those of its parents."""
        return ".".join(self.path)

    @property
    def is_array(self) -> bool:
        """Whether it is a list, so that its option is repeatable."""
        return "array" in types_of(self.schema)

    @property
    def items(self) -> JsonObject:
        """The schema of one option value: that of a list's items, else of the parameter."""
        items = self.schema.get("items")
        return items if self.is_array and is_object(items) else self.schema

    @property
    def choices(self) -> list[str]:
        """The allowed values as text; empty if any value is allowed."""
        if types_of(self.items) == {"boolean"}:
            return ["true", "false"]
        return [to_text(choice) for choice in allowed_values(self.items)]

    @property
    def flag(self) -> str:
        """The name of its option."""
        return "--" + ".".join(_flag_part(part) for part in self.path)

    @property
    def singular(self) -> str | None:
        """Another name for the option of a list, which is given once per item."""
        plural = self.is_array and re.search(r"[a-z]s$", self.flag)
        return self.flag[:-1] if plural else None

    @property
    def metavar(self) -> str:
        """The kind of its values: `[5|10]`, `INTEGER 1..4`, `URL`."""
        if self.choices and len(self.choices) <= _MAX_CHOICES:
            return f"[{'|'.join(one_line(choice) for choice in self.choices)}]"
        names = sorted(types_of(self.items))
        if names == ["string"] and "uri" in str(self.items.get("format")):
            return "URL"
        plain = {"string": "TEXT", "object": "JSON", "array": "JSON"}
        word = "|".join(dict.fromkeys(plain.get(name, name.upper()) for name in names)) or "VALUE"
        return word + _range(self.items)

    @property
    def takes_file(self) -> bool:
        """Whether its value may be the path of a local file."""
        return not {IMAGE_FILE, AUDIO_FILE}.isdisjoint(self.schema)

    @property
    def deprecated(self) -> bool:
        """Whether it is deprecated."""
        return deprecation_of(self.schema) is not None

    @property
    def help(self) -> str:
        """The first sentence of the description, and the constraints of the schema."""
        marks = [*_bounds(self.schema), *(["required"] if self.required else [])]
        deprecation = deprecation_of(self.schema)
        if deprecation is not None:
            marks.append(one_line(deprecation.describe("it")))
        for value, deprecation in deprecated_values(self.schema):
            marks.append(one_line(deprecation.describe(to_text(value))))
        if "default" in self.schema:
            marks.append(f"default: {one_line(to_text(self.schema['default']))}")
        sentence = first_sentence(str(self.schema.get("description", "")))
        return f"{sentence}  [{'; '.join(marks)}]" if marks else sentence

    def parse(self, text: str) -> Any:
        """Parse an option value; for a list, that is one item or a whole list in JSON.

        Raises:
            ValueError: it starts like JSON where JSON is allowed, but isn't.
        """
        if not self.is_array:
            return parse_value(text, self.schema)
        if self.items.get("format") == "uri" and _MULTIPLE_URLS.match(text):
            raise ValueError(
                f"{text!r} looks like several URLs: give the option once for each "
                "(or a JSON list, for a URL that contains a comma)"
            )
        if text.lstrip().startswith("[") and "array" not in types_of(self.items):
            value = parse_value(text, self.schema)
            return value if is_array(value) else [value]
        return [parse_value(text, self.items)]


def parameters_of(document: JsonObject, model: Model) -> list[Parameter]:
    """Return the parameters of a model, each before its fields."""
    return list(_walk(document, model.schema, (), required=True))


def _walk(
    document: JsonObject, schema: JsonObject, path: tuple[str, ...], *, required: bool
) -> Iterator[Parameter]:
    needed = schema.get("required", ())
    for name, node in schema.get("properties", {}).items():
        if not is_object(node) or (not path and name == "model"):
            continue
        found = _resolve(document, node)
        here = Parameter((*path, name), found, required=required and name in needed)
        yield here
        if len(path) < _MAX_DEPTH:
            yield from _walk(document, found, here.path, required=here.required)


def _resolve(document: JsonObject, node: JsonObject, depth: int = _MAX_DEPTH) -> JsonObject:
    """Return a schema with the references in it, its items and its branches resolved."""
    found = resolve_ref(document, node)
    if depth == 0:
        return found
    if is_object(items := found.get("items")):
        found = {**found, "items": _resolve(document, items, depth - 1)}
    for keyword in BRANCHES:
        if keyword in found:
            branches = [_resolve(document, b, depth - 1) for b in found[keyword] if is_object(b)]
            found = {**found, keyword: branches}
    return found


def _flag_part(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unnamed"


def _range(schema: JsonObject) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and high is None:
        return ""
    return f" {'' if low is None else low}..{'' if high is None else high}"


def _bounds(schema: JsonObject) -> Iterator[str]:
    for keyword, phrase in _LENGTH_HELP.items():
        if keyword in schema:
            yield phrase.format(schema[keyword])
    size = schema.get(PIXEL_SIZE)
    if is_object(size):
        yield _PIXEL_SIZE_HELP.format_map(size)


_MULTIPLE_URLS = re.compile(r"[^\[].*,\s*https?://", re.IGNORECASE | re.DOTALL)
_LENGTH_HELP = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
    "maxItems": "at most {}",
}
_PIXEL_SIZE_HELP = (
    "WIDTHxHEIGHT, {minimumPixels} to {maximumPixels} pixels in all, "
    "width to height from {minimumRatio:g} to {maximumRatio:g}"
)
