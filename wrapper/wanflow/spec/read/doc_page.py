"""Find the documents in a documentation page: Markdown whose fences may hold OpenAPI.

A document's fence begins with a line that names the page's path, the method and the path of the
operation: `yaml en/api-manual/nova.json post /v1/videos/generations`. A fence without them whose
content is a document, and a text that is one, say it themselves. Other fences and what stands
around them are for people. A page that was copied without its line breaks or its indentation can't
be repaired, only refused: which level a line was on is nowhere written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import frozen

from wanflow.spec.errors import InvalidDocument
from wanflow.spec.read.plain_fence import kind_of, operation_in

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCE = re.compile(r"(?P<indent>[ \t]*)(?P<mark>`{3,}|~{3,})(?P<info>.*)")
_INFO = re.compile(
    r"\s*(?P<kind>ya?ml|json)\s+/?(?P<page>\S+)\s+(?P<method>get|post|put|patch|delete)\s+"
    r"(?P<path>/\S*)(?P<rest>.*)",
    re.IGNORECASE,
)
_DEEPEST_INDENT = 3
_DOCUMENT_MARK = 4
_SUBMITS = frozenset({"post", "put", "patch"})


@frozen
class DocPage:
    """A document of a page: its text, the page's line it begins on, and what its fence says.

    `announced` is whether the fence says it; method and path are empty where nothing does.
    """

    text: str
    line: int
    kind: str
    page: str
    method: str
    path: str
    announced: bool = True

    @property
    def name(self) -> str:
        """The page's own name: the last part of its path, without what follows the last dot."""
        last = self.page.rpartition("/")[2]
        return last.rpartition(".")[0] or last

    @property
    def padded(self) -> str:
        """The text on the lines that it has in the page, so that an error names those."""
        return "\n" * (self.line - 1) + self.text

    @property
    def shown(self) -> str:
        """The operation and the fence's line, for a person."""
        operation = f"{self.method.upper()} {self.path}" if self.path else "a document"
        return f"{operation} of line {max(self.line - 1, 1)}"

    @property
    def submits(self) -> bool:
        """Whether its operation sends something, for all that is known."""
        return self.method in _SUBMITS or not self.method


@frozen
class _Fence:
    """One fenced block: its marks, its indentation, its first line and the last one inside it."""

    mark: str
    indent: int
    info: str
    first: int
    last: int
    closed: bool

    def body(self, lines: list[str]) -> str:
        """Return what is inside, less the indentation of the fence itself."""
        inside = lines[self.first : self.last]
        return "".join(f"{_dedented(line, self.indent)}\n" for line in inside)


def read_page(text: str, name: str) -> list[DocPage]:
    """Find the documents of a page.

    Raises:
        Refused: there is none, a fence of four marks holds none, or a document's first lines stand
            on the fence's own.
    """
    lines = text.split("\n")
    fences = list(_fences(lines))
    pages = [page for fence in fences if (page := _page(fence, lines, name)) is not None]
    if not pages and (kind := kind_of(text)) is not None:
        return [_unannounced(text, 1, kind, name)]
    if not pages:
        for fence in fences:
            _require_information(fence, name)
        raise InvalidDocument(f"{name}: there is no fence that holds an OpenAPI document")
    return pages


def _page(fence: _Fence, lines: list[str], name: str) -> DocPage | None:
    """Return the document of a fence; None for one that is only for people.

    Raises:
        Refused: it is meant as a document, and isn't whole.
    """
    info = _INFO.fullmatch(fence.info)
    if info is None:
        return _plain(fence, fence.body(lines), name)
    if info["rest"].strip():
        raise InvalidDocument(
            f"{name}, line {fence.first}: the document begins on the fence's own line, so its "
            "line breaks are lost; get the page again as it was published"
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


def _plain(fence: _Fence, body: str, name: str) -> DocPage | None:
    """Return the document of a fence that doesn't announce it; None where it holds none."""
    kind = kind_of(body)
    if kind is None:
        return None
    _require_closed(fence, name)
    return _unannounced(body, fence.first + 1, kind, name)


def _unannounced(text: str, line: int, kind: str, name: str) -> DocPage:
    method, path = operation_in(text, kind)
    return DocPage(text, line, kind, name, method, path, announced=False)


def _require_closed(fence: _Fence, name: str) -> None:
    if not fence.closed:
        raise InvalidDocument(f"{name}: the fence of line {fence.first} is never closed")


def _require_information(fence: _Fence, name: str) -> None:
    """Refuse a fence of a document's size that holds none."""
    if len(fence.mark) >= _DOCUMENT_MARK:
        raise InvalidDocument(
            f"{name}, line {fence.first}: the fence holds no OpenAPI document (no `openapi:` "
            "begins a line of it)"
        )


def _fences(lines: list[str]) -> Iterator[_Fence]:
    """List the fenced blocks as CommonMark has them; a document's own may be indented deeper."""
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
    return len(match["indent"]) <= _DEEPEST_INDENT or _INFO.fullmatch(match["info"]) is not None


def _closes(match: re.Match[str], opening: re.Match[str]) -> bool:
    same_kind = match["mark"][0] == opening["mark"][0]
    long_enough = len(match["mark"]) >= len(opening["mark"])
    near = len(match["indent"]) <= len(opening["indent"]) + _DEEPEST_INDENT
    return same_kind and long_enough and near and not match["info"].strip()


def _dedented(line: str, indent: int) -> str:
    """Take off as many blanks as the fence has before it, where the line has them."""
    blanks = len(line) - len(line.lstrip(" \t"))
    return line[min(indent, blanks) :]
