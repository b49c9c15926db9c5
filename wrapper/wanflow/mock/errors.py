"""A request that the mock turns down, before it is known how its operation words that."""

from __future__ import annotations


class HTTPError(Exception):
    """A request can't be served: its status, and what the answer says.

    `message` None leaves the documented example of the status as it stands; `param` names the
    parameter at fault; `model` chooses among examples kept by model; `note` is for the journal
    alone.
    """

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        param: str | None = None,
        model: str | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        log_note: str = "",
    ) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.param = param
        self.model = model
        self.headers = headers
        self.log_note = log_note


class UnsupportedSpec(Exception):
    """The document promises something that the mock can't keep; the message says what."""
