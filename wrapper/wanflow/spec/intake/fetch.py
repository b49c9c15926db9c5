"""Fetch a published page from a safe address, with limits of size and time and no credentials.

Only https is fetched, and http from this machine itself. A redirect is followed to a place of the
same kind alone, so no page leads into a private network. Proxies are those of the environment.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from typing import TYPE_CHECKING
from urllib.request import getproxies, proxy_bypass

from attrs import field, frozen

from wanflow._http_library import http_library
from wanflow._urls import join_url, split_url
from wanflow.catalog.public_url import public_url_problem
from wanflow.spec.errors import NotFetched

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow._http_library import HttpResponse

_REDIRECTS = 5
_HTTP_OK, _NOT_MODIFIED, _NOT_FOUND, _GONE = 200, 304, 404, 410
_MOVED = frozenset({301, 302, 303, 307, 308})


@frozen
class PageVersion:
    """The validators of a fetched page, for a conditional request."""

    etag: str = ""
    modified: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a conditional request."""
        named = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in named.items() if value}


@frozen
class Fetched:
    """What a page answered: its bytes, or that they are those of the version asked with.

    `url` is where they were in the end, `kind` their media type.
    """

    url: str
    data: bytes = field(repr=False)
    kind: str
    version: PageVersion
    unchanged: bool = False


class PageGone(NotFetched):
    """The page no longer exists (404 or 410)."""


@frozen
class Fetcher:
    """Fetches pages of at most `max_bytes` bytes, each within `timeout` seconds."""

    max_bytes: int = 5_000_000
    timeout: float = 30.0
    now: Callable[[], float] = time.monotonic

    def fetch(self, url: str, version: PageVersion | None = None) -> Fetched:
        """Fetch a page, unless it is unchanged.

        Raises:
            Gone: it isn't there any more.
            NotFetched: it can't be fetched, or its place isn't one to fetch from.
        """
        deadline = self.now() + self.timeout
        local = is_loopback(url)
        place = url
        for _ in range(_REDIRECTS + 1):
            _require_safe(place, local=local)
            answer = self._ask(place, version or PageVersion(), deadline, local=local)
            if isinstance(answer, Fetched):
                return answer
            target = join_url(place, answer)
            if target is None:
                raise NotFetched(f"{url} redirects to {answer!r}, which is no URL")
            place = target
        raise NotFetched(f"{url} redirects more than {_REDIRECTS} times")

    def _ask(
        self, url: str, version: PageVersion, deadline: float, *, local: bool
    ) -> Fetched | str:
        """Return the response of a URL, or the URL that it redirects to."""
        http = http_library()
        timeout = http.Timeout(max(0.001, min(10.0, deadline - self.now())))
        headers = {"Accept-Encoding": "identity", "User-Agent": "wanflow", **version.headers}
        try:
            with (
                http.Client(timeout=timeout, trust_env=not local) as client,
                client.stream("GET", url, headers=headers) as response,
            ):
                if response.status_code in _MOVED and "location" in response.headers:
                    return str(response.headers["location"])
                _require_good(url, response.status_code)
                return self._whole(url, response, deadline)
        except (http.HTTPError, http.InvalidURL, ValueError) as error:
            raise NotFetched(f"{url} can't be fetched: {str(error) or repr(error)}") from error

    def _whole(self, url: str, response: HttpResponse, deadline: float) -> Fetched:
        data = bytearray()
        for part in response.iter_bytes():
            data += part
            if len(data) > self.max_bytes:
                raise NotFetched(f"{url} has more than {self.max_bytes:,} bytes")
            if self.now() > deadline:
                raise NotFetched(f"{url} takes more than {self.timeout:g} s")
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        got = PageVersion(
            response.headers.get("etag", ""), response.headers.get("last-modified", "")
        )
        return Fetched(url, bytes(data), kind, got, response.status_code == _NOT_MODIFIED)


def _require_good(url: str, status: int) -> None:
    if status in {_NOT_FOUND, _GONE}:
        raise PageGone(f"{url} is gone (HTTP {status})")
    if status not in {_HTTP_OK, _NOT_MODIFIED}:
        raise NotFetched(f"{url} answers with HTTP {status}")


def is_url(text: str) -> bool:
    """Return whether a text is a URL rather than a path."""
    return "://" in text


def is_loopback(url: str) -> bool:
    """Return whether a URL is of this machine."""
    host = _host(url)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(url: str) -> str:
    parts = split_url(url)
    return (parts.hostname or "").lower() if parts else ""


def _require_safe(url: str, *, local: bool) -> None:
    """Reject a URL that a published page must not be fetched from.

    Raises:
        NotFetched: says why not.
    """
    parts = split_url(url)
    if parts is None:
        raise NotFetched(f"{url} is no URL")
    if parts.username is not None or parts.password is not None:
        raise NotFetched(f"{parts.scheme}://{_host(url)}…: a URL with a password isn't fetched")
    if local and is_loopback(url) and parts.scheme in {"http", "https"}:
        return
    if parts.scheme != "https":
        raise NotFetched(f"{url} isn't https (http is for this machine alone)")
    if reason := public_url_problem(url):
        raise NotFetched(f"{url} isn't fetched: it {reason}")
    if not _proxied(url):
        _require_public_address(url)


def _proxied(url: str) -> bool:
    """Return whether the environment names a proxy for a URL, which then resolves its host."""
    return "https" in getproxies() and not proxy_bypass(_host(url))


def _require_public_address(url: str) -> None:
    try:
        found = socket.getaddrinfo(_host(url), 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # a name that IDNA doesn't have
        raise NotFetched(f"{url} can't be fetched: {error}") from error
    for *_, address in found:
        if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_global:
            raise NotFetched(f"{url} isn't fetched: its host is {address[0]}, a private address")
