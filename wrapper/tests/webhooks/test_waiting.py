"""Waits with callbacks: a callback or a poll ends a wait, and the API decides."""

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

from tests.client.fast_clock import with_endless_pauses
from tests.waiting import TIME_LIMIT, wait_until
from tests.webhooks.conftest import FakeClock, callback_body
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
JSON = "application/json"


class SlowPollReceiver(Receiver):
    """A receiver that makes polling slow: the next poll is half a minute away."""

    def poll_factor(self, task_id: str) -> float:
        return 1000.0


class WaitHarness:
    """A wait of a sync or async client, on a mock with a virtual clock."""

    def __init__(self, runner: str, mock: MockServer) -> None:
        self.runner = runner
        self.mock = mock
        self.polled = threading.Event()
        self.one_by_one = False
        self.polling = False

    def _with_clock(self, client: Any) -> Any:
        """Only a callback ends the pauses of a wait, unless polling is tested."""
        return client if self.polling else with_endless_pauses(client)

    def submit(self, number: int, url_of: Callable[[str], str]) -> list[str]:
        """Submit tasks, each with its own callback URL, and return their ids."""
        with Client(self.mock.api_key, self.mock.base_url) as client:
            requests = [
                {**MODEL.example, "callback_url": url_of(f"job {n}")} for n in range(number)
            ]
            return [client.submit(request, validate=False).id for request in requests]

    def wait(
        self, ids: list[str], callbacks: Receiver | None, meanwhile: Callable[[], Any]
    ) -> list[Any]:
        """Wait for all; `meanwhile` runs in another thread once each was polled."""
        seen: set[str] = set()

        def record(snapshot: Any) -> None:
            seen.add(snapshot.id)
            if len(seen) == len(ids):
                self.polled.set()

        def later() -> None:
            assert self.polled.wait(TIME_LIMIT)
            meanwhile()

        other = threading.Thread(target=later)
        other.start()
        try:
            arguments: Any = {"timeout": 600, "on_update": record, "callbacks": callbacks}
            if self.runner == "sync":
                with self._with_clock(Client(self.mock.api_key, self.mock.base_url)) as client:
                    wait = client.as_completed if self.one_by_one else client.wait_all
                    return [*wait(ids, **arguments)]
            return anyio.run(self._await, ids, arguments)
        finally:
            other.join()

    async def _await(self, ids: list[str], arguments: Any) -> list[Any]:
        async with self._with_clock(AsyncClient(self.mock.api_key, self.mock.base_url)) as client:
            if self.one_by_one:
                return [task async for task in client.as_completed(ids, **arguments)]
            return [*(await client.wait_all(ids, **arguments))]

    @property
    def polls(self) -> int:
        """How many polls the mock received."""
        return sum(one.method == "GET" for one in self.mock.journal)


@pytest.fixture(params=["sync", "async"])
def harness(request: pytest.FixtureRequest) -> Iterator[WaitHarness]:
    with MockServer(seconds=60, clock=VirtualClock(), loopback_callbacks=True) as mock:
        yield WaitHarness(request.param, mock)


@contextmanager
def receiver(kind: type[Receiver] = Receiver) -> Iterator[Receiver]:
    """A receiver without a client, with a server; the waits poll."""

    class LateApp:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await made.app(scope, receive, send)

    with CallbackServer(LateApp()) as listener:  # type: ignore[arg-type]
        base = f"http://127.0.0.1:{listener.port}/callbacks"
        made = kind("a secret of sixteen", base, allow_local=True)
        yield made


