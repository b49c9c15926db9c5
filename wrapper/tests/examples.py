"""How many examples Hypothesis tries: a third, or all with WANFLOW_ALL_EXAMPLES (`make slow`)."""

from __future__ import annotations

import os

ALL = bool(os.environ.get("WANFLOW_ALL_EXAMPLES"))


def examples(count: int) -> int:
    """Return the number of examples of a test that tries `count` of them in `make slow`."""
    return count if ALL else max(10, count // 3)
