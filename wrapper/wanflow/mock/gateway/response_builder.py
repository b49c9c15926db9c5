"""Build answers that have just the fields which the document gives them."""

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
    """One property of an answer: its key (`usage.billing_rule`), or the parts it consists of.

    `fallback` is what the property is when nobody has a value for its key; None leaves it out.
    """

    name: str
    key: str
    parts: tuple[Field, ...] = ()
    fallback: Any = None
    as_text: bool = False


@frozen
class ResponseTemplate:
    """The plan of an answer, made once from its schema and filled for each request."""

    parts: tuple[Field, ...]
    choices: Mapping[str, tuple[Any, ...]]

    def build(self, values: Mapping[str, Any]) -> JsonObject:
        """Fill the plan with values by key; those without a place in the schema are left out."""
        return _build(self.parts, values)

    def choose(self, key: str, *preferred: Any) -> Any:
        """Return the first preferred value that the schema allows, or the first it lists."""
        allowed = self.choices.get(key)
        if not allowed:
            return preferred[0]
        return next((value for value in preferred if value in allowed), allowed[0])


def compile_schema(document: JsonObject, schema: JsonObject) -> ResponseTemplate:
    """Read a schema's properties, through references and combinations, into a plan."""
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
    """Return a schema's properties and required names, `allOf` and a first choice included."""
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
