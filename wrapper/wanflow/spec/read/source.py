"""Read source specs, and upgrade any OpenAPI 3 to 3.1.

Documents of version 3.1 often contain keywords of 3.0 (`nullable`, boolean exclusive bounds), or
a media type with parameters (`application/json; charset=utf-8`). Both are converted too.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.catalog.document import JsonObject, escape_key, is_array, is_object
from wanflow.catalog.schema_walk import map_subschemas
from wanflow.spec.errors import InvalidDocument, document_errors
from wanflow.spec.read.yaml import AmbiguousScalar, read_yaml

if TYPE_CHECKING:
    from pathlib import Path

_BOUNDS = (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum"))
_DATA = frozenset({"example", "examples", "value"})
_BRANCHES = ("oneOf", "anyOf")
_ANNOTATIONS = frozenset({"title", "description", "default", "example", "examples", "deprecated"})
_JSON = "application/json"
_ANY_MEDIA = frozenset({"*/*", "application/*"})


def upgrade_3_0(document: JsonObject) -> JsonObject:
    """Return a document upgraded to OpenAPI 3.1."""
    older = str(document["openapi"]).startswith("3.0")
    upgraded: JsonObject = _upgrade_node(document, (), older=older)
    return {**upgraded, "openapi": "3.1.0"} if older else upgraded


def upgraded_pointer(pointer: str) -> str:
    """Return the pointer in the upgraded document for a pointer in the received one."""
    parts = pointer.split("/")
    for index in range(1, len(parts)):
        if parts[index - 1] == "content":
            media = parts[index].replace("~1", "/").replace("~0", "~")
            parts[index] = escape_key(_normalize_media_type(media))
    return "/".join(parts)


def _upgrade_node(node: Any, at: tuple[str, ...], *, older: bool) -> Any:
    """Copy a node outside of schemas, and upgrade the schemas inside it.

    Paths and responses are named by keys, and an extension beside them is neither.
    """
    if is_array(node):
        return [_upgrade_node(item, (*at, ""), older=older) for item in node]
    if not is_object(node):
        return node
    if at and at[-1] == "content" and all(is_object(value) for value in node.values()):
        node = _normalize_media_types(node)
    if at == ("paths",) or (at[:1] == ("paths",) and at[3:] == ("responses",)):
        node = {key: value for key, value in node.items() if not key.startswith("x-")}
    return {key: _upgrade_child(key, value, at, older=older) for key, value in node.items()}


def _upgrade_child(key: str, value: Any, at: tuple[str, ...], *, older: bool) -> Any:
    if key == "schema" or at == ("components", "schemas"):
        return _upgrade_schema(value, older=older)
    return value if key in _DATA else _upgrade_node(value, (*at, key), older=older)


def _normalize_media_types(contents: JsonObject) -> JsonObject:
    """Normalize media types, unless two would become equal."""
    named = {_normalize_media_type(kind): media for kind, media in contents.items()}
    return named if len(named) == len(contents) else contents


def _normalize_media_type(kind: str) -> str:
    plain = kind.partition(";")[0].strip().lower()
    return _JSON if plain == _JSON or plain in _ANY_MEDIA else kind


def _upgrade_schema(node: Any, *, older: bool) -> Any:
    if not is_object(node):
        return node
    change = partial(_upgrade_schema, older=older)
    upgraded = {key: map_subschemas(key, value, change) for key, value in node.items()}
    return _upgrade_nullable(_upgrade_bounds(upgraded), older=older)


def _upgrade_bounds(node: JsonObject) -> JsonObject:
    """Convert a boolean `exclusiveMinimum` and `minimum` into a numeric bound."""
    for flag, bound in _BOUNDS:
        if isinstance(node.get(flag), bool):
            strict = node.pop(flag)
            if strict and bound in node:
                node[flag] = node.pop(bound)
    return node


def _upgrade_nullable(node: JsonObject, *, older: bool) -> JsonObject:
    """Convert `nullable: true` into an additional type or branch.

    In a 3.0 document it has no effect without a `type`, as OpenAPI 3.0 says.
    """
    if not isinstance(node.get("nullable"), bool) or not node.pop("nullable"):
        return node
    named = node.get("type")
    if isinstance(named, str) or is_array(named):
        kinds = named if is_array(named) else [named]
        node["type"] = kinds if "null" in kinds else [*kinds, "null"]
        return _allow_null_in_enum(node)
    if older:
        return node
    return _allow_null(node)


def _allow_null_in_enum(node: JsonObject) -> JsonObject:
    """Add null to an enum."""
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if is_array(node.get("enum")) and None not in node["enum"]:
        node["enum"] = [*node["enum"], None]
    return node


def _allow_null(node: JsonObject) -> JsonObject:
    """Allow null in a schema without a type, by an additional branch."""
    for keyword in _BRANCHES:
        if is_array(node.get(keyword)):
            node[keyword] = [*node[keyword], {"type": "null"}]
            return _allow_null_in_enum(node)
    if "$ref" in node or "allOf" in node:
        notes = {key: value for key, value in node.items() if key in _ANNOTATIONS}
        rule = {key: value for key, value in node.items() if key not in _ANNOTATIONS}
        return {**notes, "anyOf": [rule, {"type": "null"}]}
    return _allow_null_in_enum(node)


@frozen
class SourceSpec:
    """A source spec: one received OpenAPI document, stored as `specs/sources/NAME.yaml`.

    `document` is its data upgraded to OpenAPI 3.1, `text` the received text, `received_as` the
    name of the received file if it isn't imported yet.
    """

    name: str
    document: JsonObject = field(repr=False)
    text: str = field(repr=False, default="")
    lines: dict[str, int] = field(repr=False, factory=dict[str, int])
    ambiguous: tuple[AmbiguousScalar, ...] = field(repr=False, default=())
    received_as: str = field(repr=False, default="")

    @property
    def sha256(self) -> str:
        """The digest of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def line(self, pointer: str) -> int | None:
        """Return the line of a node, or of its closest parent that is in the text."""
        while pointer and pointer not in self.lines:
            pointer = pointer.rpartition("/")[0]
        return self.lines.get(pointer)

    def where(self, pointer: str) -> str:
        """Return the location of a node for messages: file, line if known, JSON pointer."""
        line = self.line(pointer)
        file = self.received_as or f"{self.name}.yaml"
        return f"{file}{f':{line}' if line else ''}#{pointer}"


