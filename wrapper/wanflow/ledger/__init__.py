"""A durable record of paid work: what was submitted, what came of it, and which files were saved.

Give a client a Ledger, and after a crash `resume_all` takes up whatever isn't finished.
"""

from __future__ import annotations

from wanflow._core.recorder import File
from wanflow.ledger.job import Holder, Job, State
from wanflow.ledger.ledger import Ledger, default_path

__all__ = [
    "File",
    "Holder",
    "Job",
    "Ledger",
    "State",
    "default_path",
]
