"""A driver without clock, socket or file that runs flows quickly and records their effects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from wanflow._core.effects import (
    EmitEvent,
    InvokeCallback,
    RandomFloat,
    ReadClock,
    Request,
    Response,
    RunBlocking,
    ShieldedFlow,
    Sleep,
    TimePoint,
    TransportError,
    WithLock,
)
from wanflow._runtime.event_dispatcher import EventDispatcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wanflow._core.effects import Effect, Flow
    from wanflow.events import Event

T = TypeVar("T")

START = 1_760_000_000.0
"""The Unix time at which every run begins."""
MAX_EFFECTS = 20_000
"""A flow with more effects counts as one that never ends."""


class FakeDriver:
    """Runs flows. `respond` gets a request and the elapsed seconds, and returns the response."""

    def __init__(
        self,
        respond: Callable[[Request, float], Response | Exception] | None = None,
        *,
        random: float = 0.5,
        latency: float = 0.01,
    ) -> None:
        self.elapsed = 0.0
        self.trace: list[Effect] = []
        self.events: list[Event] = []
        self._dispatcher = EventDispatcher()
        self._respond = respond
        self._random = random
        self._latency = latency

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end and return what it returns."""
        try:
            effect = next(flow)
            while True:
                self.trace.append(effect)
                assert len(self.trace) < MAX_EFFECTS, "the flow never ends"
                try:
                    outcome = self._perform(effect)
                except BaseException as error:
                    effect = flow.throw(error)
                else:
                    effect = flow.send(outcome)
        except StopIteration as stop:
            return stop.value

    @property
    def sent(self) -> list[Request]:
        """Return every request, in order."""
        return [effect for effect in self.trace if isinstance(effect, Request)]

    @property
    def slept(self) -> list[float]:
        """Return every sleep, in seconds."""
        return [effect.seconds for effect in self.trace if isinstance(effect, Sleep)]

    @property
    def notified(self) -> list[Any]:
        """Return every value with which a callback of the user was called."""
        return [effect.value for effect in self.trace if isinstance(effect, InvokeCallback)]

    def _perform(self, effect: Effect) -> Any:  # noqa: C901, PLR0911
        if isinstance(effect, EmitEvent):
            now = TimePoint(self.elapsed, START + self.elapsed)
            self._dispatcher.dispatch(effect, lambda: now, self.events.append)
            return None
        match effect:
            case Request():
                return self._send(effect)
            case Sleep(seconds):
                assert seconds >= 0, "a sleep of negative length"
                self.elapsed += seconds
                return False
            case ReadClock():
                return TimePoint(self.elapsed, START + self.elapsed)
            case RandomFloat():
                return self._random
            case InvokeCallback(callback, value):
                return callback(value)
            case RunBlocking(function) | WithLock(function):
                return function()
            case ShieldedFlow():
                return self.run(effect.run())
            case _:
                raise AssertionError(f"the fake driver doesn't support {effect}")

    def _send(self, send: Request) -> Response:
        if send.before is not None:
            send.before.function()
        assert self._respond is not None, "the flow must not send a request"
        self.elapsed += self._latency
        response = self._respond(send, self.elapsed)
        if send.tracker is not None:
            send.tracker.maybe_sent = (
                not isinstance(response, TransportError) or response.maybe_sent
            )
        if isinstance(response, Exception):
            raise response
        return response


def response(status: int, body: Any = None, **headers: str) -> Response:
    """Return a response; a body that isn't bytes becomes JSON, `_` in a header's name `-`."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(
        status, {name.replace("_", "-"): value for name, value in headers.items()}, content
    )


def task(status: str, **more: Any) -> Response:
    """Return a 200 response about a task; a completed task has a link."""
    links = {"results": [LINK]} if status.lower() == "completed" else {}
    return response(200, {"id": TASK_ID, "status": status, "created": int(START), **links, **more})


LINK = "https://files.example/a.mp4"
TASK_ID = "task-unified-1760000000-abcd1234"

MAYBE_SENT = TransportError("ReadError: the connection was reset", maybe_sent=True)
NOT_SENT = TransportError("ConnectError: refused", maybe_sent=False)


def in_turn(responses: Iterable[Response | Exception]) -> Callable[[Request, float], Any]:
    """Return a function that returns the responses in order, and repeats the last one."""
    queue = list(responses)
    return lambda _request, _elapsed: queue.pop(0) if len(queue) > 1 else queue[0]
