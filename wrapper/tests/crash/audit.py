"""The final check: each job has one end, one charge and complete files."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tests.crash.worker import key_of, prompt_of
from tests.plain_http import PLAIN
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from tests.crash.worker import WorkerTask
    from wanflow.mock import MockServer


def audit(mock: MockServer, worker_task: WorkerTask) -> int:
    """Compare the ledger with the server's tasks and the disk; return how many are uncertain."""
    account = mock.accounts.for_key(worker_task.api_key)
    tasks = [task for task in mock.gateway.tasks if task.account is account]
    charges = Counter(task.prompt for task in tasks)
    prompts = {task.id: task.prompt for task in tasks}
    links = {task.id: task.urls(mock.url)[0] for task in tasks}
    with Ledger(worker_task.ledger) as ledger:
        jobs = {job.key: job for job in ledger.jobs()}
        assert len(jobs) == len(ledger.jobs()) == worker_task.jobs
    uncertain = 0
    for number in range(worker_task.jobs):
        job = jobs[key_of(number)]
        if job.uncertain:
            uncertain += 1
            assert charges[prompt_of(number)] <= 1
            assert not worker_task.honoured, f"{job} is uncertain, and the server honours keys"
            continue
        assert job.state is JobState.SAVED, job
        assert charges[prompt_of(number)] == 1, f"{job} was charged more than once, or never"
        assert prompts[job.task_id] == prompt_of(number)
        (file,) = job.files
        content = file.path.read_bytes()
        assert len(content) == file.size
        assert sha256(content).hexdigest() == file.sha256
        assert content == httpx.get(links[job.task_id], **PLAIN).content
    saved = {file.path.name for job in jobs.values() for file in job.files}
    found = (
        {path.name for path in Path(worker_task.out).iterdir()}
        if Path(worker_task.out).exists()
        else set()
    )
    assert found == saved, f"other files were left in the directory: {found ^ saved}"
    return uncertain
