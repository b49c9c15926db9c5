"""Find the OpenAPI documents in a documentation page: Markdown with fenced code blocks.

The fence of a document usually begins with a line that names the page's path, the method and the
path of the operation: `yaml en/api-manual/nova.json post /v1/videos/generations`. For a fence
without them, or a page that is itself a document, they are read from the content. Other fences and
the text around them are ignored. A page copied without its line breaks or indentation is rejected:
its structure can't be recovered.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import frozen

from wanflow.spec.errors import InvalidDocument
from wanflow.spec.read.plain_fence import detect_format, first_operation

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCE = re.compile(r"(?P<indent>[ \t]*)(?P<mark>`{3,}|~{3,})(?P<info>.*)")
_INFO = re.compile(
    r"\s*(?P<kind>ya?ml|json)\s+/?(?P<page>\S+)\s+(?P<method>get|post|put|patch|delete)\s+"
    r"(?P<path>/\S*)(?P<rest>.*)",
    re.IGNORECASE,
)
_MAX_INDENT = 3
_DOCUMENT_FENCE_LENGTH = 4
_SUBMIT_METHODS = frozenset({"post", "put", "patch"})


@frozen
class DocPage:
    """A document of a page: its text, its first line in the page, and what its fence declares.

    `declared` is whether the fence names method and path; they are empty if unknown.
    """

    text: str
    line: int
    format: str
    page: str
    method: str
    path: str
    declared: bool = True

    @property
    def name(self) -> str:
        """The page's name: the last part of its path, without the extension."""
        last = self.page.rpartition("/")[2]
        return last.rpartition(".")[0] or last

    @property
    def with_line_offset(self) -> str:
        """The text after empty lines, so that line numbers in errors are those of the page."""
        return "\n" * (self.line - 1) + self.text

    @property
    def label(self) -> str:
        """The operation and the line of the fence, for messages."""
        operation = f"{self.method.upper()} {self.path}" if self.path else "a document"
        return f"{operation} of line {max(self.line - 1, 1)}"

    @property
    def submits(self) -> bool:
        """Whether its operation is, or may be, a submission."""
        return self.method in _SUBMIT_METHODS or not self.method


@frozen
class _Fence:
    """One fenced block: its mark, its indentation, its first and its last line."""

    mark: str
    indent: int
    info: str
    first: int
    last: int
    closed: bool

    def body(self, lines: list[str]) -> str:
        """Return the content without the indentation of the fence."""
        inside = lines[self.first : self.last]
        return "".join(f"{_dedented(line, self.indent)}\n" for line in inside)


def read_page(text: str, name: str) -> list[DocPage]:
    """Find the documents of a page.

    Raises:
        InvalidDocument: there is none, a fence of four marks contains none, or the line breaks of
            a document are lost.
    """
    lines = text.split("\n")
    fences = list(_fences(lines))
    pages = [page for fence in fences if (page := _page(fence, lines, name)) is not None]
    if not pages and (kind := detect_format(text)) is not None:
        return [_undeclared(text, 1, kind, name)]
    if not pages:
        for fence in fences:
            _reject_document_fence(fence, name)
        raise InvalidDocument(f"{name}: no fence contains an OpenAPI document")
    return pages


def _page(fence: _Fence, lines: list[str], name: str) -> DocPage | None:
    """Return the document of a fence; None if it contains none.

    Raises:
        InvalidDocument: the document is incomplete.
    """
    info = _INFO.fullmatch(fence.info)
    if info is None:
        return _undeclared_in_fence(fence, fence.body(lines), name)
    if info["rest"].strip():
        raise InvalidDocument(
            f"{name}, line {fence.first}: the document begins on the line of the fence, so its "
            "line breaks are lost; download the page again as published"
        )
    _require_closed(fence, name)
    return DocPage(
        fence.body(lines),
        fence.first + 1,
        info["kind"].lower(),
        info["page"],
        info["method"].lower(),
        info["path"],
    )


def _undeclared_in_fence(fence: _Fence, body: str, name: str) -> DocPage | None:
    """Return the document of a fence that declares none; None if it contains none."""
    kind = detect_format(body)
    if kind is None:
        return None
    _require_closed(fence, name)
    return _undeclared(body, fence.first + 1, kind, name)


def _undeclared(text: str, line: int, kind: str, name: str) -> DocPage:
    method, path = first_operation(text, kind)
    return DocPage(text, line, kind, name, method, path, declared=False)


def _require_closed(fence: _Fence, name: str) -> None:
    if not fence.closed:
        raise InvalidDocument(f"{name}: the fence of line {fence.first} is never closed")


def _reject_document_fence(fence: _Fence, name: str) -> None:
    """Reject a fence of four or more marks, as used for documents, that contains none."""
    if len(fence.mark) >= _DOCUMENT_FENCE_LENGTH:
        raise InvalidDocument(
            f"{name}, line {fence.first}: the fence contains no OpenAPI document (no line "
            "begins with `openapi:`)"
        )


def _fences(lines: list[str]) -> Iterator[_Fence]:
    """Yield the fenced blocks of CommonMark; those of documents may be indented further."""
    opened: tuple[int, re.Match[str]] | None = None
    for number, line in enumerate(lines, 1):
        match = _FENCE.fullmatch(line)
        if match is None:
            continue
        if opened is None:
            opened = (number, match) if _opens(match) else None
        elif _closes(match, opened[1]):
            yield _fence(*opened, number - 1, closed=True)
            opened = None
    if opened is not None:
        yield _fence(*opened, len(lines), closed=False)


def _fence(first: int, opening: re.Match[str], last: int, *, closed: bool) -> _Fence:
    info = opening["info"].strip()
    return _Fence(opening["mark"], len(opening["indent"]), info, first, last, closed)


def _opens(match: re.Match[str]) -> bool:
    if "`" in match["mark"] and "`" in match["info"]:
        return False
    return len(match["indent"]) <= _MAX_INDENT or _INFO.fullmatch(match["info"]) is not None


def _closes(match: re.Match[str], opening: re.Match[str]) -> bool:
    same_kind = match["mark"][0] == opening["mark"][0]
    long_enough = len(match["mark"]) >= len(opening["mark"])
    near = len(match["indent"]) <= len(opening["indent"]) + _MAX_INDENT
    return same_kind and long_enough and near and not match["info"].strip()


def _dedented(line: str, indent: int) -> str:
    """Remove the indentation of the fence from a line, as far as the line has it."""
    blanks = len(line) - len(line.lstrip(" \t"))
    return line[min(indent, blanks) :]
