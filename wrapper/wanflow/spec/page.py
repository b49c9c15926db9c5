"""Take the document out of a documentation page: Markdown with one fence of four backticks.

The fence's first line names the page's path, the method and the path of the operation:
`yaml en/api-manual/nova.json post /v1/videos/generations`. What stands above and below the fence
is for people. A page that was copied without its line breaks or its indentation can't be
repaired, only refused: which level a line was on is nowhere written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import frozen

from wanflow.spec.failures import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCE = re.compile(r" {0,3}(`{4,})(.*)")
_INFO = re.compile(
    r"\s*(?P<kind>ya?ml|json)\s+/?(?P<page>\S+)\s+(?P<method>get|post|put|patch|delete)\s+"
    r"(?P<path>/\S*)(?P<rest>.*)",
    re.IGNORECASE,
)


@frozen
class Page:
    """A page's document: its text, the line of the page it begins on, and what the fence says."""

    text: str
    line: int
    kind: str
    page: str
    method: str
    path: str

    @property
    def name(self) -> str:
        """The page's own name: the last part of its path, without what follows the last dot."""
        last = self.page.rpartition("/")[2]
        return last.rpartition(".")[0] or last

    @property
    def padded(self) -> str:
        """The text on the lines that it has in the page, so that an error names those."""
        return "\n" * (self.line - 1) + self.text


def read_page(text: str, name: str) -> Page:
    """Find the one document of a page.

    Raises:
        Refused: there is no fence or there are several, its first line doesn't say what it should,
            or the document's first lines stand on it.
    """
    lines = text.splitlines()
    blocks = list(_blocks(lines, name))
    if not blocks:
        raise Refused(f"{name}: there is no fence of four backticks, so no document")
    if len(blocks) > 1:
        where = ", ".join(str(first) for first, _ in blocks)
        raise Refused(f"{name}: there are {len(blocks)} fences of four backticks (lines {where})")
    first, last = blocks[0]
    info = _INFO.fullmatch(lines[first - 1].strip().lstrip("`"))
    if info is None:
        raise Refused(
            f"{name}, line {first}: the fence must begin with `yaml PAGE METHOD PATH`, "
            f"such as `yaml en/nova.json post /v1/videos/generations`"
        )
    if info["rest"].strip():
        raise Refused(
            f"{name}, line {first}: the document begins on the fence's own line, so its line "
            "breaks are lost; get the page again as it was published"
        )
    body = "\n".join(lines[first:last]) + "\n"
    method, path = info["method"].lower(), info["path"]
    return Page(body, first + 1, info["kind"].lower(), info["page"], method, path)


def _blocks(lines: list[str], name: str) -> Iterator[tuple[int, int]]:
    """List each fence by the lines (from 1) of its first mark and of the last line inside it."""
    opened: tuple[int, int] | None = None
    for number, line in enumerate(lines, 1):
        match = _FENCE.fullmatch(line)
        if match is None:
            continue
        if opened is None:
            opened = (number, len(match[1]))
        elif not match[2].strip() and len(match[1]) >= opened[1]:
            yield opened[0], number - 1
            opened = None
    if opened is not None:
        # An information line that holds the document explains more than the missing end does.
        info = _INFO.fullmatch(lines[opened[0] - 1].strip().lstrip("`"))
        if info is None or not info["rest"].strip():
            raise Refused(f"{name}: the fence of line {opened[0]} is never closed")
        yield opened[0], len(lines)
