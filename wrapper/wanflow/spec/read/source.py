"""Read any OpenAPI 3 as plain 3.1, so that everything after it speaks one dialect.

Documents that say 3.1 often keep words of 3.0 (`nullable`, bounds that are said to be exclusive),
or name JSON with a parameter (`application/json; charset=utf-8`). Both are read as they are meant.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.catalog.document import JsonObject, is_array, is_object
from wanflow.catalog.schema_walk import map_schemas
from wanflow.spec.errors import InvalidDocument
from wanflow.spec.read.yaml import AmbiguousScalar, escape, read_yaml

if TYPE_CHECKING:
    from pathlib import Path

_BOUNDS = (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum"))
_DATA = frozenset({"example", "examples", "value"})
_BRANCHES = ("oneOf", "anyOf")
_NOTES = frozenset({"title", "description", "default", "example", "examples", "deprecated"})
_JSON = "application/json"
_ANY_MEDIA = frozenset({"*/*", "application/*"})


def upgrade_3_0(document: JsonObject) -> JsonObject:
    """Return a document as OpenAPI 3.1."""
    older = str(document["openapi"]).startswith("3.0")
    whole: JsonObject = _outside(document, (), older=older)
    return {**whole, "openapi": "3.1.0"} if older else whole


def plain_place(pointer: str) -> str:
    """Return where a node of a received document is in the upgraded one."""
    parts = pointer.split("/")
    for index in range(1, len(parts)):
        if parts[index - 1] == "content":
            media = parts[index].replace("~1", "/").replace("~0", "~")
            parts[index] = escape(_media(media))
    return "/".join(parts)


def _outside(node: Any, at: tuple[str, ...], *, older: bool) -> Any:
    """Copy what isn't in a schema, and upgrade the schemas met on the way."""
    if is_array(node):
        return [_outside(item, (*at, ""), older=older) for item in node]
    if not is_object(node):
        return node
    if at and at[-1] == "content" and all(is_object(value) for value in node.values()):
        node = _contents(node)
    return {key: _child(key, value, at, older=older) for key, value in node.items()}


def _child(key: str, value: Any, at: tuple[str, ...], *, older: bool) -> Any:
    if key == "schema" or at == ("components", "schemas"):
        return _schema(value, older=older)
    return value if key in _DATA else _outside(value, (*at, key), older=older)


def _contents(contents: JsonObject) -> JsonObject:
    """Name JSON plainly where no other entry has that name."""
    named = {_media(kind): media for kind, media in contents.items()}
    return named if len(named) == len(contents) else contents


def _media(kind: str) -> str:
    plain = kind.partition(";")[0].strip().lower()
    return _JSON if plain == _JSON or plain in _ANY_MEDIA else kind


def _schema(node: Any, *, older: bool) -> Any:
    if not is_object(node):
        return node
    change = partial(_schema, older=older)
    whole = {key: map_schemas(key, value, change) for key, value in node.items()}
    return _nullable(_exclusive(whole), older=older)


def _exclusive(node: JsonObject) -> JsonObject:
    """Turn `exclusiveMinimum: true` beside `minimum` into a bound of its own."""
    for flag, bound in _BOUNDS:
        if isinstance(node.get(flag), bool):
            strict = node.pop(flag)
            if strict and bound in node:
                node[flag] = node.pop(bound)
    return node


def _nullable(node: JsonObject, *, older: bool) -> JsonObject:
    """Turn `nullable: true` into one more type or branch.

    3.0 ignores it where no type stands beside it, and there so does this.
    """
    if not isinstance(node.get("nullable"), bool) or not node.pop("nullable"):
        return node
    named = node.get("type")
    if isinstance(named, str) or is_array(named):
        kinds = named if is_array(named) else [named]
        node["type"] = kinds if "null" in kinds else [*kinds, "null"]
        return _with_null_listed(node)
    if older:
        return node
    return _with_null_branch(node)


