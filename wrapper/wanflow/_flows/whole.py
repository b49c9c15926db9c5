"""The whole road of one request: submit, wait, and save what was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow._core.effects import Notify
from wanflow._flows.submission import submit
from wanflow._flows.waiting import about, wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wanflow._core.effects import Flow, Request
    from wanflow._core.snapshot import Snapshot
    from wanflow._flows.order import Order
    from wanflow._flows.waiting import OnUpdate


def run(
    order: Order,
    *,
    retry_for: float,
    timeout: float,
    on_update: OnUpdate,
    query_of: Callable[[str], Request],
    save: Callable[[Snapshot], Flow[list[Path]]] | None,
) -> Flow[tuple[Snapshot, list[Path]]]:
    """Submit, wait and save → the ended task and the files, which are none where `save` is None.

    `on_update` is called with the accepted task first, so that its id is known from then on.
    """
    accepted = yield from submit(order, retry_for=retry_for)
    with about(accepted.id):
        if on_update is not None:
            yield Notify(on_update, accepted)
        request = query_of(accepted.id)
        ended = yield from wait(request, accepted.id, timeout=timeout, on_update=on_update)
        paths = [] if save is None else (yield from save(ended))
        return ended, paths
