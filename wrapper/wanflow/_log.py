"""The log, one line an event, whatever texts of the API's are in it; and warnings."""

from __future__ import annotations

import inspect
import logging
import warnings

from wanflow._text import one_line

_LIBRARY = __name__.partition(".")[0]

log = logging.getLogger("wanflow")
"""Where the library says what it did, what it tolerates and what it does again.

DEBUG: what a poll changed. INFO: submitted, completed, saved. WARNING: what is tried again, is
uncertain, undocumented, or ended without a result.
"""

RETURNED = {"wanflow_returned": True}
"""`extra` of a line that says what the caller gets, too, as a result or an error."""


class _OneLine(logging.Filter):
    """Folds a message, so that no text of a server's can pass for a line of the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = one_line(record.getMessage()), ()
        return True


log.addFilter(_OneLine())


def warn(text: str, category: type[Warning]) -> None:
    """Warn, and blame the first line of the stack that is outside this library."""
    frame, level = inspect.currentframe(), 0
    while frame and frame.f_globals.get("__name__", "").partition(".")[0] == _LIBRARY:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level + 1)
