"""A durable record of paid work: what was submitted, how it ended, and which files were saved.

Pass a Ledger to a client; after a crash, `resume_all` resumes every unfinished job.
"""

from __future__ import annotations

from wanflow._core.prices import Estimate, EstimateBasis
from wanflow._core.recorder import File
from wanflow.ledger.job import Job, JobState, Owner
from wanflow.ledger.ledger import Ledger
from wanflow.ledger.location import default_path

__all__ = [
    "Estimate",
    "EstimateBasis",
    "File",
    "Job",
    "JobState",
    "Ledger",
    "Owner",
    "default_path",
]
