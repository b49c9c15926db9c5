"""A process is killed at any time; in the end nothing is lost and nothing charged twice."""

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
from tests.crash.worker import Workers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.crash.worker import WorkerTask
    from wanflow.mock import MockServer

pytestmark = pytest.mark.processes

_TIMEOUT = 300
UNCERTAIN_POINTS = (
    "after record_intent",
    "before submit",
    "after submit",
    "before record_accepted",
)
"""A job can become uncertain only between the intent and the task's id."""
_JOBS_A_ROUND = 3
_DAYS = 400 * 86_400.0


def run(worker_task: WorkerTask) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        worker_task.words(), capture_output=True, text=True, timeout=_TIMEOUT, check=False
    )


def finish(server: MockServer, worker_task: WorkerTask) -> int:
    """Resume all jobs, audit them, and return the number of uncertain ones."""
    done = run(worker_task)
    assert done.returncode == 0, done.stderr
    return audit(server, worker_task)


@pytest.mark.parametrize(
    "honoured", [False, pytest.param(True, marks=pytest.mark.slow)], indirect=True
)
def test_a_kill_at_any_named_point_loses_nothing(
    server: MockServer, worker_task: WorkerTask, tmp_path: Path
) -> None:
    """The process is killed at each point between two writes, and the next one resumes."""
    with Workers(tmp_path / "errors") as workers:
        for point in POINTS:
            worker_task = evolve(worker_task, jobs=worker_task.jobs + 1)
            code = workers.run(evolve(worker_task, point=point))
            assert code == -signal.SIGKILL, f"{point} was never passed: {workers.errors}"
    assert finish(server, worker_task) == (0 if worker_task.honoured else len(UNCERTAIN_POINTS))


@pytest.mark.slow  # the named points and the batch are killed in `make test`
@pytest.mark.parametrize(
    "honoured", [False, pytest.param(True, marks=pytest.mark.slow)], indirect=True
)
def test_a_kill_at_random_loses_nothing(
    server: MockServer, worker_task: WorkerTask, rounds: int
) -> None:
    """The process is killed at random times, with new jobs each time."""
    chance = random.Random(rounds)
    kills = 0
    worker_task = evolve(
        worker_task, jobs=worker_task.jobs + _JOBS_A_ROUND, max_concurrency=_JOBS_A_ROUND
    )
    began = time.monotonic()
    assert run(worker_task).returncode == 0
    whole = time.monotonic() - began
    for _ in range(rounds):
        worker_task = evolve(
            worker_task, jobs=worker_task.jobs + _JOBS_A_ROUND, max_concurrency=_JOBS_A_ROUND
        )
        with subprocess.Popen(
            worker_task.words(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            time.sleep(chance.uniform(0.3, 0.95) * whole)
            process.kill()
        killed = process.returncode == -signal.SIGKILL
        kills += killed
        # A process that ended first was faster than the measured one: kill earlier.
        whole *= 1 if killed else 0.6
    assert kills
    finish(server, worker_task)


def test_a_clock_that_jumps_loses_nothing(server: MockServer, worker_task: WorkerTask) -> None:
    """A wall clock that jumps by a year changes nothing, because no lock depends on it."""
    worker_task = evolve(worker_task, jobs=4, jump=_DAYS)
    for point in ("after record_accepted", "before record_files"):
        killed_run = run(evolve(worker_task, point=point, nth=2))
        assert killed_run.returncode == -signal.SIGKILL, killed_run.stderr
    assert finish(server, worker_task) == 0


def test_a_disk_that_fills_up_loses_nothing(image_model: str, tmp_path: Path) -> None:
    """On a full disk the ids of running tasks are recorded, and new submissions are errors."""
    disk, other_dir = tmp_path / "disk", tmp_path / "other_dir"
    disk.mkdir()
    other_dir.mkdir()
    small = f"mount -t tmpfs -o size=3m tmpfs {disk}"
    try:
        subprocess.run(["unshare", "-Urm", "sh", "-c", small], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no small disk can be mounted here: it needs Linux and user namespaces")
    script = f'{small} && exec {sys.executable} -m tests.crash.disk_full "$@"'
    words = ["unshare", "-Urm", "sh", "-c", script, "sh", str(disk), str(other_dir), image_model]
    done = subprocess.run(words, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("charged while the disk was full") == 2
    assert "opening: the ledger can be read on a full disk" in done.stdout
    assert "saved before the disk was full, all of them after" in done.stdout
