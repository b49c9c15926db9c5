"""A process is killed at any moment; when all is done, nothing is lost and nothing paid twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from tests.crash.audit import audit
from tests.crash.failpoints import POINTS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.crash.worker import Orders
    from wanflow.mock import MockServer

_PATIENCE = 300
DOUBTFUL = ("after record_intent", "before submit", "after submit", "before record_accepted")
"""Between the intent and the task's id, and nowhere else, a job can come to be in doubt."""
_JOBS_A_ROUND = 3
_DAYS = 400 * 86_400.0


def run(orders: Orders) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        orders.words(), capture_output=True, text=True, timeout=_PATIENCE, check=False
    )


def finish(server: MockServer, orders: Orders) -> int:
    """Resume until all is done, hold the books, and return how many jobs are uncertain."""
    done = run(orders)
    assert done.returncode == 0, done.stderr
    return audit(server, orders)


@pytest.mark.parametrize(
    "honoured", [False, pytest.param(True, marks=pytest.mark.slow)], indirect=True
)
def test_a_kill_at_any_named_point_loses_nothing(server: MockServer, orders: Orders) -> None:
    """Killed at each point between two writes, and taken up by the next process each time."""
    for point in POINTS:
        orders = evolve(orders, jobs=orders.jobs + 1)
        died = run(evolve(orders, point=point))
        assert died.returncode == -signal.SIGKILL, f"{point} was never passed: {died.stderr}"
    assert finish(server, orders) == (0 if orders.honoured else len(DOUBTFUL))


@pytest.mark.parametrize("honoured", [False, True], indirect=True)
def test_a_kill_at_random_loses_nothing(server: MockServer, orders: Orders, rounds: int) -> None:
    """Killed at a random moment of its run, again and again, with new jobs each time."""
    chance = random.Random(rounds)
    kills = 0
    orders = evolve(orders, jobs=orders.jobs + _JOBS_A_ROUND, at_once=_JOBS_A_ROUND)
    began = time.monotonic()
    assert run(orders).returncode == 0
    whole = time.monotonic() - began
    for _ in range(rounds):
        orders = evolve(orders, jobs=orders.jobs + _JOBS_A_ROUND, at_once=_JOBS_A_ROUND)
        with subprocess.Popen(
            orders.words(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            time.sleep(chance.uniform(0.3, 0.95) * whole)
            process.kill()
        killed = process.returncode == -signal.SIGKILL
        kills += killed
        # One that ended first was quicker than the one that was timed: aim earlier.
        whole *= 1 if killed else 0.6
    assert kills
    finish(server, orders)


def test_a_clock_that_jumps_loses_nothing(server: MockServer, orders: Orders) -> None:
    """A wall clock that leaps by a year to and fro changes nothing: no lease rests on it."""
    orders = evolve(orders, jobs=4, jump=_DAYS)
    for point in ("after record_accepted", "before record_files"):
        died = run(evolve(orders, point=point, nth=2))
        assert died.returncode == -signal.SIGKILL, died.stderr
    assert finish(server, orders) == 0


def test_a_disk_that_fills_up_loses_nothing(picture: str, tmp_path: Path) -> None:
    """A full disk takes the ids of tasks under way, lets nothing new begin, and says why."""
    disk, elsewhere = tmp_path / "disk", tmp_path / "elsewhere"
    disk.mkdir()
    elsewhere.mkdir()
    small = f"mount -t tmpfs -o size=3m tmpfs {disk}"
    try:
        subprocess.run(["unshare", "-Urm", "sh", "-c", small], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no small disk can be mounted here: it takes Linux and user namespaces")
    script = f'{small} && exec {sys.executable} -m tests.crash.disk_full "$@"'
    words = ["unshare", "-Urm", "sh", "-c", script, "sh", str(disk), str(elsewhere), picture]
    done = subprocess.run(words, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("charged while the disk was full") == 2
    assert "opening: what was kept can be read on a full disk" in done.stdout
    assert "saved before the disk was full, all of them after" in done.stdout
