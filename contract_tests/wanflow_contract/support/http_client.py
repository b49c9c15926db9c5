"""An HTTP client with a rate limit that records what it sends and receives."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import TYPE_CHECKING, NoReturn

import httpx
from attrs import define, field

from wanflow_contract.checks.definitions.responses import RESPONDS
from wanflow_contract.findings.finding import printable
from wanflow_contract.support.exchange import Exchange, coding_of
from wanflow_contract.support.interruptions import Interruptions
from wanflow_contract.support.pace import WAITS, Pace
from wanflow_contract.support.unavailable import tls_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


TIMEOUT = 30.0
_JOURNAL_SIZE = 2000
_TOO_MANY = 429
_OPTIONAL = frozenset({"br", "zstd"})
"""Content codings that httpx decodes with other packages only."""
_SAFE = frozenset({"GET", "HEAD"})
_MAX_BODY_LISTED = 200
# The longest bodies of API responses and of files, in bytes.
_MOST, _MOST_OF_FILE = 16 * 1024**2, 1024**3


@define(eq=False)
class RateLimitedClient:
    """A client for one target.

    `rate` is in requests per second, 0 for no limit; `timeout` is in seconds; `secrets` are the
    API keys that must not be printed. A request that the server's rate limit refuses is sent again
    later, and so is one for which the server is not available, unless it may be charged;
    `check_refusal` checks each such response.
    """

    base_url: str
    secrets: tuple[str, ...] = field(repr=False, default=())
    rate: float = 0.0
    dry_run: bool = False
    timeout: float = TIMEOUT
    sent: int = 0
    check_refusal: Callable[[Exchange], None] = field(default=lambda _exchange: None, repr=False)
    interruptions: Interruptions = field(factory=Interruptions, repr=False)
    request_list: list[str] = field(factory=list, repr=False)
    statuses: Counter[tuple[str, int]] = field(factory=Counter, repr=False)
    journal: deque[Exchange] = field(factory=lambda: deque(maxlen=_JOURNAL_SIZE), repr=False)
    _client: httpx.Client = field(init=False, repr=False)
    pace: Pace = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Open the client; proxies and other settings of the environment are ignored."""
        self.pace = Pace(self.rate)
        limits = httpx.Limits(keepalive_expiry=3.0)
        self._client = httpx.Client(
            trust_env=False, timeout=self.timeout, limits=limits, verify=tls_context()
        )

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Exchange:
        """Send a request and return it with its response; redirects are not followed.

        After a 429 it is sent again, as often as there are `WAITS`, unless a mock was asked for it;
        after 502 or 503 so is a request that can't be charged.

        Args:
            method: the method.
            path: the path after the base URL, with a leading slash, or a full URL.
            headers: headers of the request.
            content: its body.

        Raises:
            CheckFailed: there is no response, or it isn't valid HTTP.
            RateLimited: the server asks to wait for longer than a run can.
        """

        def once() -> Exchange:
            return self._send_once(method, path, headers, content)

        def limited() -> Exchange:
            return self._within_limit(once)

        if method in _SAFE:
            return self.interruptions.send(limited, self.check_refusal)
        return limited()

    def _within_limit(self, once: Callable[[], Exchange]) -> Exchange:
        exchange = once()
        for wait in WAITS:
            if exchange.status != _TOO_MANY or "code=" in (exchange.sent_header("prefer") or ""):
                break
            self.check_refusal(exchange)
            self.pace.slow_down(exchange, wait)
            exchange = once()
        return exchange

    def _send_once(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None,
        content: bytes | None,
    ) -> Exchange:
        self.pace.wait()
        self.record_request(method, path, content)
        url = path if "://" in path else self.base_url + path
        request = self._client.build_request(method, url, headers=headers, content=content)
        begun = time.monotonic()
        try:
            response = self._client.send(request, stream=True)
            body = self._read(response, _MOST_OF_FILE if path is url else _MOST)
        except (httpx.HTTPError, ValueError) as error:  # ValueError: headers that aren't text
            if path is url and isinstance(error, httpx.ConnectError):
                raise  # another host, of a result URL
            self._fail_without_response(request, path, error, time.monotonic() - begun)
        received = tuple(response.headers.multi_items())
        seconds = time.monotonic() - begun
        exchange = self._exchange(request, path, response.status_code, received, body, seconds)
        self.journal.append(exchange)
        RESPONDS.evaluated(exchange)
        return exchange

    def _read(self, response: httpx.Response, most: int) -> bytes:
        """Read the body of a response, which may be endless.

        Raises:
            ReadError: it is longer, or takes longer, than any response of the API or any file.
        """
        content, until = bytearray(), time.monotonic() + 10 * self.timeout
        try:
            for piece in response.iter_bytes():
                content += piece
                if len(content) > most or time.monotonic() > until:
                    raise httpx.ReadError(f"the body has no end after {len(content)} bytes")
        finally:
            response.close()
        return bytes(content)

    def decodable(self, accepted: str) -> str:
        """Return what an Accept-Encoding accepts, without what this client can't decode."""
        own = {coding_of(one) for one in self._client.headers["accept-encoding"].split(",")}
        left = [one for one in accepted.split(",") if coding_of(one) not in _OPTIONAL - own]
        return ",".join(left) or "identity"

    def record_request(self, method: str, path: str, content: bytes | None) -> None:
        """Count a request; in a dry run, also add it to the list."""
        self.sent += 1
        if self.dry_run:
            text = (content or b"")[:_MAX_BODY_LISTED].decode("utf-8", "replace")
            line = printable(f"{method} {path} {text}").replace("\n", "\\n")
            self.request_list.append(line)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _fail_without_response(
        self, request: httpx.Request, path: str, error: Exception, seconds: float
    ) -> NoReturn:
        exchange = self._exchange(request, path, 0, (), b"", seconds)
        RESPONDS.fail(f"{type(error).__name__} after {seconds:.1f} s: {error}", exchange)

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
