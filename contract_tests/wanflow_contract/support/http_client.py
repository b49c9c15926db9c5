"""Send requests to a target, not faster than allowed, and keep what came back."""

from __future__ import annotations

import time
from collections import Counter, deque
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

import httpx
from attrs import define, field

from wanflow_contract.checks.check import Law
from wanflow_contract.support.exchange import Exchange

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping


@cache
def trusted() -> ssl.SSLContext:
    """Return what certificates are checked by, read once: that takes longer than a request."""
    return httpx.create_ssl_context(trust_env=False)


ANSWERS = Law("answers", "Every request is answered, in time and by HTTP's rules.")
PATIENCE = 30.0
_KEPT = 2000
_LISTED = 200


@define(eq=False)
class Wire:
    """A connection to a target.

    `rate` is in requests a second, 0 for no limit; `patience` is in seconds; `secrets` are
    the keys that no text may show.
    """

    base_url: str
    secrets: tuple[str, ...] = field(repr=False, default=())
    rate: float = 0.0
    dry: bool = False
    patience: float = PATIENCE
    sent: int = 0
    listing: list[str] = field(factory=list, repr=False)
    statuses: Counter[tuple[str, int]] = field(factory=Counter, repr=False)
    journal: deque[Exchange] = field(factory=lambda: deque(maxlen=_KEPT), repr=False)
    _client: httpx.Client = field(init=False, repr=False)
    _next: float = 0.0
    _turn: Lock = field(factory=Lock, repr=False)

    def __attrs_post_init__(self) -> None:
        """Open the client; proxies and other settings of the environment are left alone."""
        limits = httpx.Limits(keepalive_expiry=3.0)
        self._client = httpx.Client(
            trust_env=False, timeout=self.patience, limits=limits, verify=trusted()
        )

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Exchange:
        """Send one request and return it with its answer; redirects are not followed.

        Args:
            method: the method.
            path: what follows the base URL, beginning with a slash, or a whole URL.
            headers: headers of the request.
            content: its body.

        Raises:
            LawBroken: no answer came, or one that isn't HTTP.
        """
        self.wait_turn()
        self.note(method, path, content)
        url = path if "://" in path else self.base_url + path
        request = self._client.build_request(method, url, headers=headers, content=content)
        begun = time.monotonic()
        try:
            response = self._client.send(request)
        except httpx.HTTPError as error:
            if path is url and isinstance(error, httpx.ConnectError):
                raise  # another host, which a link leads to
            self._lost(request, path, error, time.monotonic() - begun)
        return self._keep(request, response, path, time.monotonic() - begun)

    def note(self, method: str, path: str, content: bytes | None) -> None:
        """Count a request, and list it where it would be sent only."""
        self.sent += 1
        if self.dry:
            text = (content or b"")[:_LISTED].decode("utf-8", "replace")
            self.listing.append(f"{method} {path} {text}")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def wait_turn(self) -> None:
        """Wait until the next request may be sent."""
        if self.rate <= 0:
            return
        with self._turn:
            now = time.monotonic()
            mine = max(now, self._next)
            self._next = mine + 1 / self.rate
        time.sleep(mine - now)

    def _lost(self, request: httpx.Request, path: str, error: Exception, seconds: float) -> None:
        exchange = self._exchange(request, path, 0, (), b"", seconds)
        ANSWERS.broken(f"{type(error).__name__} after {seconds:.1f} s: {error}", exchange)

    def _keep(
        self, request: httpx.Request, response: httpx.Response, path: str, seconds: float
    ) -> Exchange:
        headers = tuple(response.headers.multi_items())
        exchange = self._exchange(
            request, path, response.status_code, headers, response.content, seconds
        )
        self.journal.append(exchange)
        return exchange

    def _exchange(
        self,
        request: httpx.Request,
        path: str,
        status: int,
        headers: tuple[tuple[str, str], ...],
        content: bytes,
        seconds: float,
    ) -> Exchange:
        sent = tuple(request.headers.multi_items())
        return Exchange(
            request.method,
            str(request.url),
            path,
            sent,
            request.content,
            status,
            headers,
            content,
            seconds,
            self.secrets,
        )
