"""`wanflow batch` in a terminal: a live screen, and Ctrl-C on the keyboard."""

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

pytestmark = pytest.mark.processes

_CTRL_C = b"\x03"


@pytest.fixture(scope="module")
def slow() -> Iterator[MockServer]:
    """A mock whose tasks take an hour."""
    with MockServer(seconds=3600) as mock:
        yield mock


@pytest.fixture
def terminal(api_key: str, model: str, tmp_path: Path) -> Callable[[MockServer, int], Terminal]:
    """Start a batch of some jobs in a terminal."""

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
    """It has totals, credits and the rate; paths would disturb it."""
    with terminal(server, 5) as shown:
        assert shown.end() == 0
        assert re.search(r"5/5 done, [\d.]+ credits, \d+/min", shown.seen)
        assert "━" in shown.seen
        assert ".png" not in shown.seen
        assert "5 saved" in shown.seen


def test_ctrl_c_on_the_keyboard_is_reported_above_the_screen(
    terminal: Callable[[MockServer, int], Terminal], slow: MockServer
) -> None:
    """After one, the batch stops and prints the command to resume; no library prints anything."""
    with terminal(slow, 9) as shown:
        shown.until("3 running")
        shown.press(_CTRL_C)
        assert shown.end() == 130
        assert "stopping: nothing more is sent" in shown.seen
        assert "wanflow batch jobs.jsonl -o out --max-concurrency 3" in shown.seen
        assert "Unclosed" not in shown.seen
        assert "Traceback" not in shown.seen


def test_ctrl_c_twice_closes_every_connection(
    terminal: Callable[[MockServer, int], Terminal],
    slow: MockServer,
    api_key: str,
) -> None:
    """It exits immediately, and no library warns about an open connection."""
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
