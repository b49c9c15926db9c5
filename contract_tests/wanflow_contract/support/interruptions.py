"""Responses that the documents list for a server that is not available for a moment."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow_contract.support.exchange import Exchange

_STATUSES = frozenset({502, 503})
_WAITS = (0.5, 2.0, 5.0)
"""Seconds before a request is sent again."""
_MOST_LASTING = 3
"""After so many requests that got no other response, none is sent again."""
_OFTEN, _MORE_WAITS = 3, (5.0,) * 4
"""After so many responses of a moment, four in a row may be chance: a request is sent up to eight
times, which at a rate of 20 % fail together once in 400,000 requests."""


class NotAvailable(Exception):
    """The server was not available for a request, as for others that it answered later."""


@define(eq=False)
class Interruptions:
    """Sends requests again that a server answers with 502 or 503.

    What is so each time is its response to the request, and judged; what is gone is the state of a
    server in operation, which the documents have a status for. `gone` counts these by status.
    """

    gone: Counter[str] = field(factory=Counter[str])
    _lasting: int = field(default=0, repr=False)

    def send(self, once: Callable[[], Exchange], check: Callable[[Exchange], None]) -> Exchange:
        """Send a request, and again after some seconds while the server is not available.

        Args:
            once: sends it.
            check: checks each response but the last.

        Raises:
            CheckFailed: one of these checks fails, or there is no response.
        """
        exchange, seen = once(), Counter[str]()
        for wait in self._waits():
            if not is_interruption(exchange):
                break
            check(exchange)
            seen[str(exchange.status)] += 1
            time.sleep(wait)
            exchange = once()
        if is_interruption(exchange):
            self._lasting += 1
        else:
            was_often = self._is_often()
            self.gone.update(seen)
            self._lasting = self._lasting if was_often or not seen else 0
        return exchange

    def _is_often(self) -> bool:
        return self.gone.total() >= _OFTEN

    def _waits(self) -> tuple[float, ...]:
        if self._lasting >= _MOST_LASTING:
            return ()
        return (*_WAITS, *_MORE_WAITS) if self._is_often() else _WAITS


def is_interruption(exchange: Exchange) -> bool:
    """Return whether a server says that it is not available, without being a mock asked to."""
    return exchange.status in _STATUSES and exchange.sent_header("prefer") is None
