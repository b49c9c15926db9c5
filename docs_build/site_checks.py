"""Checks of the built site: links and anchors, what a page loads, and what is documented."""

from __future__ import annotations

import re
import zlib
from functools import cache
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from attrs import define, field

from docs_build.markdown_copies import DIRECTIVE
from docs_build.public_names import public_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# Attributes whose URL a browser fetches by itself.
_LOADED = {
    "script": ("src",),
    "link": ("href",),
    "img": ("src", "srcset"),
    "iframe": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "object": ("data",),
    "embed": ("src",),
}
_IN_CODE = re.compile(rb"https?:(?:\\?/){2}[\w.-]+[^\s\"'`)]*")
# Names of XML namespaces, and of the licence of icons; nothing fetches them.
_NAMES = re.compile(rb"https?://(www\.w3\.org/(1998|1999|2000)/|fontawesome\.com)")


@define
class Page(HTMLParser):
    """What a page links, loads, and offers as anchors."""

    links: list[str] = field(factory=list)
    loads: list[str] = field(factory=list)
    anchors: set[str] = field(factory=set)
    code: list[str] = field(factory=list)

    def __attrs_pre_init__(self) -> None:
        """Set the parser up."""
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the URLs and the anchors of a tag."""
        given = {name: value or "" for name, value in attrs}
        self.anchors.update(given[name] for name in ("id", "name") if name in given)
        self.loads += [given[name] for name in _LOADED.get(tag, ()) if name in given]
        if tag == "a" and "href" in given:
            self.links.append(given["href"])

    def handle_data(self, data: str) -> None:
        """Collect scripts and style sheets inside of the page."""
        if self.cdata_elem is not None:
            self.code.append(data)


def check_site(site: Path, root: Path) -> list[str]:
    """Return what is wrong with a site, one line for each finding."""
    pages = {path: parse(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    if not pages:
        return [f"{site}: there is no page"]
    return [
        *dead_links(site, pages),
        *external_loads(site, pages),
        *unrendered(site),
        *undocumented(site / "objects.inv", public_names(root)),
    ]


@cache
def parse(html: str) -> Page:
    """Return what a page has; two checks read the same pages."""
    page = Page()
    page.feed(html)
    return page


def dead_links(site: Path, pages: dict[Path, Page]) -> Iterator[str]:
    """Return each link and each loaded file that doesn't exist, and each missing anchor."""
    for path, page in pages.items():
        for link in dict.fromkeys((*page.links, *page.loads)):
            if problem := _problem(link, path, site, pages):
                yield f"{path.relative_to(site)}: {link}: {problem}"


def _problem(link: str, path: Path, site: Path, pages: dict[Path, Page]) -> str:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return ""
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        return "there is no such file"
    if not target.is_relative_to(site):
        return "the file is outside of the site"
    known = pages[target].anchors if target in pages else {parts.fragment}
    missing = parts.fragment and unquote(parts.fragment) not in known
    return "there is no such anchor" if missing else ""


def external_loads(site: Path, pages: dict[Path, Page]) -> Iterator[str]:
    """Return each URL of another host that a page, a script or a style sheet would fetch."""
    for path, page in pages.items():
        for url in page.loads:
            parts = urlsplit(url)
            if parts.netloc or parts.scheme not in {"", "data"}:
                yield f"{path.relative_to(site)}: loads {url}"
        yield from _in_code(path.relative_to(site), "".join(page.code).encode())
    for path in sorted((*site.rglob("*.js"), *site.rglob("*.css"))):
        if path.name != "search.js":  # the texts of the pages
            yield from _in_code(path.relative_to(site), path.read_bytes())


def _in_code(name: Path, code: bytes) -> Iterator[str]:
    for url in sorted(set(_IN_CODE.findall(code))):
        if not _NAMES.match(url):
            yield f"{name}: may load {url.decode()}"


def unrendered(site: Path) -> Iterator[str]:
    """Return each Markdown copy that has a directive in place of what it stands for."""
    for path in sorted(site.rglob("*.md")):
        if DIRECTIVE.search(path.read_text("utf-8")):
            yield f"{path.relative_to(site)}: has a directive that only the renderer knows"


def undocumented(inventory: Path, names: Iterable[str]) -> Iterator[str]:
    """Return each public name that the site doesn't describe."""
    described = set(_described(inventory.read_bytes()))
    for name in names:
        if name not in described:
            yield f"{name} is public, and no page describes it"


def _described(inventory: bytes) -> Iterator[str]:
    """Return the names in an inventory of Sphinx's format, version 2."""
    compressed = inventory.split(b"\n", 4)[4]
    for line in zlib.decompress(compressed).decode().splitlines():
        yield line.split(" ", 1)[0]
