"""SSRF guard: which addresses callbacks may be sent to, and connecting to them.

A name is resolved once, all its addresses must be public, and the connection is made to one of
these addresses, so that a second resolution can't change it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from attrs import define, field, frozen

from wanflow.catalog.public_url import is_public_address, public_url_problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address
    Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
    Resolve = Callable[[str, int], Awaitable[list[str]]]
    Connect = Callable[[str, int, str | None], Awaitable[Streams]]

_LOOPBACK = re.compile(
    r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[1-9][0-9]{0,4})?([/?#][!-~]*)?", re.ASCII
)
_SAFE = "/%:@!$&'()*+,;=~"


class UrlBlocked(Exception):
    """A callback URL is not allowed; the message says why."""


@frozen
class Target:
    """Where a callback goes: host, port, whether to use TLS, and the path with its query."""

    host: str
    port: int
    tls: bool
    path: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def is_loopback(url: str) -> bool:
    """Return whether a URL names this machine, as a test's receiver does."""
    return _LOOPBACK.fullmatch(url) is not None


async def _resolve(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


async def _connect(address: str, port: int, tls_host: str | None) -> Streams:
    context = None
    if tls_host is not None:
        context = await asyncio.to_thread(ssl.create_default_context)
    return await asyncio.open_connection(address, port, ssl=context, server_hostname=tls_host)


@define
class SsrfGuard:
    """Connects to public hosts, and to this machine if `allow_loopback`."""

    allow_loopback: bool = False
    resolve: Resolve = field(default=_resolve, repr=False)
    connect: Connect = field(default=_connect, repr=False)

    def resolve_target(self, url: str) -> Target:
        """Parse and check a URL.

        Raises:
            UrlBlocked: it isn't https, or its host can't be public.
        """
        reason = None if self._is_allowed_loopback(url) else public_url_problem(url)
        parts = urlsplit(url)
        if reason is not None or parts.hostname is None:
            raise UrlBlocked(f"the URL {reason}")
        if parts.scheme != "https" and not self._is_allowed_loopback(url):
            raise UrlBlocked("the URL must begin with https://")
        tls = parts.scheme == "https"
        target = quote(parts.path or "/", safe=_SAFE)
        if parts.query:
            target += "?" + quote(parts.query, safe=_SAFE + "?")
        return Target(parts.hostname, parts.port or (443 if tls else 80), tls, target)

    async def connect_to(self, url: str) -> tuple[Target, Streams]:
        """Connect to a URL's host.

        Raises:
            UrlBlocked: one of its addresses isn't public.
            OSError: it can't be resolved or reached.
        """
        target = self.resolve_target(url)
        addresses = await self.resolve(target.host, target.port)
        if not addresses:
            raise UrlBlocked(f"{target.host} has no address")
        for address in addresses:
            if not self._is_allowed_address(address, url):
                raise UrlBlocked(f"{target.host} has the internal address {address}")
        return target, await self._connect_any(addresses, target)

    async def _connect_any(self, addresses: list[str], target: Target) -> Streams:
        """Connect to the first address that accepts a connection."""
        *others, last = dict.fromkeys(addresses)
        for address in others:
            with suppress(ConnectionError):
                return await self.connect(address, target.port, target.host if target.tls else None)
        return await self.connect(last, target.port, target.host if target.tls else None)

    def _is_allowed_loopback(self, url: str) -> bool:
        return self.allow_loopback and is_loopback(url)

    def _is_allowed_address(self, text: str, url: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:  # a zone id, or not an address
            return False
        return address.is_loopback if self._is_allowed_loopback(url) else is_public_address(address)
