"""The options of a model, made from its schema: their names, what they take, what they say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.cli.prose import first_sentence, one_line
from wanflow.cli.values import BRANCHES, allowed, as_word, read_value, types_of
from wanflow.spec.deprecation import deprecated_values, deprecation_of
from wanflow.spec.document import Json, is_array, is_object, resolve
from wanflow.spec.keywords import PIXEL_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.spec.catalog import Model

# Deeper objects are given as JSON.
_DEEPEST = 3
_SHOWN_CHOICES = 12


@frozen
class Parameter:
    """A parameter of a model, or a field of one: `path` leads to it in the request."""

    path: tuple[str, ...]
    schema: Json = field(repr=False)
    required: bool

    @property
    def name(self) -> str:
        """The name, its parents' before it."""
        return ".".join(self.path)

    @property
    def is_array(self) -> bool:
        """Whether it takes a list, so that its option may be given several times."""
        return "array" in types_of(self.schema)

    @property
    def items(self) -> Json:
        """The schema of what one option takes: a list's entries, else the parameter itself."""
        found = self.schema.get("items")
        return found if self.is_array and is_object(found) else self.schema

    @property
    def choices(self) -> list[str]:
        """The values it is confined to, as words; empty where it is free."""
        if types_of(self.items) == {"boolean"}:
            return ["true", "false"]
        return [as_word(choice) for choice in allowed(self.items)]

    @property
    def flag(self) -> str:
        """The name of its option."""
        return "--" + ".".join(_spelled(part) for part in self.path)

    @property
    def singular(self) -> str | None:
        """Another name for the option of a list, which is given once for each entry."""
        plural = self.is_array and re.search(r"[a-z]s$", self.flag)
        return self.flag[:-1] if plural else None

    @property
    def metavar(self) -> str:
        """What it takes, in a word: `[5|10]`, `INTEGER 1..4`, `URL`."""
        if self.choices and len(self.choices) <= _SHOWN_CHOICES:
            return f"[{'|'.join(one_line(choice) for choice in self.choices)}]"
        names = sorted(types_of(self.items))
        if names == ["string"] and "uri" in str(self.items.get("format")):
            return "URL"
        plain = {"string": "TEXT", "object": "JSON", "array": "JSON"}
        word = "|".join(dict.fromkeys(plain.get(name, name.upper()) for name in names)) or "VALUE"
        return word + _range(self.items)

    @property
    def deprecated(self) -> bool:
        """Whether it is going to be removed."""
        return deprecation_of(self.schema) is not None

    @property
    def help(self) -> str:
        """The first sentence of the description, and what the schema adds to it."""
        marks = [*_bounds(self.schema), *(["required"] if self.required else [])]
        told = deprecation_of(self.schema)
        if told is not None:
            marks.append(one_line(told.of("it")))
        for value, said in deprecated_values(self.schema):
            marks.append(one_line(said.of(as_word(value))))
        if "default" in self.schema:
            marks.append(f"default: {one_line(as_word(self.schema['default']))}")
        sentence = first_sentence(str(self.schema.get("description", "")))
        return f"{sentence}  [{'; '.join(marks)}]" if marks else sentence

    def read(self, word: str) -> Any:
        """Read one word; of a list, that is a list of one entry, or a whole list in JSON.

        Raises:
            ValueError: it begins as JSON where JSON is wanted, and isn't.
        """
        if not self.is_array:
            return read_value(word, self.schema)
        if self.items.get("format") == "uri" and _SEVERAL_URLS.match(word):
            raise ValueError(
                f"{word!r} looks like several URLs: give the option once for each "
                "(or a JSON list, for one that has a comma in it)"
            )
        if word.lstrip().startswith("[") and "array" not in types_of(self.items):
            found = read_value(word, self.schema)
            return found if is_array(found) else [found]
        return [read_value(word, self.items)]


def parameters_of(document: Json, model: Model) -> list[Parameter]:
    """List what a model takes, each parameter before its fields."""
    return list(_walk(document, model.schema, (), required=True))


def _walk(
    document: Json, schema: Json, path: tuple[str, ...], *, required: bool
) -> Iterator[Parameter]:
    needed = schema.get("required", ())
    for name, node in schema.get("properties", {}).items():
        if not is_object(node) or (not path and name == "model"):
            continue
        found = _resolved(document, node)
        here = Parameter((*path, name), found, required=required and name in needed)
        yield here
        if len(path) < _DEEPEST:
            yield from _walk(document, found, here.path, required=here.required)


def _resolved(document: Json, node: Json, depth: int = _DEEPEST) -> Json:
    """Return a schema with its references followed, those of its entries and branches as well."""
    found = resolve(document, node)
    if depth == 0:
        return found
    if is_object(items := found.get("items")):
        found = {**found, "items": _resolved(document, items, depth - 1)}
    for keyword in BRANCHES:
        if keyword in found:
            branches = [_resolved(document, b, depth - 1) for b in found[keyword] if is_object(b)]
            found = {**found, keyword: branches}
    return found


def _spelled(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unnamed"


def _range(schema: Json) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and high is None:
        return ""
    return f" {'' if low is None else low}..{'' if high is None else high}"


def _bounds(schema: Json) -> Iterator[str]:
    for keyword, phrase in _PHRASES.items():
        if keyword in schema:
            yield phrase.format(schema[keyword])
    size = schema.get(PIXEL_SIZE)
    if is_object(size):
        yield _PIXELS.format_map(size)


_SEVERAL_URLS = re.compile(r"[^\[].*,\s*https?://", re.IGNORECASE | re.DOTALL)
_PHRASES = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
    "maxItems": "at most {}",
}
_PIXELS = (
    "WIDTHxHEIGHT, {minimumPixels} to {maximumPixels} pixels in all, "
    "width to height from {minimumRatio:g} to {maximumRatio:g}"
)
