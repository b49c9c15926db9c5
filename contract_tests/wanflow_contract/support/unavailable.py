"""What keeps a server from being tested at all: certificates that can't be read, unusable keys."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    import ssl

_NAMES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


class TargetUnavailable(Exception):
    """The server can't be tested; the message says what is missing."""


def tls_context() -> ssl.SSLContext:
    """Return the TLS context; it is created once, because that takes longer than a request.

    It trusts the certificates that SSL_CERT_FILE or SSL_CERT_DIR names, as the library does.

    Raises:
        TargetUnavailable: they can't be read.
    """
    return _context(*(os.environ.get(name) for name in _NAMES))


@cache
def _context(*named: str | None) -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        name, path = next(pair for pair in zip(_NAMES, named, strict=True) if pair[1])
        raise TargetUnavailable(
            f"{name} is {path!r}, which can't be read as certificates: {error}"
        ) from error


_FIRST = ("WANFLOW_CONTRACT_API_KEY", "WANFLOW_API_KEY")
_SECOND = ("WANFLOW_CONTRACT_API_KEY2",)


def source_of(key: str, *, second: bool = False) -> str:
    """Return where a key comes from: the environment variable that has it, or the option."""
    for name in _SECOND if second else _FIRST:
        found = os.environ.get(name, "")
        if found and found.strip() == key.strip():
            return name
    return "--api-key2" if second else "--api-key"


def check_keys(key: str | None, key2: str | None) -> None:
    """Check that keys can be sent in a header, and belong to two accounts; none are shown.

    Raises:
        TargetUnavailable: one can't, or they are equal.
    """
    for one, second in ((key, False), (key2, True)):
        if one and not (one.isascii() and one.isprintable() and " " not in one):
            raise TargetUnavailable(
                f"the API key of {source_of(one, second=second)} has a character that no key has: "
                "a space, a line break or a letter outside ASCII"
            )
    if key and key == key2:
        raise TargetUnavailable(
            f"{source_of(key2, second=True)} is the same key as the first; "
            "set the key of another account, or none"
        )
