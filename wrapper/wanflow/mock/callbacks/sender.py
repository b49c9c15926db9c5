"""Sends callbacks for tasks that have ended, with retries."""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from attrs import define, field

from wanflow.mock.callbacks.ssrf_guard import SsrfGuard, UrlBlocked

if TYPE_CHECKING:
    from wanflow.mock.gateway.gateway import Gateway
    from wanflow.mock.gateway.tasks import Task

TIMEOUT = 10.0
RETRY_DELAYS = (1.0, 2.0, 4.0)
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r]")
_MAX_ATTEMPTS = 1000


class DeliveryAttempt(NamedTuple):
    """One attempt: its number from 1, the time of the mock's clock, and its result.

    `status` is that of the response, 0 if there was none; `problem` is empty on success.
    """

    task_id: str
    number: int
    at: float
    status: int
    problem: str


@define(eq=False)
class CallbackSender:
    """Sends the status response of each task to its callback URL, if it has one.

    `attempts` are the latest of the `attempted` ones. Each has 10 seconds; after a failure up to 3
    more follow, after 1, 2 and 4 seconds of the mock's clock. Only 2xx is success; redirects are
    not followed.
    """

    gateway: Gateway
    ssrf_guard: SsrfGuard = field(factory=SsrfGuard)
    timeout: float = TIMEOUT
    attempted: int = 0
    attempts: deque[DeliveryAttempt] = field(
        factory=lambda: deque(maxlen=_MAX_ATTEMPTS), repr=False
    )
    _running: set[asyncio.Task[None]] = field(factory=set[asyncio.Task[None]], repr=False)

    def schedule(self, task: Task) -> None:
        """Begin to deliver a task's end; call it inside the event loop."""
        if task.callback_url:
            self._try(task, 1)

    def close(self) -> None:
        """Give up whatever is on its target."""
        for running in tuple(self._running):
            running.cancel()

    def _try(self, task: Task, number: int) -> None:
        running = asyncio.get_running_loop().create_task(self._attempt(task, number))
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def _attempt(self, task: Task, number: int) -> None:
        status, problem, final = 0, "", False
        try:
            async with asyncio.timeout(self.timeout):
                status = await self._post(task)
            problem = "" if 200 <= status < 300 else f"responded with {status}"  # noqa: PLR2004 - success
        except UrlBlocked as blocked:
            problem, final = str(blocked), True
        except TimeoutError:
            problem = f"no response in {self.timeout:g} seconds"
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:
            problem = f"{type(error).__name__}: {error}"[:200]
        now = self.gateway.clock.now()
        self.attempted += 1
        self.attempts.append(DeliveryAttempt(task.id, number, now, status, problem))
        if problem and not final and number <= len(RETRY_DELAYS):
            self.gateway.scheduler.call_at(
                now + RETRY_DELAYS[number - 1], lambda: self._try(task, number + 1)
            )

    async def _post(self, task: Task) -> int:
        body = json.dumps(self.gateway.status_response(task)).encode()
        target, (reader, writer) = await self.ssrf_guard.connect_to(task.callback_url or "")
        head = (
            f"POST {target.path} HTTP/1.1\r\nHost: {target.authority}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            "User-Agent: wanflow-mock\r\nConnection: close\r\n\r\n"
        )
        try:
            writer.write(head.encode("ascii") + body)
            await writer.drain()
            line = await reader.readline()
        finally:
            writer.close()
        found = _STATUS.match(line)
        if found is None:
            raise ValueError("the response was not HTTP")
        return int(found[1])
