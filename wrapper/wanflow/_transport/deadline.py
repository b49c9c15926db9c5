"""The deadline of the request that the current thread sends."""

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
    """Limit the time of all reads and writes of sync streams in this block, in this thread."""
    before = _exchange.until
    _exchange.until = time.monotonic() + seconds
    try:
        yield
    finally:
        _exchange.until = before


def remaining(timeout: float | None, late: type[Exception]) -> float | None:
    """Return the seconds that remain for a step which may take `timeout` by itself.

    Raises:
        Exception: of type `late`; the deadline has passed.
    """
    if _exchange.until is None:
        return timeout
    seconds = _exchange.until - time.monotonic()
    if seconds <= 0:
        raise late("the whole request took too long")
    return seconds if timeout is None else min(seconds, timeout)
