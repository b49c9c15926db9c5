"""Generate Python types from schemas: Literal for enums, TypedDict for objects."""

from __future__ import annotations

import json
import keyword
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from attrs import define, field

from wanflow.catalog.document import JsonObject, is_array, is_object, resolve_ref
from wanflow.catalog.keywords import AUDIO_FILE, IMAGE_FILE
from wanflow.spec.generate.python_names import class_name
from wanflow.spec.merge.naming import to_pascal_case, unique_name
from wanflow.spec.schema.index import operations_of, reference_name
from wanflow.spec.schema.operations import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCALARS = {
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
        *_SCALARS.values(),
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
                return _union(parts)
        kinds = schema.get("type", ())
        named_kinds = kinds if is_array(kinds) else [kinds]
        if FILE_KEYWORDS & schema.keys() and (kind := _file_type(schema)):
            return kind
        return _union([self._kind(str(kind), schema, name) for kind in named_kinds]) or "Any"

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
        return "dict[str, Any]" if kind == "object" else _SCALARS.get(kind, "Any")

    def _class(self, name: str, schema: JsonObject, without: frozenset[str]) -> str:
        required = set(schema.get("required", ()))
        fields = {
            key: self._field(rule, name + to_pascal_case(key), key in required)
            for key, rule in schema["properties"].items()
            if key not in without
        }
        if not all(_is_field(key) for key in fields):
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
        return f"Required[{kind}]" if required else _union([kind, "None"])


def _is_field(key: str) -> bool:
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


def _union(parts: list[str]) -> str:
    distinct = list(dict.fromkeys(parts))
    return "Any" if "Any" in distinct else " | ".join(distinct)


def _first_sentence(rule: JsonObject) -> str:
    first_line = str(rule.get("description", "")).strip().partition("\n")[0]
    sentence, stop, _ = first_line.partition(". ")
    return " ".join(sentence.split()) + stop.strip()


FILE_NAME = "parameters.py"
# The options of `submit` and `run` besides the model's parameters, in signature order.
SUBMIT_OPTIONS = {
    "extra": "Mapping[str, Any] | None",
    "validate": "bool",
    "idempotency_key": "str | None",
    "resubmit_uncertain": "bool",
    "max_credits": "float | None",
}
RUN_OPTIONS = {
    "output_dir": "str | PathLike[str] | None",
    "timeout": "float",
    "on_update": "OnUpdateT",
    **SUBMIT_OPTIONS,
}
RESERVED_PARAMETERS = frozenset({*RUN_OPTIONS, "request", "self"})
"""The names of the arguments of `submit` and `run`; a parameter can't have them as a keyword."""

_HEADER = '''\
"""The parameters of each model, for type checkers and editors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike
from typing import Any, Literal, Protocol, Required, TypeAlias, TypedDict, TypeVar, Unpack, overload

from . import models

ItemT_co = TypeVar("ItemT_co", covariant=True)

ResultT_co = TypeVar("ResultT_co", covariant=True)
OnUpdateT = TypeVar("OnUpdateT", contravariant=True)


class Several(Protocol[ItemT_co]):
    """A sequence such as a list or a tuple, but not a string, whose items are strings too."""

    def __contains__(self, value: object, /) -> bool: ...

    def __getitem__(self, index: int, /) -> ItemT_co: ...

    def __iter__(self) -> Iterator[ItemT_co]: ...

    def __len__(self) -> int: ...
'''


def _model_literal(models: list[str]) -> str:
    """Return the type of a model name; `str` if there is no model."""
    return f"Literal[{', '.join(map(repr, models))}]" if models else "str"


def _class_union(classes: Iterable[str]) -> str:
    return " | ".join(classes) or "Any"


def parameters_module(document: JsonObject) -> str:
    """Return the source of the module for a published spec."""
    annotations = TypeAnnotations(document)
    variants = _variants(document)
    taken = {*RESERVED_PARAMETERS, "model"}
    classes: dict[str, str] = {}
    for name in variants:
        schema = resolve_ref(document, {"$ref": f"#/components/schemas/{name}"})
        classes[name] = annotations.typed_dict(_class_of(name), schema, taken)
    models = sorted(model for names in variants.values() for model in names)
    parts = [
        _HEADER,
        f"ModelName: TypeAlias = {_model_literal(models)}\n",
        f"Request: TypeAlias = {_class_union(f'models.{class_name(name)}' for name in variants)}\n",
        *annotations.classes.values(),
        _protocol(
            "Submit", "ResultT_co", "Submit a request, and return its task.", variants, classes
        ),
        _protocol(
            "Run",
            "ResultT_co, OnUpdateT",
            "Run a request, and return its result.",
            variants,
            classes,
        ),
    ]
    return "\n\n".join(parts)


def _variants(document: JsonObject) -> dict[str, list[str]]:
    """Return the models of each request class, sorted by class name."""
    found: dict[str, list[str]] = {}
    for _, _, node in operations_of(document):
        for media in node.get("requestBody", {}).get("content", {}).values():
            schema = resolve_ref(document, media["schema"])
            mapping = schema.get("discriminator", {}).get("mapping", {})
            for model, reference in mapping.items():
                found.setdefault(reference_name({"$ref": reference}), []).append(model)
    return {name: sorted(found[name]) for name in sorted(found)}


def _class_of(request: str) -> str:
    return f"{request.removesuffix('Request')}Parameters"


def _protocol(
    name: str,
    generics: str,
    text: str,
    variants: dict[str, list[str]],
    classes: dict[str, str],
) -> str:
    options = RUN_OPTIONS if name == "Run" else SUBMIT_OPTIONS
    shared = ", ".join(f"{option}: {kind} = ..." for option, kind in options.items())
    whole = "request: Request | Mapping[str, Any], /, *"
    lines = [f"class {name}(Protocol[{generics}]):", f'    """{text}"""', ""]
    lines += _overload(whole, shared, "")
    for request, models in variants.items():
        model = f"*, model: Literal[{', '.join(map(repr, models))}]"
        lines += _overload(model, shared, f", **parameters: Unpack[{classes[request]}]")
    return "\n".join(lines) + "\n"


def _overload(first: str, shared: str, last: str) -> list[str]:
    return [
        "    @overload",
        f"    def __call__(self, {first}, {shared}{last}) -> ResultT_co: ...",
        "",
    ]
