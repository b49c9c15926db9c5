"""Tests that skip waits replace the clock of a client: it reads the new one from then on."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.client.fast_clock import monotonic, with_fast_clock
from tests.transport.misbehaving_server import ID, MisbehavingServer, task
from wanflow.errors import WaitTimeout


def test_a_clock_that_is_set_later_decides(runner: Any) -> None:
    """A wait of ten minutes ends after as long by that clock, and after seconds of real time."""
    with MisbehavingServer(get=[task("pending")]) as server:
        client = with_fast_clock(runner.client(api_key="k", base_url=server.url))
        began, real = monotonic(client), time.monotonic()
        with pytest.raises(WaitTimeout):
            runner.do(client.task(ID).wait, 600)
        assert monotonic(client) - began >= 600
        assert time.monotonic() - real < 60
        runner.do(client.close)
