"""`wanflow batch` is killed several times; the same command completes it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.crash.worker import WorkerTask
    from wanflow.mock import MockServer

pytestmark = pytest.mark.processes

_JOBS_A_ROUND = 3
_TIMEOUT = 120.0


@pytest.mark.parametrize(
    "honoured", [False, pytest.param(True, marks=pytest.mark.slow)], indirect=True
)  # each kills a batch again and again
def test_a_batch_killed_at_random_is_charged_once(
    server: MockServer, worker_task: WorkerTask, rounds: int, tmp_path: Path
) -> None:
    """Each job ends once, and only uncertain ones may have been charged without a result."""
    prompts = [f"job {number:06d}" for number in range(rounds * _JOBS_A_ROUND)]
    lines = [json.dumps({"model": worker_task.model, "prompt": prompt}) for prompt in prompts]
    (tmp_path / "jobs.jsonl").write_text("\n".join(lines))
    environment = {
        **os.environ,
        "WANFLOW_API_KEY": worker_task.api_key,
        "WANFLOW_BASE_URL": worker_task.base_url,
        "WANFLOW_LEDGER": worker_task.ledger,
    }
    words = [sys.executable, "-m", "wanflow", "batch", str(tmp_path / "jobs.jsonl")]
    words += ["-o", worker_task.out, "--max-concurrency", "4"]
    words += ["--resubmit-uncertain"] if worker_task.honoured else []
    chance = random.Random(rounds)
    for _ in range(rounds):
        quiet = subprocess.DEVNULL
        with subprocess.Popen(words, env=environment, stdout=quiet, stderr=quiet) as process:
            time.sleep(chance.uniform(0.5, 2.5))
            process.kill()
    done = subprocess.run(
        words, env=environment, capture_output=True, text=True, timeout=_TIMEOUT, check=False
    )
    assert done.returncode in {0, 15}, done.stderr
    facts = json.loads((Path(worker_task.out) / "report.json").read_text())
    account = server.accounts.for_key(worker_task.api_key)
    charges = Counter(task.prompt for task in server.gateway.tasks if task.account is account)
    assert len(facts["jobs"]) == len(prompts)
    for job in facts["jobs"]:
        prompt = job["request"]["prompt"]
        if job["status"] == "uncertain":
            assert not worker_task.honoured, "the server honours keys, and a job is uncertain"
            assert charges[prompt] <= 1
            continue
        assert job["status"] == "saved", job
        assert charges[prompt] == 1, job
        for file in job["files"]:
            assert sha256(Path(file["path"]).read_bytes()).hexdigest() == file["sha256"]
