"""Who asks the API: threads for the blocking client, the requests' own tasks for the async one."""

from __future__ import annotations

import inspect
import threading
import time
from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.to_thread

from wanflow.webhooks.case import Case
from wanflow.webhooks.claim import Claim

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wanflow.async_client import AsyncClient
    from wanflow.client import Client
    from wanflow.webhooks.desk import Desk, Outcome
    from wanflow.webhooks.end import End
    from wanflow.webhooks.memory import Store

# A worker that waits for a later claim looks up this often, in case an earlier one has come.
_NAP = 0.1


class Hands(Protocol):
    """Works off a desk."""

    def start(self) -> None:
        """See to it that the desk is worked off, without waiting for it."""
        ...

    async def linger(self) -> None:
        """Work here and now, where there is nobody else to do it."""
        ...


class ThreadHands:
    """Asks with a Client, in threads that come with the first claim and go with the last.

    Args:
        desk: what is to be asked.
        ticks, sleep: the clock that the desk's times are of, in seconds.
    """

    def __init__(
        self,
        desk: Desk,
        client: Client,
        store: Store,
        on_end: Callable[[End], object],
        ticks: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._desk = desk
        self._client = client
        self._store = store
        self._on_end = on_end
        self._ticks = ticks
        self._sleep = sleep

    def start(self) -> None:
        """Start a thread if the desk wants one."""
        if self._desk.hire():
            threading.Thread(target=self.work, name="wanflow-callbacks", daemon=True).start()

    async def linger(self) -> None:
        """Do nothing: the threads do it."""

    def work(self) -> None:
        """Ask until there is nothing left to ask."""
        while (step := self._desk.next(self._ticks())) is not None:
            if isinstance(step, Claim):
                self._settle(step)
            else:
                self._sleep(min(step, _NAP))

    def _settle(self, claim: Claim) -> None:
        try:
            outcome = self._ask(claim)
        except BaseException:
            self._desk.desert(claim, self._ticks())
            raise
        self._desk.settle(claim, outcome, self._ticks())

    def _ask(self, claim: Claim) -> Outcome:
        with Case(claim, self._store) as case:
            case.see(self._client.task(claim.task_id).refresh().snapshot)
            end = case.take()
            if end is not None:
                self._on_end(end)
        return case.outcome


class TaskHands:
    """Asks with an AsyncClient, after a request was answered, in that request's own task.

    So it needs no task group, no lifespan and no loop of its own: a claim comes with a request.
    """

    def __init__(
        self,
        desk: Desk,
        client: AsyncClient,
        store: Store,
        on_end: Callable[[End], object],
        ticks: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._desk = desk
        self._client = client
        self._store = store
        self._on_end = on_end
        self._ticks = ticks
        self._sleep = sleep

    def start(self) -> None:
        """Do nothing: the request lingers."""

    async def linger(self) -> None:
        """Ask until there is nothing left to ask, unless others are already at it."""
        if not self._desk.hire():
            return
        while (step := self._desk.next(self._ticks())) is not None:
            if isinstance(step, Claim):
                await self._settle(step)
            else:
                await self._nap(min(step, _NAP))

    async def _nap(self, seconds: float) -> None:
        try:
            await self._sleep(seconds)
        except BaseException:
            self._desk.leave()
            raise

    async def _settle(self, claim: Claim) -> None:
        try:
            outcome = await self._ask(claim)
        except BaseException:
            self._desk.desert(claim, self._ticks())
            raise
        self._desk.settle(claim, outcome, self._ticks())

    async def _ask(self, claim: Claim) -> Outcome:
        with Case(claim, self._store) as case:
            case.see((await self._client.task(claim.task_id).refresh()).snapshot)
            end = await anyio.to_thread.run_sync(case.take)
            if end is not None:
                handled = self._on_end(end)
                if inspect.isawaitable(handled):
                    await handled
        return case.outcome


def hands_of(
    client: Client | AsyncClient,
    desk: Desk,
    store: Store,
    on_end: Callable[[End], object],
    ticks: Callable[[], float],
) -> Hands:
    """Choose the workers that a client's colour needs."""
    from wanflow.async_client import AsyncClient  # noqa: PLC0415 - only where a client was made

    if isinstance(client, AsyncClient):
        return TaskHands(desk, client, store, on_end, ticks)
    return ThreadHands(desk, client, store, on_end, ticks)
