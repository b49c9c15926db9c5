"""The process that is killed: it resumes what is left, and does the jobs that are missing."""

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

from tests.crash.failpoints import Tripwire, WiredLedger, WiredTransport, fill, kill
from wanflow import Client, errors
from wanflow.ledger import JobState


@frozen
class Orders:
    """What a worker is to do: jobs 0 to `jobs`, in a ledger, and the point where disaster strikes.

    `fill` is the folder whose disk is full from there on; without it, the process is killed.
    `honoured` says that the server honours keys; `jump` is how many seconds the clock may be off
    by at each reading.
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
    at_once: int = 1

    def words(self) -> list[str]:
        """Return the command line."""
        module = "tests.crash.worker"
        return [sys.executable, "-m", module, json.dumps(asdict(self))]


def key_of(job: int) -> str:
    """Return the idempotency key of a job."""
    return f"crash-test-job-{job:06d}"


def prompt_of(job: int) -> str:
    """Return the prompt of a job, by which the server's books know it."""
    return f"job {job:06d}"


def work(orders: Orders) -> list[str]:
    """Do what is ordered, and return what went wrong."""
    strike = partial(fill, Path(orders.fill)) if orders.fill else kill
    wire = Tripwire(orders.point, orders.nth, strike)
    with WiredLedger(orders.ledger) as ledger:
        ledger.wire = wire
        with Client(
            orders.api_key, orders.base_url, transport=WiredTransport(wire), ledger=ledger
        ) as client:
            endings = client.resume_all(orders.out, resubmit_uncertain=orders.honoured)
            troubles = [str(ending.error) for ending in endings if ending.error is not None]
            with ThreadPoolExecutor(orders.at_once) as pool:
                missing = [job for job in range(orders.jobs) if _is_missing(ledger, job)]
                done = pool.map(lambda job: _run(client, orders, job), missing)
                return troubles + [trouble for trouble in done if trouble]


def _is_missing(ledger: WiredLedger, job: int) -> bool:
    found = ledger.find(key_of(job))
    return found is None or found.state is JobState.REJECTED


def _run(client: Client, orders: Orders, job: int) -> str | None:
    try:
        client.run(
            model=orders.model,
            prompt=prompt_of(job),
            output_dir=Path(orders.out),
            idempotency_key=key_of(job),
        )
    except errors.WanflowError as error:
        return f"job {job}: {error}"
    return None


def _make_jumpy(most: float) -> None:
    """Have the wall clock leap to and fro; the one that only goes forward stays as it is."""
    real, chance = time.time, random.Random(7)
    time.time = lambda: real() + chance.uniform(-most, most)


def main(words: list[str]) -> None:
    """Do what the one word says."""
    orders: Any = Orders(**json.loads(words[0]))
    if orders.jump:
        _make_jumpy(orders.jump)
    for trouble in work(orders):
        print(trouble)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
