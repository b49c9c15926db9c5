"""The exception for rejected callbacks."""

from __future__ import annotations

from wanflow.errors import WanflowError


class CallbackRejected(WanflowError):
    """A callback was rejected; no request was sent to the API because of it.

    Attributes:
        status: the HTTP status to respond with. On a status other than 2xx the sender repeats the
            callback after one, two and four seconds.
    """

    def __init__(self, message: str, *, status: int = 404) -> None:
        super().__init__(message)
        self.status = status
