"""The logger, which writes one line for each event, and warnings."""

from __future__ import annotations

import inspect
import logging
import os
import warnings
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from wanflow._text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_LIBRARY = __name__.partition(".")[0]

log = logging.getLogger("wanflow")
"""The library's logger.

DEBUG: changes that a poll found. INFO: submitted, completed, saved. WARNING: retries, uncertain
submissions, undocumented values, and tasks that ended without a result.
"""

LOG_VARIABLE = "WANFLOW_LOG"

RETURNED = {"wanflow_returned": True}
"""`extra` of a record whose content the caller also gets, as a result or an error."""


class _OneLine(logging.Filter):
    """Puts a message on one line, so that text from a server can't forge a line of the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = one_line(record.getMessage()), ()
        return True


log.addFilter(_OneLine())


def log_mode() -> str:
    """Return what the environment asks for: `debug`, `info`, `json`, or nothing."""
    return os.environ.get(LOG_VARIABLE, "").strip().lower()


_show: ContextVar[Callable[[str], object] | None] = ContextVar("show_warning", default=None)


@contextmanager
def showing_warnings(show: Callable[[str], object]) -> Generator[None]:
    """Pass the text of the library's warnings to `show`: a program has no line to name."""
    token = _show.set(show)
    try:
        yield
    finally:
        _show.reset(token)


def warn(text: str, category: type[Warning]) -> None:
    """Warn, and name the innermost line of the stack outside this library as the source."""
    if (show := _show.get()) is not None:
        show(text)
        return
    frame, level = inspect.currentframe(), 0
    while frame and frame.f_globals.get("__name__", "").partition(".")[0] == _LIBRARY:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level + 1)
