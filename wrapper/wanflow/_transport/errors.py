"""What a transport raises, as a Fault that holds none of its frames: they know the key."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Self

import httpx

from wanflow._core.effects import TransportError
from wanflow._text import one_line
from wanflow.errors import WanflowError

if TYPE_CHECKING:
    from wanflow._config import ApiKey
    from wanflow._transport.send_tracker import Sending


class Guard:
    """Stands around an exchange.

        with Guard(key, sending) as guard:
            return exchange()
        raise guard.fault

    Errors of this library pass, and so do interrupts and cancellations: of an exchange that is
    `keyed` without what its frames held, since they know the key.
    """

    fault: TransportError
    """What came of the exchange instead of a response."""
    pool_is_dead = False
    """Whether it had no connection, though one was free."""

    def __init__(self, key: ApiKey, sending: Sending | None = None, *, keyed: bool = True) -> None:
        self._key = key
        self._sending = sending
        self._keyed = keyed

    def __enter__(self) -> Self:
        self._before = sys.exception()
        if self._sending is not None:
            self._sending.hand_over()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> bool:
        if self._sending is not None:
            self._sending.end(error)
        if error is not None and self._keyed:
            _forget(error, self._before)
        self._before = None
        if not isinstance(error, Exception) or isinstance(error, WanflowError):
            return False
        self.pool_is_dead = isinstance(error, httpx.PoolTimeout)
        sent = self._sending is None or self._sending.maybe_sent
        self.fault = TransportError(_reason(error, self._key), maybe_sent=sent)
        return True


def _forget(error: BaseException, before: BaseException | None) -> None:
    """Empty the frames that an error came through, and cut off the errors that it came after.

    `before` is what was being handled when the exchange began, and stays.
    """
    traceback.clear_frames(error.__traceback__)
    error.__cause__, error.__context__ = None, before
    parts: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    for part in parts if isinstance(error, BaseExceptionGroup) else ():
        _forget(part, None)


def unmade(error: Exception) -> TransportError:
    """Make the fault for connections that can't be set up; raise it outside the except block."""
    return TransportError(
        f"{type(error).__name__}: {str(error) or 'no reason given'}", maybe_sent=False
    )


def _reason(error: Exception, key: ApiKey) -> str:
    if isinstance(error, TransportError):
        return error.reason
    text = f"{_where(error)}{type(error).__name__}: {str(error) or 'no reason given'}"
    return one_line(key.redact(text.encode("utf-8", "replace")).decode("utf-8", "replace"))


def _where(error: Exception) -> str:
    """Name the host and port that were asked, where the error knows them."""
    if not isinstance(error, httpx.RequestError):
        return ""
    try:
        return f"{error.request.url.netloc.decode()}: "
    except RuntimeError:
        return ""
