"""Workers that ask the API: threads for Client, the requests' own tasks for AsyncClient."""

from __future__ import annotations

import inspect
import logging
import threading
import time
from typing import TYPE_CHECKING, Self, TypeAlias

import anyio
import anyio.to_thread
from attrs import frozen

from wanflow import errors
from wanflow.webhooks.events import CallbackPayload, TaskDone
from wanflow.webhooks.verification_queue import Outcome, Rejected, RetryLater, Verified

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from wanflow._core.snapshot import Snapshot
    from wanflow.async_client import AsyncClient
    from wanflow.client import Client
    from wanflow.webhooks.store import Store
    from wanflow.webhooks.verification_queue import Outcome, VerificationQueue

_log = logging.getLogger("wanflow")

# Errors of the id, the key or the account, which won't change within a minute.
_FINAL = (
    errors.BadRequest,
    errors.AuthenticationFailed,
    errors.InsufficientCredits,
    errors.PermissionDenied,
    errors.NotFound,
    errors.WrongBaseURL,
)


class Verification:
    """One check: enter it, call `set_snapshot`, and handle the event that `claim_event` returns.

    Exceptions raised inside set `outcome`; those that stop a thread or a task are raised again.
    """

    def __init__(self, payload: CallbackPayload, store: Store) -> None:
        self.outcome: Outcome = RetryLater()
        self.event: TaskDone | None = None
        self._payload = payload
        self._store = store
        self._claimed = False

    def set_snapshot(self, snapshot: Snapshot | None) -> None:
        """Set the API's response for the task."""
        if snapshot is not None and snapshot.done:
            self.event = TaskDone(self._payload.job, self._payload.kind, snapshot)

    def claim_event(self) -> TaskDone | None:
        """Return the event if nobody has handled it yet; this may block."""
        if self.event is None:
            return None
        self._claimed = self._store.add(self._payload.key)
        self.outcome = Verified()
        return self.event if self._claimed else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is None:
            return False
        if self._claimed:
            self._store.remove(self._payload.key)
        if not isinstance(error, Exception):
            return False
        self.outcome = self._after(error)
        return True

    def _after(self, error: Exception) -> Outcome:
        task_id = self._payload.task_id
        if self.event is not None or not isinstance(error, errors.WanflowError):
            _log.error("the event of task %s could not be handled", task_id, exc_info=error)
            return RetryLater()
        _log.warning("a callback named task %s, but the API didn't confirm it: %s", task_id, error)
        if isinstance(error, _FINAL):
            return Rejected()
        retry_after = error.retry_after if isinstance(error, errors.APIError) else None
        return RetryLater(retry_after or 0.0)


# A worker that waits for a later callback wakes up this often, to check for an earlier one.
MAX_SLEEP = 0.1


@frozen(eq=False)
class WorkerContext:
    """What sync and async workers need. The times of the queue are those of `monotonic`."""

    queue: VerificationQueue
    store: Store
    on_task_done: Callable[[TaskDone], object]
    monotonic: Callable[[], float]


@frozen(eq=False)
class ThreadWorker:
    """Verifies with a Client, in threads that start and end with the queue's content."""

    context: WorkerContext
    client: Client
    sleep: Callable[[float], None] = time.sleep

    def start(self) -> None:
        """Start a thread if the queue needs one."""
        if self.context.queue.start_worker():
            threading.Thread(target=self.work, name="wanflow-callbacks", daemon=True).start()

    async def run_pending(self) -> None:
        """Do nothing: the threads verify."""

    def work(self) -> None:
        """Verify until the queue is empty."""
        while (step := self.context.queue.get(self.context.monotonic())) is not None:
            if isinstance(step, CallbackPayload):
                self._verify(step)
            else:
                self.sleep(min(step, MAX_SLEEP))

    def _verify(self, payload: CallbackPayload) -> None:
        try:
            outcome = self._ask(payload)
        except BaseException:
            self.context.queue.abandon(payload, self.context.monotonic())
            raise
        self.context.queue.done(payload, outcome, self.context.monotonic())

    def _ask(self, payload: CallbackPayload) -> Outcome:
        with Verification(payload, self.context.store) as check:
            check.set_snapshot(self.client.task(payload.task_id).refresh().snapshot)
            event = check.claim_event()
            if event is not None:
                self.context.on_task_done(event)
        return check.outcome


@frozen(eq=False)
class AsyncWorker:
    """Verifies with an AsyncClient, in the task of a request, after its response was sent.

    So it needs no task group, lifespan or event loop of its own.
    """

    context: WorkerContext
    client: AsyncClient
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep

    def start(self) -> None:
        """Do nothing: `run_pending` verifies."""

    async def run_pending(self) -> None:
        """Verify until the queue is empty, unless enough other requests do."""
        if not self.context.queue.start_worker():
            return
        while (step := self.context.queue.get(self.context.monotonic())) is not None:
            if isinstance(step, CallbackPayload):
                await self._verify(step)
            else:
                await self._sleep(min(step, MAX_SLEEP))

    async def _sleep(self, seconds: float) -> None:
        try:
            await self.sleep(seconds)
        except BaseException:
            self.context.queue.stop_worker()
            raise

    async def _verify(self, payload: CallbackPayload) -> None:
        try:
            outcome = await self._ask(payload)
        except BaseException:
            self.context.queue.abandon(payload, self.context.monotonic())
            raise
        self.context.queue.done(payload, outcome, self.context.monotonic())

    async def _ask(self, payload: CallbackPayload) -> Outcome:
        with Verification(payload, self.context.store) as check:
            check.set_snapshot((await self.client.task(payload.task_id).refresh()).snapshot)
            event = await anyio.to_thread.run_sync(check.claim_event)
            if event is not None:
                handled = self.context.on_task_done(event)
                if inspect.isawaitable(handled):
                    await handled
        return check.outcome


Worker: TypeAlias = ThreadWorker | AsyncWorker
"""Verifies the callbacks of a queue."""


def make_worker(client: Client | AsyncClient, context: WorkerContext) -> Worker:
    """Return the worker for a sync or async client."""
    from wanflow.async_client import AsyncClient  # noqa: PLC0415 - only where a client was made

    if isinstance(client, AsyncClient):
        return AsyncWorker(context, client)
    return ThreadWorker(context, client)
