"""Laws of waits that are called: whichever comes first, callback or poll, and the API decides."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.webhooks.conftest import Time, body_of
from wanflow import AsyncClient, Client, Result
from wanflow._core.poll_schedule import slowed
from wanflow.async_client import AsyncResult
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer
from wanflow.mock.clock import VirtualClock
from wanflow.webhooks import Receiver
from wanflow.webhooks.receiver import Clock
from wanflow.webhooks.server import CallbackServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODEL = next(m for m in packaged_catalog().models.values() if "callback_url" in m.parameters)
PATIENCE = 10
JSON = "application/json"


class Sure(Receiver):
    """A receiver whose callbacks have always come: the next poll is half a minute away."""

    def stretch(self, task_id: str) -> float:
        return 1000.0


class Way:
    """A wait of one colour, over a mock whose clock stands still."""

    def __init__(self, colour: str, mock: MockServer) -> None:
        self.colour = colour
        self.mock = mock
        self.looked = threading.Event()
        self.each = False

    def submit(self, number: int, url_of: Callable[[str], str]) -> list[str]:
        """Submit tasks, each with a callback URL of its own, and return their ids."""
        with Client(self.mock.api_key, self.mock.base_url) as client:
            requests = [
                {**MODEL.example, "callback_url": url_of(f"job {n}")} for n in range(number)
            ]
            return [client.submit(request, validate=False).id for request in requests]

    def wait(
        self, ids: list[str], callbacks: Receiver | None, meanwhile: Callable[[], Any]
    ) -> list[Any]:
        """Wait for all; `meanwhile` runs in another thread once each was looked at."""
        seen: set[str] = set()

        def told(snapshot: Any) -> None:
            seen.add(snapshot.id)
            if len(seen) == len(ids):
                self.looked.set()

        def later() -> None:
            assert self.looked.wait(PATIENCE)
            meanwhile()

        other = threading.Thread(target=later)
        other.start()
        try:
            arguments: Any = {"timeout": 25, "on_update": told, "callbacks": callbacks}
            if self.colour == "sync":
                with Client(self.mock.api_key, self.mock.base_url) as client:
                    wait = client.as_completed if self.each else client.wait_all
                    return [*wait(ids, **arguments)]
            return anyio.run(self._await, ids, arguments)
        finally:
            other.join()

    async def _await(self, ids: list[str], arguments: Any) -> list[Any]:
        async with AsyncClient(self.mock.api_key, self.mock.base_url) as client:
            if self.each:
                return [task async for task in client.as_completed(ids, **arguments)]
            return [*(await client.wait_all(ids, **arguments))]

    @property
    def looks(self) -> int:
        """How often the API was asked about a task."""
        return sum(one.method == "GET" for one in self.mock.journal)


@pytest.fixture(params=["sync", "async"])
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    with MockServer(seconds=60, clock=VirtualClock(), loopback_callbacks=True) as mock:
        yield Way(request.param, mock)


@contextmanager
def receiver(kind: type[Receiver] = Receiver) -> Iterator[Receiver]:
    """A receiver without a client, that can be called: the waits ask."""

    class Door:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await made.app(scope, receive, send)

    with CallbackServer(Door()) as listener:  # type: ignore[arg-type]
        base = f"http://127.0.0.1:{listener.port}/callbacks"
        made = kind("a secret of sixteen", base, allow_local=True)
        yield made


class TestWaits:
    """`wait_all(tasks, callbacks=receiver)`."""

    def test_a_callback_ends_the_wait_at_once(self, way: Way) -> None:
        """The next poll is half a minute away; the mock calls, each wait looks, and is done."""
        with receiver(Sure) as calls:
            ids = way.submit(5, calls.url)
            begun = time.monotonic()
            results = way.wait(ids, calls, lambda: way.mock.clock.advance(61))
        assert time.monotonic() - begun < 5
        assert [result.task_id for result in results] == ids
        assert all(isinstance(result, Result | AsyncResult) for result in results)
        assert way.looks == 2 * len(ids)

    @pytest.mark.parametrize("colour", ["sync", "async"])
    def test_a_callback_that_came_before_the_wait_ends_it_at_once(self, colour: str) -> None:
        """The first look is due in ten seconds, and not needed: the call was heard."""
        clock = VirtualClock(time.time() - 1)
        with (
            MockServer(seconds=600, clock=clock, loopback_callbacks=True) as mock,
            receiver() as calls,
        ):
            request = {**MODEL.example, "callback_url": calls.url("job")}

            def called() -> float:
                mock.clock.advance(601)
                until = time.monotonic() + PATIENCE
                while not len(calls._notifier._notified) and time.monotonic() < until:
                    time.sleep(0.01)
                return time.monotonic()

            async def later() -> float:
                async with AsyncClient(mock.api_key, mock.base_url) as client:
                    task = await client.submit(request, validate=False)
                    begun = await anyio.to_thread.run_sync(called)
                    (result,) = await client.wait_all([task], callbacks=calls)
                    assert isinstance(result, AsyncResult)
                    return begun

            def now() -> float:
                with Client(mock.api_key, mock.base_url) as client:
                    task = client.submit(request, validate=False)
                    begun = called()
                    (result,) = client.wait_all([task], callbacks=calls)
                    assert isinstance(result, Result)
                    return begun

            begun = now() if colour == "sync" else anyio.run(later)
            assert time.monotonic() - begun < 3

    @pytest.mark.parametrize("way", ["async"], indirect=True)  # in real time, so one colour will do
    def test_a_poll_ends_it_where_no_callback_comes(self, way: Way) -> None:
        """With a receiver that nobody reaches, polling goes on as ever."""
        calls = Receiver("a secret of sixteen", "http://127.0.0.1:9/callbacks", allow_local=True)
        ids = way.submit(2, calls.url)
        results = way.wait(ids, calls, lambda: way.mock.clock.advance(61))
        assert [result.task_id for result in results] == ids

    def test_a_claim_isnt_believed(self, way: Way) -> None:
        """Whoever knows a URL can make a wait look, and no more: the API says whether it is so."""
        moment = Time()
        clock = Clock(monotonic=moment.ticks)
        calls = Sure("a secret of sixteen", "http://127.0.0.1:9/cb", allow_local=True, clock=clock)
        (task_id,) = way.submit(1, calls.url)
        token = calls.url("job 0").rpartition("/")[2]

        def meanwhile() -> None:
            for _ in range(100):
                calls.handle_request(
                    token, JSON, body_of(task_id, results=["https://evil.example/"])
                )
            until = time.monotonic() + PATIENCE
            while way.looks < 2 and time.monotonic() < until:
                time.sleep(0.01)
            way.mock.clock.advance(61)
            moment.sleep(1)
            calls.handle_request(token, JSON, body_of(task_id))

        (result,) = way.wait([task_id], calls, meanwhile)
        assert result.urls
        assert "https://evil.example/" not in result.urls
        assert way.looks == 3

    def test_a_forged_call_wakes_nobody(self, way: Way) -> None:
        """Without one of our URLs there is no look."""
        calls = Sure("a secret of sixteen", "http://127.0.0.1:9/callbacks", allow_local=True)
        (task_id,) = way.submit(1, calls.url)
        good = calls.url("job 0").rpartition("/")[2]

        def meanwhile() -> None:
            for n in range(200):
                assert calls.handle_request(f"{good}{n}", JSON, body_of(task_id)) == 404
            way.mock.clock.advance(61)
            assert calls.handle_request(good, JSON, body_of(task_id)) == 202

        way.wait([task_id], calls, meanwhile)
        assert way.looks == 2

    def test_callbacks_that_come_slow_the_polling(self, way: Way) -> None:
        """After three tasks of which callbacks told, others are polled eight times less often."""
        with receiver() as calls:
            ids = way.submit(3, calls.url)
            assert calls.poll_factor("other") == 1
            way.wait(ids, calls, lambda: way.mock.clock.advance(61))
            until = time.monotonic() + PATIENCE
            while calls.poll_factor("other") < 8 and time.monotonic() < until:
                time.sleep(0.01)  # a poll may have come first
            assert calls.poll_factor("other") == 8

    def test_as_completed_hears_too(self, way: Way) -> None:
        """Those that were called about are handed out, long before the next poll."""
        way.each = True
        with receiver(Sure) as calls:
            ids = way.submit(3, calls.url)
            begun = time.monotonic()
            done = way.wait(ids, calls, lambda: way.mock.clock.advance(61))
        assert {task.id for task in done} == set(ids)
        assert time.monotonic() - begun < 5
        assert way.looks == 2 * len(ids)


@given(st.floats(0, 1e4), st.floats(1, 1e4))
def test_a_stretched_interval_is_bounded(wanted: float, factor: float) -> None:
    """Never shorter than what was wanted, and never longer than half a minute because of it."""
    found = slowed(wanted, factor)
    assert wanted <= found <= max(wanted, 30)
    assert slowed(wanted, 1) == wanted
