"""A fake clock, a fake API that records queries, and sync and async workers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from attrs import define, field

from tests.waiting import TIME_LIMIT
from wanflow import AsyncClient, Client
from wanflow.webhooks import CallbackPayload, InMemoryStore, Store, TaskDone, asgi
from wanflow.webhooks.verification_queue import VerificationQueue
from wanflow.webhooks.workers import AsyncWorker, ThreadWorker, WorkerContext

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def limits() -> None:
    """A request of the test goes beyond the time that the app gives it."""


@pytest.fixture(autouse=True)
def no_limits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """In all other tests none does, on the slowest machine."""
    if "limits" not in request.fixturenames:
        monkeypatch.setattr(asgi, "_BODY_TIMEOUT", TIME_LIMIT)
        monkeypatch.setattr(asgi, "_ACCEPT_TIMEOUT", TIME_LIMIT)


@define
class FakeClock:
    """A clock that advances only when something sleeps."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.now += seconds
        await anyio.lowlevel.checkpoint()


def task_response(task_id: str, status: str = "completed", **more: Any) -> httpx.Response:
    """Return the response to a task query."""
    return httpx.Response(200, json={"id": task_id, "status": status, **more})


def error_response(status: int, **headers: str) -> httpx.Response:
    """Return an error response to a task query."""
    body = {"error": {"code": status, "message": "no", "type": "error"}}
    return httpx.Response(status, json=body, headers=headers)


@define
class FakeApi:
    """Gives each task's responses in order, the last one for ever; 404 for other tasks."""

    clock: FakeClock
    responses: dict[str, list[httpx.Response]] = field(factory=dict)
    queries: list[tuple[float, str]] = field(factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        task_id = request.url.path.rpartition("/")[2]
        self.queries.append((self.clock.now, task_id))
        script = self.responses.get(task_id) or [error_response(404)]
        found = script.pop(0) if len(script) > 1 else script[0]
        return httpx.Response(found.status_code, headers=found.headers, content=found.content)

    @property
    def times(self) -> list[float]:
        """The times of the queries, in seconds since the first."""
        return [round(at - self.queries[0][0], 3) for at, _ in self.queries]


@define
class WorkerHarness:
    """A queue with sync or async workers, on a fake clock and a fake API."""

    runner: str
    clock: FakeClock = field(factory=FakeClock)
    handled: list[TaskDone] = field(factory=list)
    store: Store = field(factory=InMemoryStore)
    rate: float = 1000.0
    handler: Callable[[TaskDone], object] | None = None
    hooks: dict[str, Callable[[], object]] = field(factory=dict)
    backend: str = "asyncio"
    api: FakeApi = field(init=False)
    queue: VerificationQueue = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.api = FakeApi(self.clock)
        self.queue = VerificationQueue(checks_per_second=self.rate, workers=1)

    def receive(self, *payloads: CallbackPayload) -> None:
        """Queue callbacks, and run the workers until the queue is empty."""
        for payload in payloads:
            self.queue.put(payload, self.clock.now)
        self.work()

    def work(self) -> None:
        if self.runner == "sync":
            self._work()
        else:
            anyio.run(self._work_async, backend=self.backend)

    async def work_until(self, phase: str) -> None:
        """Run the workers until they are cancelled while `handling` or `sleeping`."""
        with anyio.CancelScope() as scope:
            self.hooks = {phase: scope.cancel}
            await self._work_async()
        self.hooks = {}
        assert scope.cancelled_caught

    def _on_task_done(self, event: TaskDone) -> object:
        if self.handler is not None:
            self.handler(event)
        self.handled.append(event)
        return None

    async def _sleep(self, seconds: float) -> None:
        self.hooks.get("sleeping", list)()
        await self.clock.sleep_async(seconds)

    async def _on_task_done_async(self, event: TaskDone) -> None:
        self.hooks.get("handling", list)()
        await anyio.lowlevel.checkpoint()
        self._on_task_done(event)

    def _work(self) -> None:
        with Client("key", "http://api.invalid", transport=httpx.MockTransport(self.api)) as client:
            context = WorkerContext(
                self.queue, self.store, self._on_task_done, self.clock.monotonic
            )
            worker = ThreadWorker(context, client, self.clock.sleep)
            if self.queue.start_worker():
                worker.work()

    async def _work_async(self) -> None:
        transport = httpx.MockTransport(self.api)
        async with AsyncClient("key", "http://api.invalid", transport=transport) as client:
            context = WorkerContext(
                self.queue, self.store, self._on_task_done_async, self.clock.monotonic
            )
            worker = AsyncWorker(context, client, self._sleep)
            await worker.run_pending()


@pytest.fixture(params=["sync", "async"])
def harness(request: pytest.FixtureRequest) -> WorkerHarness:
    """Sync and async workers."""
    return WorkerHarness(request.param)


def payload_of(task_id: str = "task-unified-1", job: str = "job", **body: Any) -> CallbackPayload:
    """Return the payload of a callback about a task."""
    return CallbackPayload(job, "task", task_id, {"id": task_id, **body})


def callback_body(task_id: str = "task-unified-1", **more: Any) -> bytes:
    """Return the body of a callback."""
    return json.dumps({"id": task_id, "status": "completed", **more}).encode()