def _with_null_listed(node: JsonObject) -> JsonObject:
    """Let a closed list of values hold null too."""
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if is_array(node.get("enum")) and None not in node["enum"]:
        node["enum"] = [*node["enum"], None]
    return node


def _with_null_branch(node: JsonObject) -> JsonObject:
    """Let a schema without a type admit null: by one more branch, or beside what it refers to."""
    for word in _BRANCHES:
        if is_array(node.get(word)):
            node[word] = [*node[word], {"type": "null"}]
            return _with_null_listed(node)
    if "$ref" in node or "allOf" in node:
        notes = {key: value for key, value in node.items() if key in _NOTES}
        rule = {key: value for key, value in node.items() if key not in _NOTES}
        return {**notes, "anyOf": [rule, {"type": "null"}]}
    return _with_null_listed(node)


@frozen
class Source:
    """An OpenAPI document under the name it is kept by (`specs/sources/NAME.yaml`).

    `document` is its data as OpenAPI 3.1, `text` what was received, `received_as` the file that it
    came in where it isn't kept yet.
    """

    name: str
    document: JsonObject = field(repr=False)
    text: str = field(repr=False, default="")
    lines: dict[str, int] = field(repr=False, factory=dict[str, int])
    ambiguous: tuple[AmbiguousScalar, ...] = field(repr=False, default=())
    received_as: str = field(repr=False, default="")

    @property
    def sha256(self) -> str:
        """The digest of the text as kept."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def line(self, pointer: str) -> int | None:
        """Return the line of a node, or of the nearest one around it that stands in the text."""
        while pointer and pointer not in self.lines:
            pointer = pointer.rpartition("/")[0]
        return self.lines.get(pointer)

    def where(self, pointer: str) -> str:
        """Name a node for a person: file, line where known, JSON pointer."""
        line = self.line(pointer)
        file = self.received_as or f"{self.name}.yaml"
        return f"{file}{f':{line}' if line else ''}#{pointer}"


def source_from_text(text: str, name: str, file: str = "") -> Source:
    """Read a YAML text as an OpenAPI 3 document, that came in a file of another name maybe.

    Raises:
        Refused: it is no YAML, or not OpenAPI 3.
    """
    shown = file or f"{name}.yaml"
    read = read_yaml(text, shown)
    require_openapi(read.data, shown)
    lines = placed(read.lines)
    return Source(name, upgrade_3_0(read.data), text, lines, read.ambiguous, file)


def placed(lines: dict[str, int]) -> dict[str, int]:
    """Return lines by the pointers that the nodes have once the document is plain 3.1."""
    return {plain_place(pointer): line for pointer, line in lines.items()}


def require_openapi(data: Any, name: str) -> None:
    """Refuse what isn't a whole OpenAPI 3 document.

    Raises:
        Refused: says what is missing.
    """
    if not is_object(data):
        raise InvalidDocument(f"{name} is not an OpenAPI document: its top is no mapping")
    version = data.get("openapi")
    if not isinstance(version, str) or not version.startswith("3."):
        said = f"openapi: {version!r}" if "openapi" in data else "no `openapi` key"
        raise InvalidDocument(f"{name} is not an OpenAPI 3 document: it has {said}")
    for key in ("info", "paths"):
        if not is_object(data.get(key)):
            raise InvalidDocument(f"{name} is not a whole OpenAPI document: `{key}` is missing")


def read_sources(folder: Path) -> list[Source]:
    """Read every document of a folder, sorted by name.

    Raises:
        Refused: one can't be read, there is none, or there is something else.
    """
    for path in sorted(folder.iterdir()):
        if path.suffix != ".yaml" and not path.name.startswith("."):
            raise InvalidDocument(
                f"{path.name} is no *.yaml; put it elsewhere and `wanflow spec import` it"
            )
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise InvalidDocument(
            f"{folder} holds no *.yaml document; `wanflow spec import FILE` puts one there"
        )
    return [source_from_text(_text_of(path), path.stem) for path in files]


def _text_of(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidDocument(f"{path.name} is not UTF-8 (byte {error.start})") from error
