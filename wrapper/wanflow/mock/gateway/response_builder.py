"""Build responses with exactly the fields of the spec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.catalog.document import JsonObject, resolve_ref

if TYPE_CHECKING:
    from collections.abc import Mapping

_SAMPLES: dict[str, Any] = {
    "string": "",
    "integer": 0,
    "number": 0,
    "boolean": False,
    "array": [],
    "null": None,
}


@frozen
class Field:
    """One property of a response: its key (`usage.billing_rule`), or its nested fields.

    `fallback` is used if there is no value for the key; None leaves the property out.
    """

    name: str
    key: str
    parts: tuple[Field, ...] = ()
    fallback: Any = None
    as_text: bool = False


@frozen
class ResponseTemplate:
    """A template for a response, compiled from its schema."""

    parts: tuple[Field, ...]
    choices: Mapping[str, tuple[Any, ...]]

    def build(self, values: Mapping[str, Any]) -> JsonObject:
        """Fill in values by key; those that the schema lacks are left out."""
        return _build(self.parts, values)

    def choose(self, key: str, *preferred: Any) -> Any:
        """Return the first preferred value that the schema allows, or its first value."""
        allowed = self.choices.get(key)
        if not allowed:
            return preferred[0]
        return next((value for value in preferred if value in allowed), allowed[0])


def compile_schema(document: JsonObject, schema: JsonObject) -> ResponseTemplate:
    """Compile a schema with its references and combinations."""
    choices: dict[str, tuple[Any, ...]] = {}
    return ResponseTemplate(_parts(document, schema, "", choices), choices)


def _build(parts: tuple[Field, ...], values: Mapping[str, Any]) -> JsonObject:
    built: JsonObject = {}
    for part in parts:
        value = _build(part.parts, values) if part.parts else values.get(part.key)
        if value is None or value == {}:
            value = part.fallback
        elif part.as_text:
            value = str(value)
        if value is not None:
            built[part.name] = value
    return built


def _parts(
    document: JsonObject, schema: JsonObject, prefix: str, choices: dict[str, tuple[Any, ...]]
) -> tuple[Field, ...]:
    properties, required = flattened(document, schema)
    found: list[Field] = []
    for name, raw in properties.items():
        rule, key = resolve_ref(document, raw), f"{prefix}{name}"
        choices[key] = tuple(rule.get("enum", (rule["const"],) if "const" in rule else ()))
        inner = _parts(document, rule, f"{key}.", choices)
        fallback = _sample(rule) if name in required else None
        found.append(Field(name, key, inner, fallback, rule.get("type") == "string"))
    return tuple(found)


def flattened(document: JsonObject, schema: JsonObject) -> tuple[dict[str, JsonObject], set[str]]:
    """Return a schema's properties and required names, including `allOf` and the first choice."""
    schema = resolve_ref(document, schema)
    properties: dict[str, JsonObject] = {}
    required: set[str] = set()
    for inner in (
        *schema.get("allOf", ()),
        *schema.get("oneOf", ())[:1],
        *schema.get("anyOf", ())[:1],
    ):
        more, names = flattened(document, inner)
        properties |= more
        required |= names
    return {**properties, **schema.get("properties", {})}, required | set(
        schema.get("required", ())
    )


def _sample(rule: JsonObject) -> Any:
    for word in ("default", "const", "example"):
        if word in rule:
            return rule[word]
    for word in ("enum", "examples"):
        if rule.get(word):
            return rule[word][0]
    kinds: list[str] = [rule["type"]] if isinstance(rule.get("type"), str) else rule.get("type", [])
    return _SAMPLES.get(kinds[0], JsonObject()) if kinds else JsonObject()
