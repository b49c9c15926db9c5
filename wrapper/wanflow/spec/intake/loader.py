"""Load a document from YAML, JSON or a documentation page, or reject it."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from wanflow._paths import WINDOWS_DEVICES
from wanflow.catalog.document import is_object
from wanflow.spec.checks.check import check_sources
from wanflow.spec.errors import InvalidDocument, SpecError, document_errors
from wanflow.spec.read.doc_page import DocPage, read_page
from wanflow.spec.read.source import SourceSpec, require_openapi, source_from_text, upgraded_lines
from wanflow.spec.read.yaml import (
    YamlDocument,
    json_equal,
    quote_ambiguous,
    read_yaml,
    require_bounded,
    write_yaml,
)
from wanflow.spec.schema.operations import source_operations

if TYPE_CHECKING:
    from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PAGES = frozenset({".md", ".mdx", ".markdown", ".txt"})
_KINDS = frozenset({".yaml", ".yml", ".json", *_PAGES})
_MOST_BYTES = 5_000_000


@frozen
class LoadedDocument:
    """A loaded document: the source, its origin, and notes about the conversion."""

    source: SourceSpec
    origin: str
    done: tuple[str, ...] = field(default=())
    etag: str = ""
    modified: str = ""


def document_files(path: Path) -> list[Path]:
    """Return the documents of a path: the file itself, or those of a directory.

    Raises:
        Refused: nothing is there.
    """
    if path.is_dir():
        found = sorted(one for one in path.rglob("*") if one.suffix.lower() in _KINDS)
        if not found:
            raise InvalidDocument(f"{path.name}/ holds no YAML, JSON or Markdown file")
        return found
    if not path.is_file():
        raise InvalidDocument(f"{path} is neither a file nor a folder")
    return [path]


def load_file(path: Path) -> LoadedDocument:
    """Load one file as a document.

    Raises:
        Refused: it is no whole OpenAPI 3 document; says at which line it stops making sense.
    """
    with path.open("rb") as file:
        return load_bytes(path.name, file.read(_MOST_BYTES + 1))


@document_errors("the document")
def load_bytes(name: str, data: bytes) -> LoadedDocument:
    """Load the content of a named file as a document.

    Raises:
        Refused: they are no whole OpenAPI 3 document; says at which line they stop making sense.
    """
    text, done = _text(name, data)
    stem, _, suffix = name.rpartition(".")
    if suffix.lower() == "json":
        received = _from_json(text, name, _safe_name(stem, name))
    elif f".{suffix.lower()}" in _PAGES:
        received = _from_page(read_page(text, name), name)
    else:
        received = _from_yaml(text, name, _safe_name(stem or suffix, name), name)
    if findings := check_sources([received.source]):
        first = findings[0]
        line = f", line {first.line}" if first.line else ""
        raise InvalidDocument(f"{name}{line}: {first.problem}, at #{first.pointer}; {first.remedy}")
    return LoadedDocument(received.source, received.origin, (*done, *received.done))


def _text(name: str, data: bytes) -> tuple[str, list[str]]:
    if len(data) > _MOST_BYTES:
        raise InvalidDocument(f"{name} has more than {_MOST_BYTES:,} bytes, more than any document")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InvalidDocument(f"{name}, line {line}: this is not UTF-8") from error
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    done = ["made its line ends plain"] if plain != text else []
    return plain, done


def _from_json(text: str, file: str, name: str) -> LoadedDocument:
    try:
        data = json.loads(
            text, object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_finite
        )
        json.dumps(data, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise InvalidDocument(f"{file}, line {error.lineno}: {error.msg}") from error
    except UnicodeEncodeError as error:
        raise InvalidDocument(f"{file}: it holds half a character (a lone surrogate)") from error
    except (ValueError, RecursionError) as error:
        raise InvalidDocument(f"{file}: {error}") from error
    require_bounded(data, file)
    require_openapi(data, file)
    source = source_from_text(write_yaml(data), name, file)
    return LoadedDocument(
        evolve(source, lines=upgraded_lines(_lines(text))), file, ("wrote its JSON as YAML",)
    )


def _lines(text: str) -> dict[str, int]:
    """Return the line numbers of JSON that is also YAML, or nothing."""
    try:
        return read_yaml(text, "").lines
    except InvalidDocument:
        return {}


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is more than any number that programs share")
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is there twice in one object")
    return data


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _from_page(pages: list[DocPage], file: str) -> LoadedDocument:
    """Return the page's document of a submission, and name those that were ignored."""
    page = _chosen(pages, file)
    received = _from_fence(page, file)
    left = ", ".join(other.label for other in pages if other is not page)
    done = (f"took {page.label}, and left {left}",) if left else ()
    return evolve(received, done=(*done, *received.done))


