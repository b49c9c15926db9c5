"""Who asks the API: threads for the blocking client, the requests' own tasks for the async one."""

from __future__ import annotations

import inspect
import logging
import threading
import time
from typing import TYPE_CHECKING, Protocol, Self

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

# What these say of the id, the key or the account won't change within a minute.
_FINAL = (
    errors.BadRequest,
    errors.AuthenticationFailed,
    errors.InsufficientCredits,
    errors.PermissionDenied,
    errors.NotFound,
)


class Verification:
    """Enter it, ask, `see` the answer, and handle `end` where `take` says that it is to be.

    What is raised inside becomes the `outcome`, but for what stops a thread or a task.
    """

    def __init__(self, claim: CallbackPayload, store: Store) -> None:
        self.outcome: Outcome = RetryLater()
        self.event: TaskDone | None = None
        self._claim = claim
        self._store = store
        self._ours = False

    def set_snapshot(self, snapshot: Snapshot | None) -> None:
        """Take the API's answer about the claim's task."""
        if snapshot is not None and snapshot.done:
            self.event = TaskDone(self._claim.job, self._claim.kind, snapshot)

    def claim_event(self) -> TaskDone | None:
        """Return the end, once in all its life; this may block."""
        if self.event is None:
            return None
        self._ours = self._store.add(self._claim.key)
        self.outcome = Verified()
        return self.event if self._ours else None

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
        if self._ours:
            self._store.remove(self._claim.key)
        if not isinstance(error, Exception):
            return False
        self.outcome = self._after(error)
        return True

    def _after(self, error: Exception) -> Outcome:
        task_id = self._claim.task_id
        if self.event is not None or not isinstance(error, errors.WanflowError):
            _log.error("the end of task %s could not be handled", task_id, exc_info=error)
            return RetryLater()
        _log.warning("a callback told of task %s, and the API doesn't: %s", task_id, error)
        if isinstance(error, _FINAL):
            return Rejected()
        asked = error.retry_after if isinstance(error, errors.APIError) else None
        return RetryLater(asked or 0.0)


# A worker that waits for a later claim looks up this often, in case an earlier one has come.
MAX_SLEEP = 0.1


class Worker(Protocol):
    """Works off a desk."""

    def start(self) -> None:
        """See to it that the desk is worked off, without waiting for it."""
        ...

    async def run_pending(self) -> None:
        """Work here and now, where there is nobody else to do it."""
        ...


@frozen(eq=False)
class WorkerContext:
    """What workers of either colour are given. The times of the desk are in `ticks`."""

    queue: VerificationQueue
    store: Store
    on_task_done: Callable[[TaskDone], object]
    monotonic: Callable[[], float]


@frozen(eq=False)
class ThreadWorker:
    """Asks with a Client, in threads that come with the first claim and go with the last."""

    context: WorkerContext
    client: Client
    sleep: Callable[[float], None] = time.sleep

    def start(self) -> None:
        """Start a thread if the desk wants one."""
        if self.context.queue.start_worker():
            threading.Thread(target=self.work, name="wanflow-callbacks", daemon=True).start()

    async def run_pending(self) -> None:
        """Do nothing: the threads do it."""

    def work(self) -> None:
        """Ask until there is nothing left to ask."""
        while (step := self.context.queue.get(self.context.monotonic())) is not None:
            if isinstance(step, CallbackPayload):
                self._settle(step)
            else:
                self.sleep(min(step, MAX_SLEEP))

    def _settle(self, claim: CallbackPayload) -> None:
        try:
            outcome = self._ask(claim)
        except BaseException:
            self.context.queue.abandon(claim, self.context.monotonic())
            raise
        self.context.queue.done(claim, outcome, self.context.monotonic())

    def _ask(self, claim: CallbackPayload) -> Outcome:
        with Verification(claim, self.context.store) as case:
            case.set_snapshot(self.client.task(claim.task_id).refresh().snapshot)
            end = case.claim_event()
            if end is not None:
                self.context.on_task_done(end)
        return case.outcome


@frozen(eq=False)
class AsyncWorker:
    """Asks with an AsyncClient, after a request was answered, in that request's own task.

    So it needs no task group, no lifespan and no loop of its own: a claim comes with a request.
    """

    context: WorkerContext
    client: AsyncClient
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep

    def start(self) -> None:
        """Do nothing: the request lingers."""

    async def run_pending(self) -> None:
        """Ask until there is nothing left to ask, unless others are already at it."""
        if not self.context.queue.start_worker():
            return
        while (step := self.context.queue.get(self.context.monotonic())) is not None:
            if isinstance(step, CallbackPayload):
                await self._settle(step)
            else:
                await self._nap(min(step, MAX_SLEEP))

    async def _nap(self, seconds: float) -> None:
        try:
            await self.sleep(seconds)
        except BaseException:
            self.context.queue.stop_worker()
            raise

    async def _settle(self, claim: CallbackPayload) -> None:
        try:
            outcome = await self._ask(claim)
        except BaseException:
            self.context.queue.abandon(claim, self.context.monotonic())
            raise
        self.context.queue.done(claim, outcome, self.context.monotonic())

    async def _ask(self, claim: CallbackPayload) -> Outcome:
        with Verification(claim, self.context.store) as case:
            case.set_snapshot((await self.client.task(claim.task_id).refresh()).snapshot)
            end = await anyio.to_thread.run_sync(case.claim_event)
            if end is not None:
                handled = self.context.on_task_done(end)
                if inspect.isawaitable(handled):
                    await handled
        return case.outcome


def make_worker(client: Client | AsyncClient, duty: WorkerContext) -> Worker:
    """Choose the workers that a client's colour needs."""
    from wanflow.async_client import AsyncClient  # noqa: PLC0415 - only where a client was made

    if isinstance(client, AsyncClient):
        return AsyncWorker(duty, client)
    return ThreadWorker(duty, client)
