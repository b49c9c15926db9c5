"""Local files where a request should have links: found, and replaced by links."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attrs import field, frozen

from wanflow.catalog.document import JsonObject, is_array, is_object, resolve_ref
from wanflow.catalog.keywords import PUBLIC_URL
from wanflow.catalog.violation import name_of, pointer_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from wanflow.catalog.catalog import Model

    Pointer = tuple[str | int, ...]

_BRANCHES = ("allOf", "anyOf", "oneOf")
_DATA_SCHEME = "data:"


@frozen
class LocalFile:
    """A local file in a request: its keys and indexes in the body, its path or bytes, its rule.

    `sha256` is that of the content that was checked, None before it is read.
    """

    pointer: Pointer
    source: Path | bytes = field(repr=False)
    rule: JsonObject = field(repr=False)
    sha256: str | None = None

    @property
    def parameter(self) -> str:
        """The name of its parameter, without the index in a list."""
        return name_of(self._parameter)

    @property
    def json_pointer(self) -> str:
        """The place of its parameter in the body, without the index in a list."""
        return pointer_to(self._parameter)

    @property
    def _parameter(self) -> Pointer:
        return self.pointer[:-1] if isinstance(self.pointer[-1], int) else self.pointer

    @property
    def shown(self) -> str:
        """Its path, or how many bytes it has, for messages."""
        if isinstance(self.source, bytes):
            return f"<{len(self.source)} bytes>"
        return str(self.source)


def local_files(
    document: JsonObject, model: Model, body: Mapping[str, Any], *, paths_only: bool
) -> tuple[LocalFile, ...]:
    """Find what is a file where the model's schema wants a link.

    That is a path object, bytes and, but for `paths_only`, a `data:` URI and a text that is no URL.
    """
    found: list[LocalFile] = []
    for pointer, value, rule in file_values(document, model, body):
        source = _source(value, paths_only=paths_only)
        if source is not None:
            found.append(LocalFile(pointer, source, rule))
    return tuple(found)


def with_links(
    body: Mapping[str, Any], files: tuple[LocalFile, ...], link_of: Callable[[LocalFile], object]
) -> dict[str, Any]:
    """Return a body with a link in place of each local file."""
    result = dict(body)
    for file in files:
        result = _replaced(result, file.pointer, link_of(file))
    return result


def file_values(
    document: JsonObject, model: Model, body: Mapping[str, Any]
) -> Iterator[tuple[Pointer, Any, JsonObject]]:
    """Yield what stands where a model wants the link of a file, with its place and its rule.

    Links that the API calls instead of reading them, such as a callback URL, are left out. The rule
    of an entry of a list is that of the list.
    """
    found = {
        pointer: (pointer, value, rule)
        for name, schema in model.parameters.items()
        if name in body
        for pointer, value, rule in _values(document, schema, body[name], (name,))
    }
    yield from found.values()


def data_uri_problem(value: object) -> str | None:
    """Return why a text can't be sent as the link of a file; None unless it is a `data:` URI."""
    if not (isinstance(value, str) and value[:5].lower() == _DATA_SCHEME):
        return None
    return (
        "must be a link that the API's servers can fetch, and a data: URI is none: with an "
        "uploader, its content is uploaded as a file"
    )


def _values(
    document: JsonObject, node: Any, value: Any, pointer: Pointer
) -> Iterator[tuple[Pointer, Any, JsonObject]]:
    rule = resolve_ref(document, node) if is_object(node) else JsonObject()
    if _wants_file(rule):
        yield pointer, value, rule
    if is_array(value) or isinstance(value, tuple):
        yield from _entries(document, rule, cast("list[Any]", value), pointer)
    if is_object(value):
        for name, inner in rule.get("properties", {}).items():
            if name in value:
                yield from _values(document, inner, value[name], (*pointer, name))
    for branch in (branch for keyword in _BRANCHES for branch in rule.get(keyword, ())):
        yield from _values(document, branch, value, pointer)


def _entries(
    document: JsonObject, rule: JsonObject, entries: list[Any], pointer: Pointer
) -> Iterator[tuple[Pointer, Any, JsonObject]]:
    items = rule.get("items")
    if not is_object(items):
        return
    wants_files = _wants_file(resolve_ref(document, items))
    for index, entry in enumerate(entries):
        if wants_files:
            yield (*pointer, index), entry, rule
        else:
            yield from _values(document, items, entry, (*pointer, index))


def _wants_file(rule: JsonObject) -> bool:
    return rule.get("format") == "uri" and PUBLIC_URL not in rule


def _source(value: Any, *, paths_only: bool) -> Path | bytes | None:
    if isinstance(value, bytes):
        return value
    if hasattr(value, "__fspath__"):
        path: str | bytes = value.__fspath__()
        return Path(path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else path)
    if paths_only or not isinstance(value, str):
        return None
    if value[:5].lower() == _DATA_SCHEME:
        return _decoded(value)
    return None if "://" in value or not value or "\0" in value else Path(value)


def _decoded(uri: str) -> bytes | None:
    """Return the content of a `data:` URI, None where it is malformed."""
    from base64 import b64decode  # noqa: PLC0415 - few requests have one
    from urllib.parse import unquote_to_bytes  # noqa: PLC0415

    head, comma, data = uri.partition(",")
    content = unquote_to_bytes(data)
    if not comma:
        return None
    if not head.lower().endswith(";base64"):
        return content
    try:
        return b64decode(content, validate=True)
    except ValueError:
        return None


def _replaced(node: Any, pointer: Pointer, value: object) -> Any:
    """Return a copy of a body with another value at a place; the rest is shared."""
    if not pointer:
        return value
    first, rest = pointer[0], pointer[1:]
    copy: Any = dict(node) if isinstance(first, str) else list(node)
    copy[first] = _replaced(node[first], rest, value)
    return copy
