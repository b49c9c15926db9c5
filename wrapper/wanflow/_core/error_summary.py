"""What events say of an error: nothing that the API or a file server wrote, but for short names."""

from __future__ import annotations

import re

from wanflow import errors
from wanflow._core.effects import TransportError

_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def summary(error: BaseException) -> str:
    """Return an error in one phrase, without free text of the other side."""
    match error:
        case TransportError():
            return error.summary
        case errors.ConnectionFailed() | errors.SubmitUncertain() if error.__cause__ is not None:
            about = "" if error.task_id is None else f"no answer about task {error.task_id}: "
            return f"{about}{summary(error.__cause__)}"
        case errors.APIError():
            return _of_response(error)
        case _:
            return type(error).__name__


def _of_response(error: errors.APIError) -> str:
    about = "" if error.task_id is None else f" about task {error.task_id}"
    names = [str(name) for name in (error.type, error.code) if name is not None]
    named = ", ".join(name for name in names if _NAME.fullmatch(name) and name != str(error.status))
    problem = error.problem if isinstance(error, errors.UnexpectedResponse) else None
    return (
        f"the API answered {error.status}{about}"
        + (f" ({named})" if named else "")
        + (f", but {problem}" if problem else "")
    )
