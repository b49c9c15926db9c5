"""A connection that doesn't wait for ever: a server may be silent while its connection lives."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


def _never() -> bool:
    return False


class LimitedConnection(psycopg.Connection[Any]):
    """Breaks off after `limit` seconds without a response (None: never), and once it is given up.

    The server's own timeouts don't help: it may be stopped, or its responses may not arrive.
    """

    limit: float | None = None
    given_up: Callable[[], bool] = staticmethod(_never)

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **more: Any) -> Any:
        """Wait for what a generator of psycopg does."""
        return super().wait(self._limited(gen), *arguments, **more)

    def _limited(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        since = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                # Nothing is ready where psycopg has only checked for an interrupt.
                ready = yield wanted
                if ready:
                    since = time.monotonic()
                else:
                    self._break_off(time.monotonic() - since)
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value

    def _break_off(self, silent: float) -> None:
        if self.given_up():
            reason = "the worker ends"
        elif self.limit is not None and silent > self.limit:
            reason = f"no response for {silent:.0f} s"
        else:
            return
        self.close()
        raise psycopg.OperationalError(reason)
