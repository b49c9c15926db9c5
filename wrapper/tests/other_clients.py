"""Which clients `make test` leaves to `make client-test`: half of those of each test.

The sync client and the three async ones run the same flows, so one test needn't run them all, as
long as other tests of the same flow run the others. Which half it is follows from a test's name, so
that it is the same in every run, and each client has half of the tests.
"""

from __future__ import annotations

import re
from zlib import crc32

from tests.client.clients import RUNNERS

ORDER = sorted(RUNNERS)


def is_left_out(name: str, runner: str) -> bool:
    """Return whether `make test` leaves out a client of a test, both by name."""
    without = re.sub(rf"\b{runner}\b", "", name)
    return bool((crc32(without.encode()) + ORDER.index(runner)) % 2)
