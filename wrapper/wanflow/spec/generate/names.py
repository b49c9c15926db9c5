"""Make names unique before generating, and restore the original names in the generated code.

The generator derives a Python name from each name of the spec, and fails if two are equal:
`cfg-scale` and `cfg.scale`, `+` and `-`, a schema `UsageUnit` and the property `unit` of `Usage`.
So its input gets unique names, and the property names of requests are restored in its output. The
first of several equal names stays; the others get a number, in the order of the spec.
"""

from __future__ import annotations

import ast
import io
import json
import tokenize
import unicodedata
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow.catalog.document import JsonObject, is_array, is_object
from wanflow.spec.generate.generator_input import generator_input
from wanflow.spec.generate.python_names import PREFIX, class_name, pascal_case, variable_name
from wanflow.spec.merge.naming import unique_name
from wanflow.spec.schema.operations import rename_references

if TYPE_CHECKING:
    from pathlib import Path

_RESERVED_CLASSES = (
    *("Any", "TypeVar", "BinaryIO", "TextIO", "TYPE_CHECKING", "Generator", "Mapping", "Unset"),
    *("UNSET", "Literal", "UUID", "T", "File", "FileTypes", "Self", "Response", "Client", "Union"),
    *("AuthenticatedClient", "HTTPStatus", "Optional", "httpx", "cast", "quote", "errors"),
)
_RESERVED_VARIABLES = frozenset(
    {
        *("self", "cls", "d", "src_dict", "field_dict", "prop", "prop_name", "json", "types"),
        *("to_dict", "from_dict", "to_multipart", "additional_properties", "additional_keys"),
        *("cast", "isoparse", "datetime", "uuid", "mapping", "key", "value", "t"),
    }
)


@define
class UniqueNames:
    """A spec with unique names, and the original names.

    `original_names` has the renamed properties of each generated class, new to original; `owners`
    the class of the named schema that each generated class belongs to.
    """

    document: JsonObject = field(repr=False)
    original_names: dict[str, dict[str, str]] = field(factory=dict[str, dict[str, str]])
    owners: dict[str, str] = field(factory=dict[str, str])
    _taken: list[str] = field(factory=lambda: list(_RESERVED_CLASSES))

    @classmethod
    def of(cls, document: JsonObject) -> UniqueNames:
        """Give every schema, class, property and path parameter a unique name."""
        schemas: JsonObject = document["components"].get("schemas", {})
        shown = cls(document)
        renamed = {name: shown._component(name) for name in schemas}
        named = {
            renamed[name]: _rename_references(schema, renamed) for name, schema in schemas.items()
        }
        for name, schema in named.items():
            before = len(shown._taken)
            own = class_name(name)
            shown._schema(schema, own)
            made = [own, *shown._taken[before:]] if _has_class(schema) else shown._taken[before:]
            shown.owners.update(dict.fromkeys(made, own))
        paths = _rename_references(document["paths"], renamed)
        shown.document = {
            **document,
            "paths": dict(_rename_path_parameters(path, item) for path, item in paths.items()),
            "components": {**document["components"], "schemas": named},
        }
        return shown

    def _component(self, name: str) -> str:
        """Return a schema's name, or another one if its class name is taken."""
        own = class_name(name)
        free = unique_name(own, self._taken)
        self._taken.append(free)
        return name if free == own else free

    def _schema(self, schema: Any, name: str) -> None:
        """Name the classes inside the schema of a class."""
        if not is_object(schema):
            return
        if is_object(schema.get("properties")):
            self._properties(schema, name)
        for inside, rule in schema.get("properties", {}).items():
            self._value(rule, name, inside)
        self._value(schema.get("additionalProperties"), name, "AdditionalProperty")
        self._parts(schema, name, "")

    def _parts(self, schema: JsonObject, parent: str, name: str) -> None:
        if "items" in schema:
            self._value(schema["items"], parent, f"{name}_item")
        for word in ("oneOf", "anyOf", "allOf"):
            for index, part in enumerate(schema.get(word, ())):
                self._value(part, parent, f"{name}_type_{index}")

    def _value(self, rule: Any, parent: str, name: str) -> None:
        """Name the class of a property, an entry or a branch, if it becomes a class."""
        if not is_object(rule) or "$ref" in rule:
            return
        own = class_name(pascal_case(parent) + pascal_case(name))
        if _has_class(rule):
            free = unique_name(own, self._taken)
            if free != own:
                rule["title"] = pascal_case(name) + free.removeprefix(own)
            self._taken.append(free)
            self._schema(rule, free)
            return
        self._parts(rule, parent, name)

    def _properties(self, schema: JsonObject, name: str) -> None:
        """Give each property a unique Python name."""
        properties: JsonObject = schema["properties"]
        names = _unique_names(list(properties), json.dumps(schema, ensure_ascii=False))
        schema["properties"] = {names[key]: rule for key, rule in properties.items()}
        if is_array(schema.get("required")):
            schema["required"] = [names.get(key, key) for key in schema["required"]]
        changed = {new: old for old, new in names.items() if new != old}
        if changed:
            self.original_names[name] = changed


