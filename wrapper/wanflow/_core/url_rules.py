"""Which URLs can be fetched at all: those of files, of uploads, of redirects and of the API."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_NO_HOST = re.compile(r"[\s\x00-\x20\x7f\"#%/<>?@\\^`{|}]|\.\.|^\.")
_LONGEST_HOST = 253
# Such a host is an address for some resolvers (127.1, 2130706433, 0x7f.1) and a name for others.
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?", re.ASCII)


def url_problem(url: str) -> str | None:
    """Say why a link can't be fetched at all; None when it can."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return "it is no URL"
    if parts.scheme not in {"http", "https"}:
        return f"its scheme is {parts.scheme!r}, and only http and https can be fetched"
    return _address_problem(parts, host) if host else "it names no host"


def _address_problem(parts: SplitResult, host: str) -> str | None:
    if _NO_HOST.search(host) or len(host) > _LONGEST_HOST:
        return "its host is no name"
    if _NUMBER.fullmatch(host) and not _is_address(host):
        return "its host is neither a name nor an address of four numbers"
    try:
        port = parts.port
    except ValueError:
        port = 0
    return "its port is no number from 1 to 65535" if port == 0 else None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
