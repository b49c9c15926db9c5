"""The log on stderr that the environment variable WANFLOW_LOG asks for, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from wanflow._core.event_kinds import TRACE
from wanflow._log import LOG_VARIABLE, log
from wanflow.errors import ConfigurationError

_TEXT = "%(asctime)s %(levelname)s %(message)s"
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "json": TRACE}


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object on one line.

    Each has `time` (Unix seconds), `level`, `event`, `operation`, `task_id` and `message`; then the
    fields of its kind of event. A line that is no event of a client has the event `log`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        event = getattr(record, "wanflow_event", None)
        fields: dict[str, Any] = (
            {"event": "log", "time": record.created, "operation": None, "task_id": None}
            if event is None
            else event.to_dict()
        )
        level = "trace" if record.levelno <= TRACE else record.levelname.lower()
        line = {
            "time": fields["time"],
            "level": level,
            "event": fields["event"],
            "operation": fields["operation"],
            "task_id": fields["task_id"],
            "message": record.getMessage(),
            **fields,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class _Stderr(logging.Handler):
    """Writes lines to what `sys.stderr` is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        try:
            sys.stderr.write(f"{self.format(record)}\n")
        except Exception:
            self.handleError(record)


def install(mode: str) -> None:
    """Write the log to stderr, once in a process. Other handlers get it no longer.

    Raises:
        ConfigurationError: there is no such mode.
    """
    level = _LEVELS.get(mode)
    if level is None:
        raise ConfigurationError(f"{LOG_VARIABLE} is debug, info or json (got {mode!r})")
    if any(isinstance(handler, _Stderr) for handler in log.handlers):
        return
    handler = _Stderr()
    handler.setFormatter(JsonFormatter() if mode == "json" else logging.Formatter(_TEXT))
    log.addHandler(handler)
    log.setLevel(level)
    log.propagate = False
