"""Check that every example and default is valid for its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.catalog.document import escape_key, is_array, is_object, resolve_ref
from wanflow.catalog.patterns import validator_for
from wanflow.catalog.schema_walk import iter_schemas
from wanflow.spec.errors import Finding
from wanflow.spec.schema.value_set import inline_references

if TYPE_CHECKING:
    from collections.abc import Iterator

    import jsonschema_rs

    from wanflow.catalog.document import JsonObject

_SHOWN = ("example", "default")
_DATA = frozenset({"example", "examples", "value", "default", "enum", "const"})


@frozen
class ExampleValue:
    """An example or default, its position, and its schema."""

    pointer: str
    value: Any = field(repr=False)
    schema: JsonObject = field(repr=False)


@frozen
class InvalidExample:
    """An example or default that its schema rejects: where, and why."""

    shown: ExampleValue
    inside: str
    why: str

    @property
    def is_default(self) -> bool:
        """Whether it is a default rather than an example."""
        return self.shown.pointer.endswith("/default")

    def __str__(self) -> str:
        kind = "default" if self.is_default else "example"
        return f"the {kind} breaks its own schema: {self.why}"


def example_findings(document: JsonObject, file: str) -> Iterator[Finding]:
    """Yield a finding for every example that its schema rejects."""
    for broken in invalid_examples(document):
        at = broken.shown.pointer + broken.inside
        yield Finding(file, at, str(broken), "mend it with an action in specs/overlays")


def invalid_examples(document: JsonObject) -> Iterator[InvalidExample]:
    """Yield every example and default that its schema rejects."""
    for shown in example_values(document):
        validator = _validator(document, shown)
        error = next(iter(validator.iter_errors(shown.value)), None) if validator else None
        if error is not None:
            inside = "".join(f"/{escape_key(str(part))}" for part in error.instance_path)
            yield InvalidExample(shown, inside, error.message)


def example_values(document: JsonObject) -> Iterator[ExampleValue]:
    """Yield the examples and defaults of schemas, bodies, parameters and headers."""
    for at, schema in iter_schemas(document):
        for key in _SHOWN:
            if key in schema:
                yield ExampleValue(f"{at}/{key}", schema[key], schema)
        listed: Any = schema.get("examples", ())
        for index, value in enumerate(listed if is_array(listed) else ()):
            yield ExampleValue(f"{at}/examples/{index}", value, schema)
    yield from _beside_schemas(document, "")


def _beside_schemas(node: Any, at: str) -> Iterator[ExampleValue]:
    """Yield the examples beside a `schema`: of media types, parameters and headers."""
    if is_array(node):
        for index, item in enumerate(node):
            yield from _beside_schemas(item, f"{at}/{index}")
    if not is_object(node) or at == "/components/schemas":
        return
    if is_object(node.get("schema")):
        yield from _of_schema(node, at)
    for key, value in node.items():
        if key not in _DATA and key != "schema":
            yield from _beside_schemas(value, f"{at}/{escape_key(key)}")
        elif key == "default" and at.endswith("/responses"):
            yield from _beside_schemas(value, f"{at}/default")


def _of_schema(node: JsonObject, at: str) -> Iterator[ExampleValue]:
    if "example" in node:
        yield ExampleValue(f"{at}/example", node["example"], node["schema"])
    for name, example in node.get("examples", {}).items():
        if is_object(example) and "value" in example:
            place = f"{at}/examples/{escape_key(name)}/value"
            yield ExampleValue(place, example["value"], node["schema"])


def _chosen(document: JsonObject, schema: JsonObject, value: Any) -> JsonObject:
    """Return the branch that a discriminator selects, because its error is the useful one."""
    discriminator = resolve_ref(document, schema).get("discriminator", {})
    word = value.get(discriminator.get("propertyName")) if is_object(value) else None
    reference = discriminator.get("mapping", {}).get(word) if isinstance(word, str) else None
    return {"$ref": reference} if reference else schema


def _validator(document: JsonObject, shown: ExampleValue) -> jsonschema_rs.Validator | None:
    """Compile a schema; None if it is invalid, which other findings report."""
    whole = inline_references(document, _chosen(document, shown.schema, shown.value), ())
    try:
        return validator_for(whole)
    except ValueError:
        return None
