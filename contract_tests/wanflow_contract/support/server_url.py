"""The URL of a server, as it is given: what every command says of one that can't be right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")


def split_url(text: str) -> SplitResult:
    """Return the parts of the URL of a server, without spaces around it.

    Raises:
        ValueError: it isn't an http or https URL without a user, a query or a fragment.
    """
    url = text.strip()
    if "@" in url.partition("://")[2].partition("/")[0]:  # not shown: it may be a password
        raise ValueError("the URL must have no user or password; set the key in WANFLOW_API_KEY")
    shown = f"URL is {url!r}; it"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{shown} is not valid: {error}") from error
    if parts.scheme not in {"http", "https"} or not host or _UNPRINTABLE.search(url):
        raise ValueError(f"{shown} must begin with http:// or https:// and a host, without spaces")
    if parts.query or parts.fragment:
        raise ValueError(f"{shown} must have no query and no fragment")
    return parts
