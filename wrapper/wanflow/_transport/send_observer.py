"""Finds out whether a byte of a request was written to a connection: only then may it be charged.

The streams of a client's own connections report each write here, just before it. Tunnels through
proxies and TLS handshakes are written to the same streams; the library's trace events show when the
request itself begins. A transport of the user's may do neither. Its request counts as sent once it
is passed on, unless the transport raises an exception that in httpx2 and httpx means that no
connection was made.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from wanflow._http_library import is_http_error

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

    from wanflow._core.effects import Response, SendTracker

_UNCONNECTED = (
    "ConnectError",
    "ConnectTimeout",
    "PoolTimeout",
    "ProxyError",
    "UnsupportedProtocol",
)


class SendObserver:
    """Observes one request, and updates its SendTracker.

    `watched`: the streams of its transport report their writes. `begun`: everything written from
    now on belongs to the request.
    """

    __slots__ = ("_begun", "_received", "_token", "_traced", "_tracker", "_watched")

    def __init__(self, tracker: SendTracker, *, watched: bool, begun: bool = False) -> None:
        self._tracker = tracker
        self._watched = watched
        self._begun = begun
        self._traced = watched
        self._token: Token[SendObserver | None] | None = None
        self._received: Callable[[], Response] | None = None

    @property
    def maybe_sent(self) -> bool:
        """Whether a byte of the request may have been written."""
        return self._tracker.maybe_sent

    def on_response(self, received: Callable[[], Response]) -> None:
        """Record that a response begins; `received` returns the part that has come so far."""
        self._received = received

    def start(self) -> None:
        """Start to observe the writes of this task or thread."""
        if not self._watched:
            self._tracker.begin()
        self._token = _current.set(self)

    def finish(self, error: BaseException | None) -> None:
        """Stop observing; after an error, the received part of the response is stored."""
        received, self._received = self._received, None
        if self._token is not None:
            _current.reset(self._token)
        if error is not None and received is not None:
            self._tracker.received = received()
        if not self._traced and is_http_error(error, *_UNCONNECTED):
            self._tracker.maybe_sent = False

    def trace(self, event: str, info: Any) -> None:
        """Handle a trace event of a sync transport."""
        if not self._traced:
            self._traced, self._tracker.maybe_sent = True, False
        if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
            self._begun = True
            if not self._watched:
                self._tracker.begin()

    async def trace_async(self, event: str, info: Any) -> None:
        """Handle a trace event of an async transport."""
        self.trace(event, info)

    def before_write(self, ended: Callable[[], bool]) -> None:
        """Record that a stream is about to write; `ended` checks whether its connection was closed.

        Raises:
            CalledOff: the request was called off.
            ConnectionResetError: the peer had closed the connection before the first byte.
        """
        if not self._begun:
            return
        if not self._tracker.maybe_sent and ended():
            raise ConnectionResetError("the server had closed the idle connection")
        self._tracker.begin()


_current: ContextVar[SendObserver | None] = ContextVar("wanflow_sending", default=None)


def before_write(ended: Callable[[], bool]) -> None:
    """Record that the calling stream is about to write; `ended` checks whether it was closed."""
    sending = _current.get()
    if sending is not None:
        sending.before_write(ended)
