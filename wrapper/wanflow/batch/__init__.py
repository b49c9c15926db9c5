"""Many jobs at once: all checked before the first is sent, each paid for once, files saved."""

from __future__ import annotations

from wanflow.batch.models import End, Fault, InvalidBatch, Line, Outcome, Stop, Tally
from wanflow.batch.report import Report

__all__ = ["End", "Fault", "InvalidBatch", "Line", "Outcome", "Report", "Stop", "Tally"]
