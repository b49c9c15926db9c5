"""The process of a soak: threads, event loops and forks submit, wait and are cancelled."""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from attrs import define, field

from tests.client.fast_clock import with_fast_clock
from wanflow import AsyncClient, Client, errors
from wanflow.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

_THREADS = 3
_CONCURRENCY = 12
_LONGEST_CHILD = 30.0
ENDS = ("done", "cancelled", "SubmitUncertain")
_MORE_SECONDS = 120.0
_OPTIONS: dict[str, Any] = {"timeout": 1.0, "retry_timeout": 2.0, "max_connections": 8}


@define
class Soak:
    """The options of a soak, and how its calls ended."""

    base_url: str
    api_key: str
    ledger: str
    model: str
    seconds: float
    seed: int
    ends: Counter[str] = field(factory=Counter)
    _begun: float = field(factory=time.monotonic, init=False)

    @property
    def has_time_left(self) -> bool:
        """Whether there is time left; a slow machine gets more, until each end has occurred."""
        passed = time.monotonic() - self._begun
        return passed < self.seconds or (
            passed < self.seconds + _MORE_SECONDS and not all(self.ends[end] for end in ENDS)
        )

    def client(self, kind: Any, ledger: Ledger | None) -> Any:
        """Make a client with a fast clock."""
        return with_fast_clock(kind(self.api_key, self.base_url, ledger=ledger, **_OPTIONS))

    def request(self, name: str) -> dict[str, Any]:
        """Return a submission whose prompt and key name its origin."""
        key = f"soak-{self.seed}-{name}".ljust(16, "-")
        return {"model": self.model, "prompt": key, "idempotency_key": key}

    def count(self, error: BaseException | None) -> None:
        """Count how a call has ended."""
        self.ends["done" if error is None else type(error).__name__] += 1


def work_in_thread(soak: Soak, ledger: Ledger, name: str) -> None:
    """Submit and wait, one task after the other."""
    with soak.client(Client, ledger) as client:
        number = 0
        while soak.has_time_left:
            number += 1
            soak.count(_submit(client, soak.request(f"{name}-{number}")))


def _submit(client: Client, request: dict[str, Any]) -> BaseException | None:
    try:
        client.run(**request, timeout=30)
    except errors.WanflowError as error:
        return error
    return None


def work_in_loop(soak: Soak, ledger: Ledger, backend: str) -> None:
    """Submit and wait, many concurrently, half of them cancelled."""
    random_source = random.Random(f"{soak.seed} {backend}")

    async def one(client: AsyncClient, name: str) -> None:
        number = 0
        while soak.has_time_left:
            number += 1
            timeout = random_source.uniform(0, 0.1) if random_source.random() < 0.5 else 30.0
            with anyio.move_on_after(timeout) as scope:
                try:
                    await client.run(**soak.request(f"{name}-{number}"), timeout=30)
                except errors.WanflowError as error:
                    soak.count(error)
                else:
                    soak.count(None)
            soak.ends["cancelled"] += scope.cancelled_caught

    async def run_all() -> None:
        async with soak.client(AsyncClient, ledger) as client, anyio.create_task_group() as group:
            for index in range(_CONCURRENCY):
                group.start_soon(one, client, f"{backend}-{index}")

    anyio.run(run_all, backend=backend)


def fork(soak: Soak, shared: Client, number: int) -> int:
    """Fork a child that submits with an inherited client, and with one that has its own ledger."""
    child = os.fork()
    if child:
        return child
    try:
        signal.alarm(int(_LONGEST_CHILD))
        _submit(shared, soak.request(f"inherited-{number}"))
        with Ledger(soak.ledger) as ledger, soak.client(Client, ledger) as client:
            for index in range(3):
                _submit(client, soak.request(f"child-{number}-{index}"))
    finally:
        os._exit(0)


def soak_all(soak: Soak) -> list[str]:
    """Run everything, and return what is left over."""
    with Ledger(soak.ledger) as ledger, soak.client(Client, None) as shared:
        _submit(shared, soak.request("first"))
        works: list[tuple[Callable[..., None], str]] = [
            *((work_in_thread, f"thread-{index}") for index in range(_THREADS)),
            (work_in_loop, "asyncio"),
            (work_in_loop, "trio"),
        ]
        threads = [threading.Thread(target=work, args=(soak, ledger, name)) for work, name in works]
        for thread in threads:
            thread.start()
        children = []
        while soak.has_time_left:
            children.append(fork(soak, shared, len(children)))
            _submit(shared, soak.request(f"shared-{len(children)}"))
            time.sleep(1)
        for child in children:
            os.waitpid(child, 0)
        for thread in threads:
            thread.join()
        soak.ends["forks"] += len(children)
        owned = [str(job) for job in ledger.jobs() if ledger.is_owned(job)]
    return [*owned, *_left()]


def _left() -> list[str]:
    """Return the threads, sockets and files that are left after a short wait."""
    until = time.monotonic() + 10
    while (left := [*_threads(), *_files()]) and time.monotonic() < until:
        gc.collect()
        time.sleep(0.1)
    return left


def _threads() -> list[str]:
    # The executor of event loops keeps its idle threads, as asyncio's own does.
    known = ("MainThread", "wanflow_", "Trio thread", "asyncio_")
    return [one.name for one in threading.enumerate() if not one.name.startswith(known)]


def _files() -> list[str]:
    found = []
    for number in Path("/proc/self/fd").iterdir() if Path("/proc/self/fd").exists() else ():
        with suppress(OSError):
            found.append(str(number.readlink()))
    return [name for name in found if name.startswith("socket:") or "ledger" in name]


def main(words: list[str]) -> None:
    """Run the soak in the argument, and print its result."""
    soak = Soak(**json.loads(words[0]))
    left = soak_all(soak)
    print(json.dumps({"left": left, "ends": soak.ends}))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
