"""Until when the exchange of a thread may take."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


class _ThreadDeadline(threading.local):
    until: float | None = None


_exchange = _ThreadDeadline()


@contextmanager
def deadline(seconds: float) -> Generator[None]:
    """Bound all that a sync client's own streams read and write in this block, in this thread."""
    before = _exchange.until
    _exchange.until = time.monotonic() + seconds
    try:
        yield
    finally:
        _exchange.until = before


def left(timeout: float | None, late: type[Exception]) -> float | None:
    """Return the seconds that are left for a step which may take `timeout` by itself.

    Raises:
        Exception: of the kind `late`; nothing is left.
    """
    if _exchange.until is None:
        return timeout
    seconds = _exchange.until - time.monotonic()
    if seconds <= 0:
        raise late("the whole exchange took too long")
    return seconds if timeout is None else min(seconds, timeout)
