"""URLs that others wrote: in pages, redirects, recordings and results.

`urllib.parse` raises ValueError for some texts, such as `http://[::1/x`; here they are no URLs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    from urllib.parse import SplitResult


def split_url(text: str) -> SplitResult | None:
    """Return the parts of a URL; None if the text is no URL."""
    try:
        return urlsplit(text)
    except ValueError:
        return None


def join_url(base: str, link: str) -> str | None:
    """Return the URL that a link of a page leads to; None if that is no URL."""
    try:
        joined = urljoin(base, link)
    except ValueError:
        return None
    return None if split_url(joined) is None else joined


def is_http_url(text: str) -> bool:
    """Return whether a text begins as a URL of http or https, also where it is none."""
    return text.strip().lower().startswith(("http://", "https://"))
