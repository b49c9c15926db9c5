"""CORS: which pages of other origins may use the mock (Fetch standard, section 3.2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from wanflow.mock.http.hosts import split_host
from wanflow.mock.http.response import Response

if TYPE_CHECKING:
    from wanflow.mock.http.request import Request
    from wanflow.mock.http.response import Header

ANY = "*"
_TOKENS = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+(, *[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")
_VARY = (b"vary", b"Origin")
_READABLE = (
    *(b"accept-ranges", b"allow", b"content-length", b"content-range", b"etag"),
    *(b"idempotency-replayed", b"preference-applied", b"retry-after", b"www-authenticate"),
)
_EXPOSED = (b"access-control-expose-headers", b", ".join(_READABLE))
_METHODS = (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE")
_MAX_AGE = (b"access-control-max-age", b"600")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def parse_origin(text: str) -> str | None:
    """Return an origin as browsers send it, `*` unchanged, and None for anything else."""
    if text == ANY:
        return text
    scheme, found, host = text.partition("://")
    scheme = scheme.lower()
    if not found or scheme not in _DEFAULT_PORTS or split_host(host) is None:
        return None
    return f"{scheme}://{host.removesuffix(_DEFAULT_PORTS[scheme])}".lower()


@frozen
class Cors:
    """The origins whose pages may send requests, and read the responses.

    `*` is every origin, without credentials, and without `/_mock`, which any page on the web
    could then change.
    """

    origins: frozenset[str]

    def preflight(self, request: Request) -> Response | None:
        """Return the response to a preflight request, None if the request isn't one."""
        allowed = self._allowed(request)
        if request.method != "OPTIONS" or not allowed:
            return None
        if b"access-control-request-method" not in request.headers:
            return None
        wanted = request.headers.get(b"access-control-request-headers", b"").strip()
        headers = [*allowed, _METHODS, _MAX_AGE, _VARY]
        if _TOKENS.fullmatch(wanted):
            headers.append((b"access-control-allow-headers", wanted))
        if b"access-control-request-private-network" in request.headers:
            headers.append((b"access-control-allow-private-network", b"true"))
        return Response(204, b"", tuple(headers))

    def apply(self, request: Request, response: Response) -> Response:
        """Add the headers that let the page of a request read its response."""
        allowed = self._allowed(request)
        more = (*allowed, _EXPOSED, _VARY) if allowed else (_VARY,)
        return evolve(response, headers=(*response.headers, *more))

    def _allowed(self, request: Request) -> tuple[Header, ...]:
        origin = request.headers.get(b"origin")
        if origin is None:
            return ()
        if origin.decode("latin-1") in self.origins - {ANY}:
            credentials = (b"access-control-allow-credentials", b"true")
            return (b"access-control-allow-origin", origin), credentials
        if ANY in self.origins and not request.path.startswith("/_mock"):
            return ((b"access-control-allow-origin", b"*"),)
        return ()
