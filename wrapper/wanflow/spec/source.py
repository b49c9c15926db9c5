"""One received document: its name, its data, and where in its text each node stands."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.spec.dialect import plain_place, upgraded
from wanflow.spec.document import is_object
from wanflow.spec.failures import Refused
from wanflow.spec.yaml_text import Ambiguous, read_yaml

if TYPE_CHECKING:
    from pathlib import Path

from wanflow.spec.document import Json


@frozen
class Source:
    """An OpenAPI document under the name it is kept by (`specs/sources/NAME.yaml`).

    `document` is its data as OpenAPI 3.1, `text` what was received, `received_as` the file that it
    came in where it isn't kept yet.
    """

    name: str
    document: Json = field(repr=False)
    text: str = field(repr=False, default="")
    lines: dict[str, int] = field(repr=False, factory=dict[str, int])
    ambiguous: tuple[Ambiguous, ...] = field(repr=False, default=())
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
    return Source(name, upgraded(read.data), text, lines, read.ambiguous, file)


def placed(lines: dict[str, int]) -> dict[str, int]:
    """Return lines by the pointers that the nodes have once the document is plain 3.1."""
    return {plain_place(pointer): line for pointer, line in lines.items()}


def require_openapi(data: Any, name: str) -> None:
    """Refuse what isn't a whole OpenAPI 3 document.

    Raises:
        Refused: says what is missing.
    """
    if not is_object(data):
        raise Refused(f"{name} is not an OpenAPI document: its top is no mapping")
    version = data.get("openapi")
    if not isinstance(version, str) or not version.startswith("3."):
        said = f"openapi: {version!r}" if "openapi" in data else "no `openapi` key"
        raise Refused(f"{name} is not an OpenAPI 3 document: it has {said}")
    for key in ("info", "paths"):
        if not is_object(data.get(key)):
            raise Refused(f"{name} is not a whole OpenAPI document: `{key}` is missing")


def read_sources(folder: Path) -> list[Source]:
    """Read every document of a folder, sorted by name.

    Raises:
        Refused: one can't be read, there is none, or there is something else.
    """
    for path in sorted(folder.iterdir()):
        if path.suffix != ".yaml" and not path.name.startswith("."):
            raise Refused(
                f"{path.name} is no *.yaml; put it elsewhere and `wanflow spec import` it"
            )
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise Refused(
            f"{folder} holds no *.yaml document; `wanflow spec import FILE` puts one there"
        )
    return [source_from_text(_text_of(path), path.stem) for path in files]


def _text_of(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"{path.name} is not UTF-8 (byte {error.start})") from error
