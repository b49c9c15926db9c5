"""Many jobs at once: all checked before the first is sent, each paid for once, files saved."""

from __future__ import annotations

from wanflow.batch.item import End, Outcome
from wanflow.batch.line import Fault, InvalidBatch, Line
from wanflow.batch.report import Report
from wanflow.batch.terms import Stop, Tally

__all__ = ["End", "Fault", "InvalidBatch", "Line", "Outcome", "Report", "Stop", "Tally"]
