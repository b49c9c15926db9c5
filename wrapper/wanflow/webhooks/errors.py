"""What a receiver says no with."""

from __future__ import annotations

from wanflow.errors import WanflowError


class CallbackRejected(WanflowError):
    """A callback is turned away, and nothing was asked because of it.

    Attributes:
        status: the HTTP status to answer with. The sender repeats a callback, one, two and four
            seconds later, on every status outside 2xx.
    """

    def __init__(self, message: str, *, status: int = 404) -> None:
        super().__init__(message)
        self.status = status
