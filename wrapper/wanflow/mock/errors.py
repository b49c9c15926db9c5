"""Exceptions of the mock."""

from __future__ import annotations

_MAX_SHOWN_PATH = 300


class HTTPError(Exception):
    """A request is rejected with this status; the operation decides the body.

    If `message` is None, the body is the spec's example for the status; `param` names the invalid
    parameter; `model` selects the example of a model; `suggestion` is what to use instead;
    `error_type` replaces the type of the status; `log_note` is only shown in the journal.
    """

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        param: str | None = None,
        model: str | None = None,
        suggestion: str | None = None,
        error_type: str | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        log_note: str = "",
    ) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.param = param
        self.model = model
        self.suggestion = suggestion
        self.error_type = error_type
        self.headers = headers
        self.log_note = log_note


def unknown_path(method: str, path: str) -> HTTPError:
    """Return the error for a path without an operation, worded as gateways of this family do."""
    shown = path[:_MAX_SHOWN_PATH]
    return HTTPError(404, f"Invalid URL ({method} {shown})", error_type="invalid_request_error")


class UnsupportedSpec(Exception):
    """The spec has something that the mock can't serve; the message says what."""
