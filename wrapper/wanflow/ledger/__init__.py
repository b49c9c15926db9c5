"""A durable record of paid work: what was submitted, what came of it, and which files were saved.

Give a client a Ledger, and after a crash `resume_all` takes up whatever isn't finished.
"""

from __future__ import annotations

from wanflow._core.recorder import File
from wanflow.ledger.job import Job, JobState, Owner
from wanflow.ledger.ledger import Ledger, default_path

__all__ = [
    "File",
    "Job",
    "JobState",
    "Ledger",
    "Owner",
    "default_path",
]