def _chosen(pages: list[DocPage], file: str) -> DocPage:
    """Return the page's one document of a submission, or its only document.

    Raises:
        Refused: several do, or none of several.
    """
    submitting = [page for page in pages if page.submits]
    chosen = submitting or pages
    chosen = [page for page in chosen if page.declared] or chosen
    if len(chosen) > 1 and submitting:
        chosen = [page for page in chosen if _names_a_model(page, file)] or chosen
    if len(chosen) > 1 and not _alike(chosen, file):
        listed = ", ".join(page.label for page in chosen)
        raise InvalidDocument(
            f"{file}: there are {len(chosen)} documents that could be meant ({listed}); "
            "import each from a file of its own"
        )
    return chosen[0]


def _alike(pages: list[DocPage], file: str) -> bool:
    """Return whether documents are equal, as on a page that has it in YAML and in JSON."""
    try:
        first, *others = [_from_fence(page, file).source.document for page in pages]
    except SpecError:
        return False
    return all(json_equal(first, other) for other in others)


def _names_a_model(page: DocPage, file: str) -> bool:
    """Return whether a document submits a model; False if it can't be read."""
    try:
        source = _from_fence(page, file).source
        return any(call.models for call in source_operations(source) if call.path == page.path)
    except SpecError:
        return False


def _from_fence(page: DocPage, file: str) -> LoadedDocument:
    name = _safe_name(page.name, file)
    if page.format == "json":
        received = _from_json(page.with_line_offset, file, name)
    else:
        received = _from_yaml(page.with_line_offset, file, name, page.page)
    if not page.declared:
        return received
    node = received.source.document["paths"].get(page.path)
    if not is_object(node) or page.method not in node:
        where = f"{page.method.upper()} {page.path}"
        raise InvalidDocument(
            f"{file}, line {page.line - 1}: the fence says {where}, its document doesn't"
        )
    return LoadedDocument(received.source, page.page, received.done)


def _from_yaml(text: str, file: str, name: str, origin: str) -> LoadedDocument:
    read = read_yaml(text, file)
    _require_inside(read, file)
    require_openapi(read.data, file)
    done: tuple[str, ...] = ()
    if read.ambiguous:
        text = quote_ambiguous(text, read)
        shown = ", ".join(sorted({scalar.text for scalar in read.ambiguous}))
        done = (f"quoted what YAML loaders read differently ({shown})",)
    # The document is further down in the page than in the stored file.
    source = evolve(
        source_from_text(text.lstrip("\n"), name, file), lines=upgraded_lines(read.lines)
    )
    return LoadedDocument(source, origin, done)


def _require_inside(read: YamlDocument, file: str) -> None:
    """Reject a rendered page, or a document whose indentation is lost."""
    data = read.data
    paths: Any = data.get("paths") if is_object(data) else None
    if is_object(paths) and paths.keys() >= {"path", "method"}:
        raise InvalidDocument(
            f"{file}, line {read.lines.get('/paths', 1)}: this is a rendering of one operation, "
            "not its OpenAPI document; get the page anew, or the JSON that its fence names"
        )
    if not is_object(data) or "openapi" not in data:
        raise InvalidDocument(f"{file} is not an OpenAPI document: it has no `openapi` at its top")
    for key in ("info", "paths", "components"):
        if key in data and not is_object(data[key]):
            line = read.lines.get(f"/{key}", 1)
            raise InvalidDocument(
                f"{file}, line {line}: nothing lies inside `{key}`; the indentation is lost, "
                "get the document again as it was published"
            )


def _safe_name(name: str, file: str) -> str:
    if not _NAME.fullmatch(name) or ".." in name:
        raise InvalidDocument(
            f"{file}: {name!r} can't be a document's name (letters, digits, . _ -)"
        )
    if name.lower().partition(".")[0] in WINDOWS_DEVICES:
        raise InvalidDocument(f"{file}: {name!r} is a device of Windows; give it another name")
    return name
