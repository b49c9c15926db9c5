"""Whether every example and default of a document is valid for the schema that it stands by."""

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
class Shown:
    """A value that a document shows, where it stands, and the schema that it is of."""

    pointer: str
    value: Any = field(repr=False)
    schema: JsonObject = field(repr=False)


@frozen
class Broken:
    """A shown value that its own schema refuses: where in it, and why."""

    shown: Shown
    inside: str
    why: str

    @property
    def is_default(self) -> bool:
        """Whether it is a default, and no example."""
        return self.shown.pointer.endswith("/default")

    def __str__(self) -> str:
        kind = "default" if self.is_default else "example"
        return f"the {kind} breaks its own schema: {self.why}"


def example_findings(document: JsonObject, file: str) -> Iterator[Finding]:
    """Find every example that its own schema refuses."""
    for broken in broken_examples(document):
        at = broken.shown.pointer + broken.inside
        yield Finding(file, at, str(broken), "mend it with an action in specs/overlays")


def broken_examples(document: JsonObject) -> Iterator[Broken]:
    """List every shown value that its own schema refuses."""
    for shown in shown_in(document):
        validator = _validator(document, shown)
        error = next(iter(validator.iter_errors(shown.value)), None) if validator else None
        if error is not None:
            inside = "".join(f"/{escape_key(str(part))}" for part in error.instance_path)
            yield Broken(shown, inside, error.message)


def shown_in(document: JsonObject) -> Iterator[Shown]:
    """List the examples and defaults of a document's schemas, bodies, parameters and headers."""
    for at, schema in iter_schemas(document):
        for key in _SHOWN:
            if key in schema:
                yield Shown(f"{at}/{key}", schema[key], schema)
        listed: Any = schema.get("examples", ())
        for index, value in enumerate(listed if is_array(listed) else ()):
            yield Shown(f"{at}/examples/{index}", value, schema)
    yield from _beside_schemas(document, "")


def _beside_schemas(node: Any, at: str) -> Iterator[Shown]:
    """List what is shown beside a `schema`: by media types, parameters and headers."""
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


def _of_schema(node: JsonObject, at: str) -> Iterator[Shown]:
    if "example" in node:
        yield Shown(f"{at}/example", node["example"], node["schema"])
    for name, example in node.get("examples", {}).items():
        if is_object(example) and "value" in example:
            place = f"{at}/examples/{escape_key(name)}/value"
            yield Shown(place, example["value"], node["schema"])


def _chosen(document: JsonObject, schema: JsonObject, value: Any) -> JsonObject:
    """Pick the branch that a discriminator leads to, for its complaint names the real fault."""
    discriminator = resolve_ref(document, schema).get("discriminator", {})
    word = value.get(discriminator.get("propertyName")) if is_object(value) else None
    reference = discriminator.get("mapping", {}).get(word) if isinstance(word, str) else None
    return {"$ref": reference} if reference else schema


def _validator(document: JsonObject, shown: Shown) -> jsonschema_rs.Validator | None:
    """Compile a schema; None for one that isn't valid itself, which other findings report."""
    whole = inline_references(document, _chosen(document, shown.schema, shown.value), ())
    try:
        return validator_for(whole)
    except ValueError:
        return None
