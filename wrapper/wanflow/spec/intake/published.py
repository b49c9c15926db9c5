"""Published documents: a page or document at a URL, and an index of pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import evolve

from wanflow._urls import join_url, split_url
from wanflow.spec.intake.fetch import is_url
from wanflow.spec.intake.loader import load_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.spec.intake.fetch import Fetched
    from wanflow.spec.intake.loader import LoadedDocument

_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)|href\s*=\s*[\"']([^\"']+)|(https?://[^\s<>()\"'\]]+)")
_SUFFIX = re.compile(r"\.(md|mdx|markdown|txt|ya?ml|json)$", re.IGNORECASE)
_BY_KIND = {
    "application/json": "json",
    "text/markdown": "md",
    "text/x-markdown": "md",
    **dict.fromkeys(("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"), "yaml"),
}


def load_fetched(url: str, fetched: Fetched) -> LoadedDocument:
    """Load a fetched page as a document, whose origin is its URL.

    Raises:
        Refused: it is no document.
    """
    received = load_bytes(_file_name(fetched), fetched.data)
    version = fetched.version
    return evolve(received, origin=url, etag=version.etag, modified=version.modified)


def _file_name(fetched: Fetched) -> str:
    """Return a file name for a fetched page, by its URL, media type or first characters."""
    parts = split_url(fetched.url)
    last = (parts.path if parts else "").rstrip("/").rpartition("/")[2]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip(".-") or "page"
    if _SUFFIX.search(name):
        return name
    begun = fetched.data[:2000].lstrip(b"\xef\xbb\xbf \r\n\t")
    kind = _BY_KIND.get(fetched.kind)
    if kind is None:
        plain = "yaml" if re.match(rb"(#[^\n]*\n|---\n|\s)*[\"']?openapi\b", begun) else "md"
        kind = "json" if begun.startswith(b"{") else plain
    return f"{name}.{kind}"


def links_of(url: str, text: str, *, anywhere: bool = False) -> list[str]:
    """Return the links of an index in order: those to its own origin, or all.

    What is no URL is no link.
    """
    found = dict.fromkeys(_links(url, text))
    return [link for link in found if anywhere or _origin(link) == _origin(url)]


def _links(url: str, text: str) -> Iterator[str]:
    for groups in _LINK.findall(text):
        joined = join_url(url, next(one for one in groups if one)) or ""
        link = joined.partition("#")[0]
        parts = split_url(link)
        last = parts.path.rpartition("/")[2] if parts else ""
        if is_url(link) and link != url and ("." not in last or _SUFFIX.search(last)):
            yield link


def _origin(url: str) -> tuple[str, str] | None:
    parts = split_url(url)
    return None if parts is None else (parts.scheme.lower(), parts.netloc.lower())
