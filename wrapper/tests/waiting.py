"""Waiting for another thread or process: for what happens, never for a time that should do.

A test compares no times: on a busy machine any of them may be longer. Where something must happen
before something else, the other takes so long that no machine reaches it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TIME_LIMIT = 60.0
"""Seconds after which a test fails instead of waiting for ever; nothing right takes so long."""


def wait_until(happened: Callable[[], object]) -> None:
    """Wait until a condition holds; it is an error if it never does."""
    end = time.monotonic() + TIME_LIMIT
    while not happened():
        assert time.monotonic() < end, f"nothing happened in {TIME_LIMIT:.0f} s"
        time.sleep(0.005)
