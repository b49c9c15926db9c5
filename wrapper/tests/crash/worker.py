"""The process that is killed: it resumes unfinished jobs, and runs the missing ones."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Self

from attrs import asdict, frozen

from tests.any_model import model_name
from tests.crash.failpoints import Failpoint, FailpointLedger, FailpointTransport, fill, kill
from wanflow import Client, errors
from wanflow.ledger import JobState

SIZE = "768x768"
"""A small picture is drawn faster."""


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
            size=SIZE,
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


def main(line: str) -> None:
    """Run the worker task of a line of JSON, and print its errors."""
    worker_task: Any = WorkerTask(**json.loads(line))
    if worker_task.jump:
        _make_clock_jump(worker_task.jump)
    for message in work(worker_task):
        print(message)  # noqa: T201


def serve() -> None:
    """Run the worker task of each line in a process forked off for it, and print how it ended.

    To start a process and to import the client takes longer than the work.
    """
    with Client("a-key", "http://127.0.0.1:9") as client:  # this imports what workers need
        client.preview(model=model_name("image", "size"), prompt="x")
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os.dup2(2, 1)
            main(line)
            sys.exit()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201


class Workers:
    """A process that forks off a worker for each task."""

    def __init__(self, errors_file: Path) -> None:
        self._errors_file = errors_file
        with errors_file.open("w") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, worker_task: WorkerTask) -> int:
        """Run a worker to its end, and return its exit code."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(worker_task)) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    @property
    def errors(self) -> str:
        """What all workers have printed."""
        return self._errors_file.read_text()


if __name__ == "__main__":
    if sys.argv[1:]:
        main(sys.argv[1])
    else:
        serve()
