"""One rate for all workers of a key, whatever their number."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define

from wanflow.queue.database import Database
from wanflow.queue.rate import SLICE, RateStopped, SharedRate, key_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.queue.manual_worker import ManualWorker


@define
class FakeClock:
    """A monotonic clock that only sleeping moves; the database's clock moves with it."""

    database: Database
    now: float = 0.0

    def read(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        with self.database.connection() as connection:
            connection.execute(
                "UPDATE wanflow.rate SET filled = filled - %s, slowed = slowed - %s, "
                "paused_until = paused_until - %s",
                [seconds] * 3,
            )


@pytest.fixture
def new_rate(queue: str, worker: ManualWorker) -> Iterator[Callable[..., tuple[Any, Any]]]:
    """Make a worker's rate with a clock of its own."""
    databases: list[Database] = []

    async def run(function: Callable[[], Any]) -> Any:
        return function()

    def new(clock: FakeClock | None = None) -> tuple[SharedRate, FakeClock]:
        database = Database(queue)
        databases.append(database)
        clock = clock or FakeClock(database)
        key = key_hash("Bearer x")
        return SharedRate(database, worker.server, key, run, clock.read, clock.sleep), clock

    yield new
    for one in databases:
        one.close()


def test_calls_of_several_workers_together_keep_to_one_rate(
    new_rate: Callable[..., tuple[SharedRate, FakeClock]],
    worker: ManualWorker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wanflow.queue.rate._CALM", 1000.0)
    first, clock = new_rate()
    others = [new_rate(clock)[0] for _ in range(3)]
    asyncio.run(first.acquire())
    _set_rate(worker, 20)

    async def call() -> int:
        calls = 0
        start = clock.now
        while clock.now < start + 10:
            for rate in (first, *others):
                await rate.acquire()
                calls += 1
        return calls

    calls = asyncio.run(call())
    # 10 s at 20 a second, and what was in the buckets.
    assert 150 <= calls <= 260


def test_a_worker_makes_at_most_four_leases_a_second(
    new_rate: Callable[..., tuple[SharedRate, FakeClock]],
) -> None:
    rate, clock = new_rate()
    leases: list[float] = []
    read = rate.run

    async def counted(function: Callable[[], Any]) -> Any:
        leases.append(clock.now)
        return await read(function)

    rate.run = counted

    async def call() -> None:
        while clock.now < 10:
            await rate.acquire()

    asyncio.run(call())
    assert all(later - earlier >= SLICE - 1e-9 for earlier, later in pairwise(leases))


def test_a_429_slows_every_worker_and_lets_all_pause(
    new_rate: Callable[..., tuple[SharedRate, FakeClock]],
) -> None:
    first, clock = new_rate()
    other, _ = new_rate(clock)
    asyncio.run(first.acquire())
    before = first.per_second
    asyncio.run(first.slow_down(30.0))
    start = clock.now
    asyncio.run(other.acquire())
    assert clock.now - start >= 29
    assert other.per_second == pytest.approx(before / 2, rel=0.1)


def test_a_call_that_was_granted_before_a_429_does_not_begin_after_it(
    new_rate: Callable[..., tuple[SharedRate, FakeClock]],
) -> None:
    """The response to the lease comes late where the database is slow."""
    rate, clock = new_rate()
    read = rate.run
    rejected: list[float] = []

    async def late(function: Callable[[], Any]) -> Any:
        found = await read(function)
        if not rejected:
            rejected.append(clock.now)
            await rate.slow_down(30.0)
        return found

    rate.run = late
    asyncio.run(rate.acquire())
    assert clock.now - rejected[0] >= 29


def test_no_call_begins_once_the_worker_ends(
    new_rate: Callable[..., tuple[SharedRate, FakeClock]],
) -> None:
    rate, _ = new_rate()
    asyncio.run(rate.slow_down(600.0))
    rate.stop()
    with pytest.raises(RateStopped):
        asyncio.run(rate.acquire())


def test_the_key_is_not_in_the_database(
    new_rate: Callable[..., tuple[SharedRate, FakeClock]], worker: ManualWorker
) -> None:
    rate, _ = new_rate()
    asyncio.run(rate.acquire())
    ((key,),) = worker.execute("SELECT key FROM wanflow.rate")
    assert b"Bearer" not in bytes(key)
    assert len(bytes(key)) == 16
    assert "key=" not in repr(rate)


def test_a_pause_does_not_last_longer_because_the_clock_was_set_back(
    new_rate: Callable[..., tuple[SharedRate, FakeClock]], worker: ManualWorker
) -> None:
    """By an hour: all workers would pause for so long, and no 429 would slow them."""
    rate, clock = new_rate()
    asyncio.run(rate.acquire())
    for wanted in (30.0, 20.0):
        asyncio.run(rate.slow_down(wanted))
        before = worker.execute("SELECT per_second FROM wanflow.rate")[0][0]
        worker.execute(
            "UPDATE wanflow.rate SET slowed = slowed + 3600, paused_until = paused_until + 3600"
        )
        if wanted == 20.0:
            asyncio.run(rate.slow_down(wanted))
            assert worker.execute("SELECT per_second FROM wanflow.rate")[0][0] == before / 2
        start = clock.now
        asyncio.run(rate.acquire())
        assert clock.now - start <= (10 if wanted == 30.0 else 30)


def _set_rate(worker: ManualWorker, rate: float) -> None:
    # A 429 of just now keeps it from growing.
    worker.execute(
        "UPDATE wanflow.rate SET per_second = %s, tokens = 0, "
        "slowed = extract(epoch from clock_timestamp())",
        rate,
    )
