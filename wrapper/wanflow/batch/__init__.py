"""Batches: all jobs are checked before the first is sent, each is charged once."""

from __future__ import annotations

from wanflow.batch.models import (
    BatchProgress,
    InvalidBatch,
    JobResult,
    JobSpec,
    JobStatus,
    RowError,
    StopSignal,
)
from wanflow.batch.report import Report

__all__ = [
    "BatchProgress",
    "InvalidBatch",
    "JobResult",
    "JobSpec",
    "JobStatus",
    "Report",
    "RowError",
    "StopSignal",
]