def source_from_text(text: str, name: str, file: str = "") -> SourceSpec:
    """Read a source spec from YAML text; `file` is the name of the received file.

    Raises:
        InvalidDocument: the text isn't valid YAML or not OpenAPI 3.
    """
    display_name = file or f"{name}.yaml"
    read = read_yaml(text, display_name)
    require_openapi(read.data, display_name)
    lines = upgraded_lines(read.lines)
    return SourceSpec(name, upgrade_3_0(read.data), text, lines, read.ambiguous, file)


def upgraded_lines(lines: dict[str, int]) -> dict[str, int]:
    """Return line numbers by the pointers of the upgraded document."""
    return {upgraded_pointer(pointer): line for pointer, line in lines.items()}


def require_openapi(data: Any, name: str) -> None:
    """Check that data is a complete OpenAPI 3 document.

    Raises:
        InvalidDocument: names what is missing.
    """
    if not is_object(data):
        raise InvalidDocument(f"{name} is not an OpenAPI document: its root is not a mapping")
    version = data.get("openapi")
    if not isinstance(version, str) or not version.startswith("3."):
        found = f"openapi: {version!r}" if "openapi" in data else "no `openapi` key"
        raise InvalidDocument(f"{name} is not an OpenAPI 3 document: it has {found}")
    for key in ("info", "paths"):
        if not is_object(data.get(key)):
            raise InvalidDocument(f"{name} is not a complete OpenAPI document: `{key}` is missing")


@document_errors("a document")
def read_sources(directory: Path) -> list[SourceSpec]:
    """Read every source spec of a directory, sorted by name.

    Raises:
        InvalidDocument: one can't be read, there is none, or there are other files.
    """
    for path in sorted(directory.iterdir()):
        if path.suffix != ".yaml" and not path.name.startswith("."):
            raise InvalidDocument(
                f"{path.name} is not a *.yaml file; move it elsewhere and use `wanflow spec import`"
            )
    files = sorted(directory.glob("*.yaml"))
    if not files:
        raise InvalidDocument(
            f"{directory} contains no *.yaml document; add one with `wanflow spec import FILE`"
        )
    return [source_from_text(read_text(path), path.stem) for path in files]


def read_text(path: Path) -> str:
    """Read a document's file.

    Raises:
        InvalidDocument: it isn't UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidDocument(f"{path.name} is not UTF-8 (byte {error.start})") from error
