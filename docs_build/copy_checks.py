"""Checks of the Markdown of pages and of `llms.txt`: complete, same text, no broken link."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import define, field

from docs_build.collect import lines_of
from docs_build.site_checks import parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_NUMBER_OR_RULE = re.compile(r"^\s*(?:\d+\. |[|\-: ]+$)")
_FENCE = re.compile(r"\s*(?:```|~~~)")
_WORD = re.compile(r"[^\W_]+")
_WITHIN_A_WORD = {"code", "em", "strong", "a", "span"}


def check_copies(site: Path) -> Iterator[str]:
    """Return what is wrong with the copies of a site, one line for each finding."""
    anchors = {
        path: parse(path.read_text("utf-8")).anchors for path in sorted(site.rglob("*.html"))
    }
    index = site / "llms.txt"
    listed = set(_LINK.findall(index.read_text("utf-8"))) if index.is_file() else set()
    found = sorted(site.rglob("*.md"))
    for page in anchors:
        if not page.with_suffix(".md").is_file():
            yield f"{page.relative_to(site)}: there is no Markdown of it"
    for path in found:
        name = path.relative_to(site).as_posix()
        if name not in listed:
            yield f"llms.txt: doesn't list {name}"
        yield from (f"{name}: {problem}" for problem in _problems(path, anchors))
    for link in sorted(listed - {path.relative_to(site).as_posix() for path in found}):
        yield f"llms.txt: {link}: there is no such file"


def _problems(path: Path, anchors: dict[Path, set[str]]) -> Iterator[str]:
    page = path.with_suffix(".html")
    text = path.read_text("utf-8")
    if page not in anchors:
        yield "there is no page of it"
    elif words_of_markdown(text) != words_of_page(page.read_text("utf-8")):
        yield "its text isn't that of the page"
    for link in dict.fromkeys(_LINK.findall(_prose(text))):
        parts = urlsplit(link)
        if parts.scheme:
            continue
        target = (path.parent / parts.path).resolve() if parts.path else path
        known = anchors.get(target.with_suffix(".html"), {parts.fragment})
        if not target.is_file():
            yield f"{link}: there is no such file"
        elif parts.fragment and parts.fragment not in known:
            yield f"{link}: there is no such anchor"


def words_of_markdown(text: str) -> list[str]:
    """Return the words that a reader sees: no marks, targets of links, or numbers of lists."""
    shown = (
        line if in_code else _NUMBER_OR_RULE.sub("", _LINK.sub("]", line))
        for line, in_code in lines_of(text)
        if not _FENCE.match(line)
    )
    return _words("".join(shown))


def _prose(text: str) -> str:
    return "".join(line for line, in_code in lines_of(text) if not in_code)


def words_of_page(html: str) -> list[str]:
    """Return the words of a page's article."""
    reader = _Article()
    reader.feed(html)
    reader.close()
    return _words("".join(reader.text))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.replace("`", "").replace("*", ""))


@define
class _Article(HTMLParser):
    """Collects the text of an article, but for the sign that links a heading to itself."""

    text: list[str] = field(factory=list)
    inside: bool = False
    in_sign: bool = False

    def __attrs_pre_init__(self) -> None:
        """Set the parser up."""
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Part words where a block begins."""
        self.inside = self.inside or tag == "article"
        self.in_sign = self.in_sign or "headerlink" in (dict(attrs).get("class") or "")
        if tag not in _WITHIN_A_WORD:
            self.text.append(" ")

    def handle_endtag(self, tag: str) -> None:
        """Part words where a block ends."""
        self.inside = self.inside and tag != "article"
        self.in_sign = self.in_sign and tag != "a"
        if tag not in _WITHIN_A_WORD:
            self.text.append(" ")

    def handle_data(self, data: str) -> None:
        """Collect the text of the article."""
        if self.inside and not self.in_sign:
            self.text.append(data)
