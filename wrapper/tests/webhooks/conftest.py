"""A clock that only tests move, an API that counts its questions, and workers of both colours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from attrs import define, field

from wanflow import AsyncClient, Client
from wanflow.webhooks import CallbackPayload, InMemoryStore, Store, TaskDone
from wanflow.webhooks.verification_queue import VerificationQueue
from wanflow.webhooks.workers import AsyncWorker, ThreadWorker, WorkerContext

if TYPE_CHECKING:
    from collections.abc import Callable


@define
class Time:
    """Seconds that pass when somebody sleeps."""

    now: float = 1000.0

    def ticks(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.now += seconds
        await anyio.lowlevel.checkpoint()


def seen(task_id: str, status: str = "completed", **more: Any) -> httpx.Response:
    """The API's answer to a task query."""
    return httpx.Response(200, json={"id": task_id, "status": status, **more})


def error(status: int, **headers: str) -> httpx.Response:
    """The API's refusal of one."""
    body = {"error": {"code": status, "message": "no", "type": "error"}}
    return httpx.Response(status, json=body, headers=headers)


@define
class Api:
    """Answers each task's queries one after the other, the last answer for ever; 404 for others."""

    time: Time
    answers: dict[str, list[httpx.Response]] = field(factory=dict)
    asked: list[tuple[float, str]] = field(factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        task_id = request.url.path.rpartition("/")[2]
        self.asked.append((self.time.now, task_id))
        script = self.answers.get(task_id) or [error(404)]
        answer = script.pop(0) if len(script) > 1 else script[0]
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    @property
    def times(self) -> list[float]:
        """When questions came, in seconds since the first."""
        return [round(at - self.asked[0][0], 3) for at, _ in self.asked]


@define
class Bench:
    """A desk with workers of one colour, a clock and an API of the test's own."""

    colour: str
    time: Time = field(factory=Time)
    ends: list[TaskDone] = field(factory=list)
    store: Store = field(factory=InMemoryStore)
    rate: float = 1000.0
    handler: Callable[[TaskDone], object] | None = None
    passing: dict[str, Callable[[], object]] = field(factory=dict)
    backend: str = "asyncio"
    api: Api = field(init=False)
    desk: VerificationQueue = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.api = Api(self.time)
        self.desk = VerificationQueue(checks_per_second=self.rate, workers=1)

    def claim(self, *claims: CallbackPayload) -> None:
        """Admit claims and let the workers work until there is nothing to ask."""
        for claim in claims:
            self.desk.put(claim, self.time.now)
        self.work()

    def work(self) -> None:
        if self.colour == "sync":
            self._work()
        else:
            anyio.run(self._awork, backend=self.backend)

    async def work_until(self, moment: str) -> None:
        """Work until the task is cancelled, while `handling` or `napping`."""
        with anyio.CancelScope() as scope:
            self.passing = {moment: scope.cancel}
            await self._awork()
        self.passing = {}
        assert scope.cancelled_caught

    def _on_end(self, end: TaskDone) -> object:
        if self.handler is not None:
            self.handler(end)
        self.ends.append(end)
        return None

    async def _nap(self, seconds: float) -> None:
        self.passing.get("napping", list)()
        await self.time.asleep(seconds)

    async def _on_end_later(self, end: TaskDone) -> None:
        self.passing.get("handling", list)()
        await anyio.lowlevel.checkpoint()
        self._on_end(end)

    def _work(self) -> None:
        with Client("key", "http://api.invalid", transport=httpx.MockTransport(self.api)) as client:
            duty = WorkerContext(self.desk, self.store, self._on_end, self.time.ticks)
            hands = ThreadWorker(duty, client, self.time.sleep)
            if self.desk.start_worker():
                hands.work()

    async def _awork(self) -> None:
        transport = httpx.MockTransport(self.api)
        async with AsyncClient("key", "http://api.invalid", transport=transport) as client:
            duty = WorkerContext(self.desk, self.store, self._on_end_later, self.time.ticks)
            hands = AsyncWorker(duty, client, self._nap)
            await hands.run_pending()


@pytest.fixture(params=["sync", "async"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """Workers of each colour."""
    return Bench(request.param)


def claim_of(task_id: str = "task-unified-1", job: str = "job", **body: Any) -> CallbackPayload:
    """A claim about a task."""
    return CallbackPayload(job, "task", task_id, {"id": task_id, **body})


def body_of(task_id: str = "task-unified-1", **more: Any) -> bytes:
    """A callback's body."""
    return json.dumps({"id": task_id, "status": "completed", **more}).encode()
