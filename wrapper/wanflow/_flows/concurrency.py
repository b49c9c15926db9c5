"""Run flows concurrently, a bounded number at a time."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from wanflow._core.effects import Finished, Spawn, wait_next

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wanflow._core.effects import Flow


def gather(
    flows: Iterable[Flow[Any]],
    limit: int,
    on_finished: Callable[[Finished], Flow[None]],
) -> Flow[None]:
    """Run flows, at most `limit` at a time, and `on_finished` with the end of each.

    The key of an end is the flow's position.
    """
    remaining, in_flight = enumerate(flows), 0
    while True:
        for position, flow in islice(remaining, limit - in_flight):
            yield Spawn(position, flow)
            in_flight += 1
        if not in_flight:
            return
        event = yield from wait_next(None)
        if isinstance(event, Finished):
            in_flight -= 1
            yield from on_finished(event)