def _has_class(rule: JsonObject) -> bool:
    """Return whether the generator makes a class for a schema."""
    return "enum" in rule or "object" in str(rule.get("type", "")) or "properties" in rule


def public_classes(document: JsonObject) -> dict[str, str]:
    """Return each class of the generated client with the class of the named schema around it."""
    components: JsonObject = {"schemas": {}, **document.get("components", {})}
    return UniqueNames.of(generator_input({"paths": {}, "components": components})).owners


def _unique_names(keys: list[str], text: str) -> dict[str, str]:
    """Return each name itself, or another one if its Python name isn't unique.

    `text` is the schema as JSON; a string that occurs in it isn't used as a new name.
    """
    own = {key: _normalized_name(key) for key in keys}
    taken = set(_RESERVED_VARIABLES)
    names: dict[str, str] = {}
    for key in sorted(keys, key=lambda key: own[key] != key):
        names[key] = key
        if own[key] in taken or not _is_usable(own[key]):
            names[key] = _numbered_name(own[key] if _is_usable(own[key]) else "field", taken, text)
        taken.add(_normalized_name(names[key]))
    return names


def _normalized_name(key: str) -> str:
    return unicodedata.normalize("NFKC", variable_name(key))


def _is_usable(name: str) -> bool:
    return name.isidentifier() and name != PREFIX and _normalized_name(name) == name


def _numbered_name(stem: str, taken: set[str], text: str) -> str:
    number = 2
    while (name := f"{stem.rstrip('_')}_{number}") in taken or f'"{name}"' in text:
        number += 1
    return name


def _rename_path_parameters(path: str, item: JsonObject) -> tuple[str, JsonObject]:
    """Give path parameters valid Python names; the names are never sent."""
    whole: JsonObject = {}
    inside = [
        one["name"]
        for node in item.values()
        for one in node.get("parameters", ())
        if one.get("in") == "path"
    ]
    keys = list(dict.fromkeys(inside))
    names = {key: key if key.isascii() and key.isidentifier() else "" for key in keys}
    taken = {name for name in names.values() if name}
    for key in (key for key in keys if not names[key]):
        names[key] = _numbered_name("part", taken, "")
        taken.add(names[key])
        path = path.replace("{" + key + "}", "{" + names[key] + "}")
    for method, node in item.items():
        parameters = [
            {**one, "name": names[one["name"]]} if one.get("in") == "path" else one
            for one in node.get("parameters", ())
        ]
        whole[method] = {**node, **({"parameters": parameters} if parameters else {})}
    return path, whole


def _rename_references(node: Any, renamed: dict[str, str]) -> Any:
    return rename_references(node, lambda name: renamed.get(name, name))


def restore_names(models: Path, original_names: dict[str, dict[str, str]]) -> None:
    """Restore the original property names in the generated classes."""
    for path in sorted(models.glob("*.py")) if original_names else ():
        text = path.read_text("utf-8")
        classes = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
        names = {new: old for name in classes for new, old in original_names.get(name, {}).items()}
        if names:
            path.write_text(_replace_literals(text, names), "utf-8")


def _replace_literals(text: str, names: dict[str, str]) -> str:
    """Replace each string literal that is one of the new names."""
    lines = text.splitlines(keepends=True)
    pieces = list(tokenize.generate_tokens(io.StringIO(text).readline))
    for piece in reversed([one for one in pieces if one.type == tokenize.STRING]):
        (row, begin), (last_row, end) = piece.start, piece.end
        if row == last_row and (old := names.get(_literal(piece.string))) is not None:
            line = lines[row - 1]
            lines[row - 1] = line[:begin] + ascii(old) + line[end:]
    return "".join(lines)


def _literal(text: str) -> str:
    value: object = None if text[:1] in "fF" else ast.literal_eval(text)
    return value if isinstance(value, str) else ""
