"""`wanflow batch` on a terminal: one live screen, kept up to date, and Ctrl-C at the keys."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING

import pytest

from tests.batch.terminal import Terminal
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_CTRL_C = b"\x03"


@pytest.fixture(scope="module")
def slow() -> Iterator[MockServer]:
    """A mock whose tasks take an hour."""
    with MockServer(seconds=3600) as mock:
        yield mock


@pytest.fixture
def terminal(api_key: str, model: str, tmp_path: Path) -> Callable[[MockServer, int], Terminal]:
    """Begin a batch of some jobs on a terminal."""

    def begin(server: MockServer, count: int) -> Terminal:
        lines = [json.dumps({"model": model, "prompt": str(number)}) for number in range(count)]
        (tmp_path / "jobs.jsonl").write_text("\n".join(lines))
        environment = {
            "WANFLOW_API_KEY": api_key,
            "WANFLOW_BASE_URL": server.base_url,
            "WANFLOW_LEDGER": str(tmp_path / "ledger.db"),
        }
        words = ["batch", "jobs.jsonl", "-o", "out", "--max-concurrency", "3"]
        return Terminal([sys.executable, "-m", "wanflow", *words], tmp_path, environment)

    return begin


def test_a_terminal_shows_one_screen_and_no_paths(
    terminal: Callable[[MockServer, int], Terminal], server: MockServer
) -> None:
    """Totals, credits and rate are on it to the last; paths would run into it."""
    with terminal(server, 5) as shown:
        assert shown.end() == 0
        assert re.search(r"5/5 done, [\d.]+ credits, \d+/min", shown.seen)
        assert "━" in shown.seen
        assert ".png" not in shown.seen
        assert "5 saved" in shown.seen


def test_ctrl_c_at_the_keys_is_told_above_the_screen(
    terminal: Callable[[MockServer, int], Terminal], slow: MockServer
) -> None:
    """Once, the batch stops and says how to go on, and no library adds to it."""
    with terminal(slow, 9) as shown:
        shown.until("3 running")
        shown.press(_CTRL_C)
        assert shown.end() == 130
        assert "stopping: nothing more is sent" in shown.seen
        assert "wanflow batch jobs.jsonl -o out --max-concurrency 3" in shown.seen
        assert "Unclosed" not in shown.seen
        assert "Traceback" not in shown.seen


def test_ctrl_c_twice_leaves_in_order(
    terminal: Callable[[MockServer, int], Terminal],
    slow: MockServer,
    api_key: str,
) -> None:
    """At once, and with every connection closed: no library complains of one."""
    rule = slow.faults.add("latency=30", account=slow.accounts.for_key(api_key))
    try:
        with terminal(slow, 1) as shown:
            shown.until("1 submitting")
            shown.press(_CTRL_C)
            shown.until("stopping")
            shown.press(_CTRL_C)
            assert shown.end() == 130
            assert "wanflow batch jobs.jsonl -o out" in shown.seen
            assert "Unclosed" not in shown.seen
    finally:
        slow.faults.remove(rule.id)
