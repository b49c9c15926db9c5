"""A second Ctrl-C prints what is in flight, whatever the interrupted thread is doing."""

from __future__ import annotations

import json
import re
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.batch.terminal import Terminal
from tests.waiting import wait_until
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account

pytestmark = pytest.mark.processes

JOBS = 3
_TIMEOUT = 60.0

# On SIGUSR1 the main thread does something, and receives Ctrl-C twice meanwhile.
PROGRAM = """
import fcntl, gc, io, os, signal, sys, threading, traceback

from wanflow.cli import main

LOCKS = type(threading.Lock()), type(threading.RLock())

def ctrl_c_twice():
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)

def lock(*modules):
    for thing in gc.get_objects():
        if str(type(thing).__module__).startswith(modules):
            for found in gc.get_referents(thing, getattr(thing, "__dict__", None)):
                if isinstance(found, LOCKS):
                    locked.append(found.acquire(blocking=False))

def writing():
    raw.armed = True
    stderr.write("half a line")
    stderr.flush()

def fill():
    os.set_blocking(2, False)
    try:
        while True:
            os.write(2, b"x" * 1000)
    except BlockingIOError:
        os.set_blocking(2, True)

class Raw(io.FileIO):
    armed = False

    def write(self, content):
        if self.armed:
            ctrl_c_twice()
        return super().write(content)

locked = []
raw = Raw(2, "w", closefd=False)
stderr = sys.stderr = io.TextIOWrapper(io.BufferedWriter(raw), write_through=True)
kind = sys.argv.pop(1)

def interrupted(*_):
    try:
        act()
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    os._exit(99)

def act():
    match kind:
        case "screen":
            lock("rich")
        case "ledger":
            lock("wanflow.ledger")
        case "threads":
            lock("threading", "_thread", "concurrent")
            threading._active_limbo_lock.acquire()
        case "full":
            fill()
        case "everything":
            lock("")
            threading._active_limbo_lock.acquire()
            writing()
        case "writing":
            writing()
    assert kind in ("nothing", "writing", "full") or any(locked)
    ctrl_c_twice()

signal.signal(signal.SIGUSR1, interrupted)
sys.exit(main())
"""


@pytest.fixture
def in_flight(server: MockServer, account: Account) -> Iterator[None]:
    """Accept submissions, and never send the responses."""
    rule = server.faults.add("drip=30", account=account, operation="createImageGeneration")
    yield
    server.faults.remove(rule.id)


@pytest.fixture
def folder(tmp_path: Path, model: str) -> Path:
    """A directory with the jobs of a batch."""
    lines = [json.dumps({"model": model, "prompt": str(number)}) for number in range(JOBS)]
    (tmp_path / "jobs.jsonl").write_text("\n".join(lines))
    return tmp_path


def _begin(kind: str, server: MockServer, api_key: str, folder: Path) -> Terminal:
    environment = {
        "WANFLOW_API_KEY": api_key,
        "WANFLOW_BASE_URL": server.base_url,
        "WANFLOW_LEDGER": str(folder / "ledger.db"),
    }
    words = [sys.executable, "-c", PROGRAM, kind, "batch", "jobs.jsonl", "-o", "out"]
    return Terminal(words, folder, environment)


def _keys(folder: Path) -> set[str | None]:
    with Ledger(folder / "ledger.db") as ledger:
        return {job.key for job in ledger.jobs((JobState.INTENT, JobState.UNCERTAIN))}


def _wait_until_sent(account: Account) -> None:
    wait_until(lambda: account.submitted >= JOBS)


@pytest.mark.usefixtures("in_flight")
# "everything" takes the locks of "screen", "ledger" and "threads"; each is a process of its own.
@pytest.mark.parametrize(
    "kind",
    [
        "everything",
        "writing",
        *(
            pytest.param(kind, marks=pytest.mark.slow)
            for kind in ("nothing", "screen", "ledger", "threads")
        ),
    ],
)
def test_a_second_ctrl_c_prints_every_key_and_the_command(
    kind: str, server: MockServer, api_key: str, account: Account, folder: Path
) -> None:
    """It works although the interrupted thread has locks that it doesn't release."""
    with _begin(kind, server, api_key, folder) as shown:
        _wait_until_sent(account)
        shown.signal(signal.SIGUSR1)
        assert shown.end() == 130, shown.seen
    keys = _keys(folder)
    assert len(keys) == JOBS
    assert set(re.findall(r"idempotency key (\S+)\)", shown.seen)) == keys
    assert shown.seen.count("wanflow batch jobs.jsonl -o out") == 1
    assert shown.raw.rfind("\x1b[?25h") > shown.raw.rfind("\x1b[?25l"), "the cursor stays hidden"


@pytest.mark.usefixtures("in_flight")
def test_a_second_ctrl_c_ends_a_command_whose_terminal_is_blocked(
    server: MockServer, api_key: str, account: Account, folder: Path
) -> None:
    """It waits only some seconds for a terminal that accepts no more output."""
    with _begin("full", server, api_key, folder) as shown:
        _wait_until_sent(account)
        shown.signal(signal.SIGUSR1)
        assert shown.exit_code() == 130
