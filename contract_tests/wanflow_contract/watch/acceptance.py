"""Judge the refusals of valid submissions that have headers which the documents don't mention.

A server may refuse such a header. Once it has accepted a submission with the same headers, they
are not the reason.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from attrs import define, evolve, field

from wanflow_contract.checks.faulty_field import USUAL_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow_contract.support.exchange import Exchange

_MOST_PENDING, _LONGEST_PENDING = 100, 1 << 20


@define(eq=False)
class Acceptance:
    """The unusual headers that were accepted, and the refusals that wait for such a proof."""

    _accepted: set[str] = field(factory=set)
    _pending: deque[Exchange] = field(factory=lambda: deque(maxlen=_MOST_PENDING))
    _judgeable: deque[Exchange] = field(factory=deque)

    def record(self, exchange: Exchange) -> None:
        """Record a valid submission, accepted or refused."""
        unusual = _unusual(exchange)
        if exchange.status == 200:
            if not unusual <= self._accepted:
                self._accepted |= unusual
                self._release()
        elif len(exchange.sent) < _LONGEST_PENDING:
            of = self._judgeable if unusual <= self._accepted else self._pending
            of.append(exchange)

    def _release(self) -> None:
        """Find the pending refusals that the headers accepted by now don't explain."""
        for _ in range(len(self._pending)):
            exchange = self._pending.popleft()
            of = self._judgeable if _unusual(exchange) <= self._accepted else self._pending
            of.append(exchange)

    def judgeable(self) -> Iterator[Exchange]:
        """Yield the submissions that were refused for no header, without unusual ones."""
        while self._judgeable:
            exchange = self._judgeable.popleft()
            kept = (one for one in exchange.request_headers if one[0].lower() in USUAL_HEADERS)
            yield evolve(exchange, request_headers=tuple(kept))

    def rest(self) -> Iterator[Exchange]:
        """Yield the refusals that no other submission explains, as they are."""
        while self._pending:
            yield self._pending.popleft()


def _unusual(exchange: Exchange) -> set[str]:
    return {name.lower() for name, _ in exchange.request_headers} - USUAL_HEADERS
