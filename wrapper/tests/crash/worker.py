"""The process that is killed: it resumes unfinished jobs, and runs the missing ones."""

from __future__ import annotations

import json
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from tests.crash.failpoints import Failpoint, FailpointLedger, FailpointTransport, fill, kill
from wanflow import Client, errors
from wanflow.ledger import JobState


@frozen
class WorkerTask:
    """The task of a worker: jobs 0 to `jobs` in a ledger, and a failpoint.

    `fill` is the directory whose disk is filled there; without it, the process is killed.
    `honoured` says that the server honours keys; `jump` is the maximum error of the clock in
    seconds.
    """

    base_url: str
    api_key: str
    ledger: str
    out: str
    model: str
    jobs: int
    point: str = ""
    nth: int = 1
    fill: str = ""
    honoured: bool = False
    jump: float = 0.0
    max_concurrency: int = 1

    def words(self) -> list[str]:
        """Return the command line."""
        module = "tests.crash.worker"
        return [sys.executable, "-m", module, json.dumps(asdict(self))]


def key_of(job: int) -> str:
    """Return the idempotency key of a job."""
    return f"crash-test-job-{job:06d}"


def prompt_of(job: int) -> str:
    """Return the prompt of a job, which identifies it at the server."""
    return f"job {job:06d}"


def work(worker_task: WorkerTask) -> list[str]:
    """Run the jobs, and return the errors."""
    action = partial(fill, Path(worker_task.fill)) if worker_task.fill else kill
    failpoint = Failpoint(worker_task.point, worker_task.nth, action)
    with FailpointLedger(worker_task.ledger) as ledger:
        ledger.failpoint = failpoint
        with Client(
            worker_task.api_key,
            worker_task.base_url,
            transport=FailpointTransport(failpoint),
            ledger=ledger,
        ) as client:
            endings = client.resume_all(worker_task.out, resubmit_uncertain=worker_task.honoured)
            errors_found = [str(ending.error) for ending in endings if ending.error is not None]
            with ThreadPoolExecutor(worker_task.max_concurrency) as pool:
                missing = [job for job in range(worker_task.jobs) if _is_missing(ledger, job)]
                done = pool.map(lambda job: _run(client, worker_task, job), missing)
                return errors_found + [message for message in done if message]


def _is_missing(ledger: FailpointLedger, job: int) -> bool:
    found = ledger.find(key_of(job))
    return found is None or found.state is JobState.REJECTED


def _run(client: Client, worker_task: WorkerTask, job: int) -> str | None:
    try:
        client.run(
            model=worker_task.model,
            prompt=prompt_of(job),
            output_dir=Path(worker_task.out),
            idempotency_key=key_of(job),
        )
    except errors.WanflowError as error:
        return f"job {job}: {error}"
    return None


def _make_clock_jump(most: float) -> None:
    """Make the wall clock jump; the monotonic clock is unchanged."""
    real, chance = time.time, random.Random(7)
    time.time = lambda: real() + chance.uniform(-most, most)


def main(words: list[str]) -> None:
    """Run the worker task in the argument, and print its errors."""
    worker_task: Any = WorkerTask(**json.loads(words[0]))
    if worker_task.jump:
        _make_clock_jump(worker_task.jump)
    for message in work(worker_task):
        print(message)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
