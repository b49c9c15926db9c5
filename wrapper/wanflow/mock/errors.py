"""Exceptions of the mock."""

from __future__ import annotations


class HTTPError(Exception):
    """A request is rejected with this status; the operation decides the body.

    If `message` is None, the body is the spec's example for the status; `param` names the invalid
    parameter; `model` selects the example of a model; `log_note` is only shown in the journal.
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
    """The spec has something that the mock can't serve; the message says what."""
