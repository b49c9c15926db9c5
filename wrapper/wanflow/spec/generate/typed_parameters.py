"""Generate Python types from schemas: Literal for enums, TypedDict for objects."""

from __future__ import annotations

import json
import keyword
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from attrs import define, field

from wanflow.catalog.document import JsonObject, is_array, is_object, resolve_ref
from wanflow.catalog.keywords import AUDIO_FILE, IMAGE_FILE
from wanflow.spec.merge.naming import to_pascal_case, unique_name
from wanflow.spec.schema.operations import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Iterable

SCALARS = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
}


_RESERVED_NAMES = frozenset(
    {
        "Any",
        "Literal",
        "PathLike",
        "Required",
        "Several",
        "bytes",
        "dict",
        "list",
        *SCALARS.values(),
    }
)

FILE_KEYWORDS = frozenset({IMAGE_FILE, AUDIO_FILE})
"""The keywords that mark a parameter as the URL of a file."""

_FILE_TYPE = "str | PathLike[str] | bytes"


@define
class TypeAnnotations:
    """Converts the schemas of a spec to type annotations, and collects the classes they need."""

    document: JsonObject = field(repr=False)
    classes: dict[str, str] = field(factory=dict[str, str])
    fields: dict[str, dict[str, str]] = field(factory=dict[str, dict[str, str]])
    _named: dict[str, str] = field(factory=dict[str, str])

    def of(self, schema: Any, name: str) -> str:
        """Return the annotation of a schema; `name` is the class name for an object in it."""
        if not is_object(schema):
            return "Any"
        if "$ref" in schema:
            named = str(schema["$ref"]).removeprefix(SCHEMAS)
            return self._referred(schema, f"{to_pascal_case(named)}Dict")
        if (values := _enum_values(schema)) is not None:
            return _literal(values)
        for word in ("anyOf", "oneOf"):
            if word in schema:
                parts = [self.of(part, f"{name}{at}") for at, part in enumerate(schema[word], 1)]
                return union_of(parts)
        kinds = schema.get("type", ())
        named_kinds = kinds if is_array(kinds) else [kinds]
        if FILE_KEYWORDS & schema.keys() and (kind := _file_type(schema)):
            return kind
        return union_of([self._kind(str(kind), schema, name) for kind in named_kinds]) or "Any"

    def typed_dict(self, name: str, schema: JsonObject, without: Iterable[str] = ()) -> str:
        """Add the TypedDict of an object, without some properties; return its name."""
        left_out = frozenset(without)
        name = name if name.isidentifier() else f"Model{name}"
        key = json.dumps([name, schema, sorted(left_out)], sort_keys=True)
        known = self._named.get(key)
        if known is None:
            known = self._named[key] = unique_name(name, self._named.values())
            self.classes[known] = ""  # ends the recursion of a schema that refers to itself
            self.classes[known] = self._class(known, schema, left_out)
        return known

    def _referred(self, schema: JsonObject, name: str) -> str:
        target = resolve_ref(self.document, schema)
        return self.of(target, name)

    def _kind(self, kind: str, schema: JsonObject, name: str) -> str:
        if kind == "array":
            return f"list[{self.of(schema.get('items', {}), f'{name}Item')}]"
        if kind == "object" and schema.get("properties"):
            return self.typed_dict(name, schema)
        return "dict[str, Any]" if kind == "object" else SCALARS.get(kind, "Any")

    def _class(self, name: str, schema: JsonObject, without: frozenset[str]) -> str:
        required = set(schema.get("required", ()))
        fields = {
            key: self._field(rule, name + to_pascal_case(key), key in required)
            for key, rule in schema["properties"].items()
            if key not in without
        }
        self.fields[name] = fields
        if not all(is_field(key) for key in fields):
            # As strings, since a class in an annotation may be defined later.
            inside = ", ".join(f"{key!r}: {kind!r}" for key, kind in fields.items())
            return f"{name} = TypedDict({name!r}, {{{inside}}}, total=False)\n"
        lines = [f"class {name}(TypedDict, total=False):"]
        for key, kind in fields.items():
            lines.append(f"    {key}: {kind}")
            if text := _first_sentence(resolve_ref(self.document, schema["properties"][key])):
                lines.append(f"    {text!r}")
        return "\n".join(lines if fields else [*lines, "    pass"]) + "\n"

    def _field(self, rule: Any, name: str, required: bool) -> str:
        kind = self.of(rule, name)
        # None means "not set" for an optional parameter.
        return f"Required[{kind}]" if required else union_of([kind, "None"])


def is_field(key: str) -> bool:
    """Return whether a name can be a field in class syntax without shadowing a type."""
    plain = key.isidentifier() and not keyword.iskeyword(key) and key == normalize("NFKC", key)
    return plain and not key.startswith("__") and key not in _RESERVED_NAMES


def _file_type(schema: JsonObject) -> str | None:
    """Return the annotation of a file URL or a list of them; a path is uploaded."""
    if schema.get("format") == "uri":
        return _FILE_TYPE
    items = schema.get("items")
    several = schema.get("type") == "array" and is_object(items) and items.get("format") == "uri"
    return f"Several[{_FILE_TYPE}]" if several else None


def _enum_values(schema: JsonObject) -> list[Any] | None:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    plain = (str, int, type(None))
    if is_array(values) and values and all(isinstance(value, plain) for value in values):
        return values
    return None


def _literal(values: list[Any]) -> str:
    return f"Literal[{', '.join(repr(value) for value in values)}]"


def union_of(parts: list[str]) -> str:
    """Return the annotation of a union."""
    distinct = list(dict.fromkeys(parts))
    return "Any" if "Any" in distinct else " | ".join(distinct)


def _first_sentence(rule: JsonObject) -> str:
    first_line = str(rule.get("description", "")).strip().partition("\n")[0]
    sentence, stop, _ = first_line.partition(". ")
    return " ".join(sentence.split()) + stop.strip()
