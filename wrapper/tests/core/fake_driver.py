"""A driver without clock, socket or file: it plays flows in no time and keeps what they did."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from wanflow._core.effects import (
    InvokeCallback,
    RandomFloat,
    ReadClock,
    Request,
    Response,
    RunBlocking,
    SendRequest,
    Shield,
    Sleep,
    TimePoint,
    TransportError,
    WithLock,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wanflow._core.effects import Effect, Flow

T = TypeVar("T")

BIRTH = 1_760_000_000.0
"""The unix time at which every play begins."""
FOR_EVER = 20_000
"""So many effects are taken as a flow that never ends."""


class Stage:
    """Plays one flow. `answer` makes the reply to each request, from it and the seconds played."""

    def __init__(
        self,
        answer: Callable[[Request, float], Response | Exception] | None = None,
        *,
        chance: float = 0.5,
        latency: float = 0.01,
    ) -> None:
        self.ticks = 0.0
        self.trace: list[Effect] = []
        self._answer = answer
        self._chance = chance
        self._latency = latency

    def play(self, flow: Flow[T]) -> T:
        """Run a flow to its end and return what it returns."""
        try:
            effect = next(flow)
            while True:
                self.trace.append(effect)
                assert len(self.trace) < FOR_EVER, "the flow goes on for ever"
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
        """Every request, in order."""
        return [effect.request for effect in self.trace if isinstance(effect, SendRequest)]

    @property
    def slept(self) -> list[float]:
        """Every sleep, in seconds."""
        return [effect.seconds for effect in self.trace if isinstance(effect, Sleep)]

    @property
    def notified(self) -> list[Any]:
        """Every value that a callback of the user's was called with."""
        return [effect.value for effect in self.trace if isinstance(effect, InvokeCallback)]

    def _perform(self, effect: Effect) -> Any:  # noqa: PLR0911
        match effect:
            case SendRequest():
                return self._send(effect)
            case Sleep(seconds):
                assert seconds >= 0, "a sleep of negative length"
                self.ticks += seconds
                return False
            case ReadClock():
                return TimePoint(self.ticks, BIRTH + self.ticks)
            case RandomFloat():
                return self._chance
            case InvokeCallback(callback, value):
                return callback(value)
            case RunBlocking(function) | WithLock(function):
                return function()
            case Shield(flow):
                return self.play(flow)
            case _:
                raise AssertionError(f"the stage can't do {effect}")

    def _send(self, send: SendRequest) -> Response:
        if send.before is not None:
            send.before.function()
        assert self._answer is not None, "a flow that should not have sent did"
        self.ticks += self._latency
        reply = self._answer(send.request, self.ticks)
        if send.tracker is not None:
            send.tracker.maybe_sent = not isinstance(reply, TransportError) or reply.maybe_sent
        if isinstance(reply, Exception):
            raise reply
        return reply


def reply(status: int, body: Any = None, **headers: str) -> Response:
    """Make an answer; a body that isn't bytes goes as JSON, `_` in a header's name as `-`."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(
        status, {name.replace("_", "-"): value for name, value in headers.items()}, content
    )


def task(status: str, **more: Any) -> Response:
    """Make a 200 answer about a task; a completed one has a link."""
    links = {"results": [LINK]} if status.lower() == "completed" else {}
    return reply(200, {"id": TASK_ID, "status": status, "created": int(BIRTH), **links, **more})


LINK = "https://files.example/a.mp4"
TASK_ID = "task-unified-1760000000-abcd1234"

LOST = TransportError("ReadError: the connection was reset", maybe_sent=True)
UNREACHED = TransportError("ConnectError: refused", maybe_sent=False)


def in_turn(replies: Iterable[Response | Exception]) -> Callable[[Request, float], Any]:
    """Answer with each in turn, and with the last for ever."""
    line = list(replies)
    return lambda _request, _ticks: line.pop(0) if len(line) > 1 else line[0]
