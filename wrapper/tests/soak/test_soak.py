"""Thousands of tasks with faults in all exchanges, half cancelled: server and ledger agree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.soak.worker import ENDS
from wanflow.catalog.catalog import packaged_catalog
from wanflow.ledger import JobState, Ledger
from wanflow.mock import MockServer
from wanflow.mock.gateway.fault import FAULT_KINDS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.processes

SECONDS = float(os.environ.get("WANFLOW_SOAK_SECONDS") or 10)
SEED = int(os.environ.get("WANFLOW_SOAK_SEED") or 1)
_FAULT_RATE = 0.1
"""The part of all exchanges that have a fault."""
_VALUES = {
    "latency": ["0.2"],
    "jitter": ["0.2"],
    "uniform": ["0,0.2"],
    "normal": ["0.1,0.2"],
    "lognormal": ["0.1,0.2"],
    "status": ["302", "400", "404", "409", "429", "500", "502", "503"],
    "missing": ["id", "status"],
    "null": ["id", "results"],
    "wrong-length": ["10", "-10"],
    "drip": ["0.02"],
}
FAULTS = [
    f"{name}={value}" if value else name
    for name in FAULT_KINDS
    if name != "for"  # it ends the faults beside it
    for value in _VALUES.get(name, [""])
]


def test_server_and_ledger_agree_after_a_soak(tmp_path: Path) -> None:
    """No task is charged twice, lost, uncertain without reason, or still owned; nothing is open."""
    models = packaged_catalog().models.values()
    model = next(
        one.name for one in models if one.kind == "image" and "image_urls" not in one.parameters
    )
    ledger_path = str(tmp_path / "ledger.db")
    with MockServer(polls=1, seed=SEED, idempotency=False) as mock:
        mock.gateway.tasks.max_tasks = 10_000_000  # five minutes make more than the mock keeps
        for fault in FAULTS:
            mock.faults.add(fault, probability=_FAULT_RATE / len(FAULTS))
        options = {"base_url": mock.base_url, "api_key": mock.api_key, "ledger": ledger_path}
        words = [sys.executable, "-W", "ignore", "-m", "tests.soak.worker"]
        words.append(json.dumps({**options, "model": model, "seconds": SECONDS, "seed": SEED}))
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=SECONDS + 300, check=False
        )
        assert done.returncode == 0, done.stderr[-5000:]
        found = json.loads(done.stdout)
        tasks = [(task.prompt, task.id) for task in mock.gateway.tasks]
    print(len(tasks), "tasks;", found["ends"])  # noqa: T201
    assert found["left"] == []
    assert not [prompt for prompt, count in Counter(p for p, _ in tasks).items() if count > 1]
    _compare(ledger_path, dict(tasks))
    for end in (*ENDS, "forks"):
        assert found["ends"].get(end), f"none was {end}"


def _compare(ledger_path: str, charged: dict[str, str]) -> None:
    """Compare the ledger with the server's tasks, job by job."""
    with Ledger(ledger_path) as ledger:
        jobs = {job.key: job for job in ledger.jobs()}
        assert not [job for job in jobs.values() if ledger.is_owned(job)]
    recorded = {prompt for prompt in charged if not prompt.startswith(_unrecorded())}
    assert not recorded - jobs.keys(), "a task was charged that the ledger doesn't have"
    for key, job in jobs.items():
        task_id = charged.get(key or "")
        if job.task_id is not None:
            assert job.task_id == task_id, job
        else:
            assert job.state in {JobState.UNCERTAIN, JobState.INTENT, JobState.REJECTED}, job
            assert task_id is None or job.uncertain, f"{job} was charged as {task_id}"


def _unrecorded() -> tuple[str, ...]:
    """Return the name prefixes of submissions by the client without a ledger."""
    return tuple(f"soak-{SEED}-{name}" for name in ("first", "shared", "inherited"))
