"""Every check by topic: its sentence, its source, why it matters, what a correct server does.

Importing this package registers all checks.
"""

from __future__ import annotations

from wanflow_contract.checks.definitions import (
    access,
    billing,
    callbacks,
    ends,
    files,
    headers,
    idempotency,
    mock_controls,
    requests,
    responses,
    tasks,
    wire,
)

__all__ = [
    "access",
    "billing",
    "callbacks",
    "ends",
    "files",
    "headers",
    "idempotency",
    "mock_controls",
    "requests",
    "responses",
    "tasks",
    "wire",
]
