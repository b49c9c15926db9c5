"""The process that is soaked: threads, event loops and forks submit, wait and are cancelled."""

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
_AT_ONCE = 12
_LONGEST_CHILD = 30.0
_OPTIONS: dict[str, Any] = {"timeout": 1.0, "retry_timeout": 2.0, "max_connections": 8}


@define
class Soak:
    """What is ordered, and how calls have ended."""

    base_url: str
    api_key: str
    ledger: str
    model: str
    seconds: float
    seed: int
    ends: Counter[str] = field(factory=Counter)
    _begun: float = field(factory=time.monotonic, init=False)

    @property
    def goes_on(self) -> bool:
        """Whether there is time left."""
        return time.monotonic() < self._begun + self.seconds

    def client(self, kind: Any, ledger: Ledger | None) -> Any:
        """Make a client that leaps over its pauses."""
        return with_fast_clock(kind(self.api_key, self.base_url, ledger=ledger, **_OPTIONS))

    def order(self, name: str) -> dict[str, Any]:
        """Return one submission, whose prompt and key say who made it."""
        key = f"soak-{self.seed}-{name}".ljust(16, "-")
        return {"model": self.model, "prompt": key, "idempotency_key": key}

    def count(self, error: BaseException | None) -> None:
        """Count how a call has ended."""
        self.ends["done" if error is None else type(error).__name__] += 1


def work_in_thread(soak: Soak, ledger: Ledger, name: str) -> None:
    """Submit and wait, one task after the other."""
    with soak.client(Client, ledger) as client:
        number = 0
        while soak.goes_on:
            number += 1
            soak.count(_submit(client, soak.order(f"{name}-{number}")))


def _submit(client: Client, order: dict[str, Any]) -> BaseException | None:
    try:
        client.run(**order, timeout=30)
    except errors.WanflowError as error:
        return error
    return None


def work_in_loop(soak: Soak, ledger: Ledger, backend: str) -> None:
    """Submit and wait, many at a time, half of them cancelled."""
    chance = random.Random(f"{soak.seed} {backend}")

    async def one(client: AsyncClient, name: str) -> None:
        number = 0
        while soak.goes_on:
            number += 1
            patience = chance.uniform(0, 0.1) if chance.random() < 0.5 else 30.0
            with anyio.move_on_after(patience) as scope:
                try:
                    await client.run(**soak.order(f"{name}-{number}"), timeout=30)
                except errors.WanflowError as error:
                    soak.count(error)
                else:
                    soak.count(None)
            soak.ends["cancelled"] += scope.cancelled_caught

    async def all_of_them() -> None:
        async with soak.client(AsyncClient, ledger) as client, anyio.create_task_group() as group:
            for place in range(_AT_ONCE):
                group.start_soon(one, client, f"{backend}-{place}")

    anyio.run(all_of_them, backend=backend)


def fork(soak: Soak, shared: Client, number: int) -> int:
    """Fork a child that submits by a client it inherited, and by one with a ledger of its own."""
    child = os.fork()
    if child:
        return child
    try:
        signal.alarm(int(_LONGEST_CHILD))
        _submit(shared, soak.order(f"inherited-{number}"))
        with Ledger(soak.ledger) as ledger, soak.client(Client, ledger) as client:
            for place in range(3):
                _submit(client, soak.order(f"child-{number}-{place}"))
    finally:
        os._exit(0)


def soak_all(soak: Soak) -> list[str]:
    """Do it all, and return what is left that shouldn't be."""
    with Ledger(soak.ledger) as ledger, soak.client(Client, None) as shared:
        _submit(shared, soak.order("first"))
        works: list[tuple[Callable[..., None], str]] = [
            *((work_in_thread, f"thread-{place}") for place in range(_THREADS)),
            (work_in_loop, "asyncio"),
            (work_in_loop, "trio"),
        ]
        threads = [threading.Thread(target=work, args=(soak, ledger, name)) for work, name in works]
        for thread in threads:
            thread.start()
        children = []
        while soak.goes_on:
            children.append(fork(soak, shared, len(children)))
            _submit(shared, soak.order(f"shared-{len(children)}"))
            time.sleep(1)
        for child in children:
            os.waitpid(child, 0)
        for thread in threads:
            thread.join()
        soak.ends["forks"] += len(children)
        owned = [str(job) for job in ledger.jobs() if ledger.is_owned(job)]
    return [*owned, *_left()]


def _left() -> list[str]:
    """Say what threads, sockets and files of ours are left, after a little time to end."""
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
    """Do what the one word says, and print what came of it."""
    soak = Soak(**json.loads(words[0]))
    left = soak_all(soak)
    print(json.dumps({"left": left, "ends": soak.ends}))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