class TestWaits:
    """`wait_all(tasks, callbacks=receiver)`."""

    def test_a_callback_ends_the_wait_immediately(self, harness: WaitHarness) -> None:
        """The next poll is half a minute away; a callback makes each wait poll and end."""
        with receiver(SlowPollReceiver) as callbacks:
            ids = harness.submit(5, callbacks.url)
            results = harness.wait(ids, callbacks, lambda: harness.mock.clock.advance(61))
        assert [result.task_id for result in results] == ids
        assert all(isinstance(result, Result | AsyncResult) for result in results)
        assert harness.polls == 2 * len(ids)

    @pytest.mark.parametrize("runner", ["sync", "async"])
    def test_a_callback_before_the_wait_ends_it_immediately(self, runner: str) -> None:
        """The first poll is due in ten seconds, but the callback causes one earlier."""
        clock = VirtualClock(time.time() - 1)
        with (
            MockServer(seconds=600, clock=clock, loopback_callbacks=True) as mock,
            receiver() as callbacks,
        ):
            request = {**MODEL.example, "callback_url": callbacks.url("job")}

            def called() -> None:
                mock.clock.advance(601)
                wait_until(lambda: len(callbacks._notifier._notified))

            async def later() -> None:
                made = AsyncClient(mock.api_key, mock.base_url)
                async with with_endless_pauses(made) as client:
                    task = await client.submit(request, validate=False)
                    await anyio.to_thread.run_sync(called)
                    (result,) = await client.wait_all([task], callbacks=callbacks)
                    assert isinstance(result, AsyncResult)

            def now() -> None:
                with with_endless_pauses(Client(mock.api_key, mock.base_url)) as client:
                    task = client.submit(request, validate=False)
                    called()
                    (result,) = client.wait_all([task], callbacks=callbacks)
                    assert isinstance(result, Result)

            if runner == "sync":
                now()
            else:
                anyio.run(later)

    @pytest.mark.parametrize(
        "harness", ["async"], indirect=True
    )  # in real time, so one kind is enough
    def test_a_poll_ends_the_wait_if_no_callback_arrives(self, harness: WaitHarness) -> None:
        """With a receiver that gets no callbacks, polling is normal."""
        callbacks = Receiver(
            "a secret of sixteen", "http://127.0.0.1:9/callbacks", allow_local=True
        )
        harness.polling = True
        ids = harness.submit(2, callbacks.url)
        results = harness.wait(ids, callbacks, lambda: harness.mock.clock.advance(61))
        assert [result.task_id for result in results] == ids

    def test_a_false_callback_only_causes_a_poll(self, harness: WaitHarness) -> None:
        """A forged callback with a valid URL causes one poll; the API decides."""
        fake_clock = FakeClock()
        clock = Clock(monotonic=fake_clock.monotonic)
        callbacks = SlowPollReceiver(
            "a secret of sixteen", "http://127.0.0.1:9/cb", allow_local=True, clock=clock
        )
        (task_id,) = harness.submit(1, callbacks.url)
        token = callbacks.url("job 0").rpartition("/")[2]

        def meanwhile() -> None:
            for _ in range(100):
                callbacks.handle_request(
                    token, JSON, callback_body(task_id, results=["https://evil.example/"])
                )
            wait_until(lambda: harness.polls >= 2)
            harness.mock.clock.advance(61)
            fake_clock.sleep(1)
            callbacks.handle_request(token, JSON, callback_body(task_id))

        (result,) = harness.wait([task_id], callbacks, meanwhile)
        assert result.urls
        assert "https://evil.example/" not in result.urls
        assert harness.polls == 3

    def test_a_callback_with_a_forged_url_causes_no_poll(self, harness: WaitHarness) -> None:
        """Without a valid URL there is no poll."""
        callbacks = SlowPollReceiver(
            "a secret of sixteen", "http://127.0.0.1:9/callbacks", allow_local=True
        )
        (task_id,) = harness.submit(1, callbacks.url)
        good = callbacks.url("job 0").rpartition("/")[2]

        def meanwhile() -> None:
            for n in range(200):
                assert callbacks.handle_request(f"{good}{n}", JSON, callback_body(task_id)) == 404
            harness.mock.clock.advance(61)
            assert callbacks.handle_request(good, JSON, callback_body(task_id)) == 202

        harness.wait([task_id], callbacks, meanwhile)
        assert harness.polls == 2

    def test_callbacks_that_arrive_slow_polling(self, harness: WaitHarness) -> None:
        """After callbacks for three tasks, others are polled eight times less often."""
        with receiver() as callbacks:
            ids = harness.submit(3, callbacks.url)
            assert callbacks.poll_factor("other") == 1
            harness.wait(ids, callbacks, lambda: harness.mock.clock.advance(61))
            wait_until(lambda: callbacks.poll_factor("other") == 8)  # a poll may have come first

    def test_as_completed_uses_callbacks(self, harness: WaitHarness) -> None:
        """Tasks are yielded after their callbacks, long before the next poll."""
        harness.one_by_one = True
        with receiver(SlowPollReceiver) as callbacks:
            ids = harness.submit(3, callbacks.url)
            done = harness.wait(ids, callbacks, lambda: harness.mock.clock.advance(61))
        assert {task.id for task in done} == set(ids)
        assert harness.polls == 2 * len(ids)


@given(st.floats(0, 1e4), st.floats(1, 1e4))
def test_a_slowed_interval_is_bounded(wanted: float, factor: float) -> None:
    """It is never shorter than the normal interval, and not slowed beyond half a minute."""
    found = slowed(wanted, factor)
    assert wanted <= found <= max(wanted, 30)
    assert slowed(wanted, 1) == wanted
