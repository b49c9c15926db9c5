"""The log: one line an event, whatever texts of the API's are in it."""

from __future__ import annotations

import logging

from wanflow._core.plain_text import one_line

log = logging.getLogger("wanflow")
"""Where the library says what it bears and what it does again."""


class _OneLine(logging.Filter):
    """Folds a message, so that no text of a server's can pass for a line of the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = one_line(record.getMessage()), ()
        return True


log.addFilter(_OneLine())
