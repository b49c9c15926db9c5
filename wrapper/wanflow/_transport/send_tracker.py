"""Whether a byte of a request was handed to a connection: the one rule for what was sent.

The streams of a client's own connections note each write here, just before it. Proxies are asked
for a tunnel, and TLS shakes hands, over the same streams before; what httpx traces says when the
request itself begins. A transport of the user's own may do neither. Its request counts as sent
from the moment that it is handed over, unless the transport raises what in httpx means that no
connection came to be.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token

    from wanflow._core.effects import Response, SendTracker

_UNCONNECTED = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


class Sending:
    """A request on its way.

    `watched` where the streams of its transport note what they write; `begun` where all that is
    written from now on belongs to the request.
    """

    __slots__ = ("_begun", "_received", "_token", "_traced", "_tracker", "_watched")

    def __init__(self, tracker: SendTracker, *, watched: bool, begun: bool = False) -> None:
        self._tracker = tracker
        self._watched = watched
        self._begun = begun
        self._traced = watched
        self._token: Token[Sending | None] | None = None
        self._received: Callable[[], Response] | None = None

    @property
    def maybe_sent(self) -> bool:
        """Whether a byte of the request may have been written."""
        return self._tracker.maybe_sent

    def receives(self, received: Callable[[], Response]) -> None:
        """Take note that a response begins; `received` makes a Reply of what came of it so far."""
        self._received = received

    def hand_over(self) -> None:
        """Begin: what this task or thread writes from now on is noted."""
        if not self._watched:
            self._tracker.begin()
        self._token = _current.set(self)

    def end(self, error: BaseException | None) -> None:
        """End with an error, or without; what was received is kept without the key in it."""
        received, self._received = self._received, None
        if self._token is not None:
            _current.reset(self._token)
        if error is not None and received is not None:
            self._tracker.received = received()
        if not self._traced and isinstance(error, _UNCONNECTED):
            self._tracker.maybe_sent = False

    def trace(self, event: str, info: Any) -> None:
        """Take an event of a sync transport."""
        if not self._traced:
            self._traced, self._tracker.maybe_sent = True, False
        if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
            self._begun = True
            if not self._watched:
                self._tracker.begin()

    async def atrace(self, event: str, info: Any) -> None:
        """Take an event of an async transport."""
        self.trace(event, info)

    def writes(self, ended: Callable[[], bool]) -> None:
        """Take note that a stream is about to write; `ended` looks for the end of its connection.

        Raises:
            CalledOff: it may not.
            ConnectionResetError: the peer may have ended the connection before the first byte.
        """
        if not self._begun:
            return
        if not self._tracker.maybe_sent and ended():
            raise ConnectionResetError("the server had ended the connection that was kept")
        self._tracker.begin()


_current: ContextVar[Sending | None] = ContextVar("wanflow_sending", default=None)


def note_write(ended: Callable[[], bool]) -> None:
    """Take note that the stream that calls is about to write; `ended` looks for its end."""
    sending = _current.get()
    if sending is not None:
        sending.writes(ended)
