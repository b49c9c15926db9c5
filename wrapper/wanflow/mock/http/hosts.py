"""Which hosts the mock is reached at, and the base of the links in its responses.

A Host header is chosen by the client. It is used in links only if it names this
machine (a loopback name), the address that the mock listens at, or a host that the user allowed.
Headers such as X-Forwarded-Host are never read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from attrs import define, field

from wanflow.mock.errors import HTTPError

if TYPE_CHECKING:
    from wanflow.mock.gateway.gateway import Gateway
    from wanflow.mock.http.request import Request

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_HOST = re.compile(
    r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?"
)
_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)*/?")
_MAX_PORT = 65535
_MAX_CACHED = 200
_SAFE = "/:@!$&'()*+,;=~"


def split_host(text: str) -> tuple[str, str] | None:
    """Return the name of a Host header in lower case, and `name:port`; None if it is invalid."""
    found = _HOST.fullmatch(text)
    if found is None or (found["port"] and int(found["port"]) > _MAX_PORT):
        return None
    name = (found["address"] or found["name"]).lower()
    return name, f"{name}:{found['port']}" if found["port"] else name


def is_public_url(text: str) -> bool:
    """Return whether a text is a URL that links can begin with: scheme, host, port and path."""
    scheme, found, rest = text.partition("://")
    host, slash, path = rest.partition("/")
    known = scheme in {"http", "https"} and bool(found) and split_host(host) is not None
    return known and _PATH.fullmatch(slash + path) is not None


@define(eq=False)
class Hosts:
    """The hosts that links may name: `public_url` alone, or those that are safe.

    `own_origin` is where the mock listens; `allowed` are further names, with a port (that one
    only) or without (any port).
    """

    gateway: Gateway = field(repr=False)
    own_origin: str
    public_url: str | None = None
    allowed: frozenset[str] = frozenset()
    _cache: dict[tuple[str, bytes, str], str | None] = field(
        factory=dict[tuple[str, bytes, str], str | None], repr=False
    )

    def link_base(self, request: Request) -> str:
        """Return what the links of a response begin with."""
        if self.public_url is not None:
            return self.public_url
        key = (request.scheme, request.headers.get(b"host", b""), request.local_host)
        if key not in self._cache:
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
            self._cache[key] = self._origin(*key)
        base = self._cache[key] or self.gateway.origin
        return f"{base}{quote(request.root_path, safe=_SAFE)}" if request.root_path else base

    def check(self, request: Request) -> None:
        """Check the Host header of a loopback mock, against DNS rebinding.

        Raises:
            HTTPError: 403, the mock is on loopback, and the host isn't one that links may name.
        """
        host = request.headers.get(b"host")
        if urlsplit(self.own_origin).hostname not in LOOPBACK or host is None:
            return
        if not self._is_safe(host, request.local_host):
            raise HTTPError(
                403, "/_mock of a mock on loopback needs a loopback host name, or an allowed one"
            )

    def _origin(self, scheme: str, host: bytes, local_host: str) -> str | None:
        if not self._is_safe(host, local_host):
            return None
        name = host.decode().lower()
        return None if name == urlsplit(self.own_origin).netloc else f"{scheme}://{name}"

    def _is_safe(self, host: bytes, local_host: str) -> bool:
        parts = split_host(host.decode("latin-1"))
        if parts is None:
            return False
        own = {urlsplit(self.own_origin).hostname, local_host}
        if self.public_url is not None:
            own.add(urlsplit(self.public_url).hostname)
        return parts[0] in LOOPBACK | own or not self.allowed.isdisjoint(parts)
