"""The only place where effects become actions: a driver for each colour, alike but for `await`."""

from __future__ import annotations

import inspect
import threading
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import evolve

from wanflow._core.effects import Act, Fetch, Finish, Join, Notify, Send, Shield, Sleep, Start
from wanflow._core.flow import Script
from wanflow._event_loop import in_thread, new_alarm
from wanflow._runtime.context import Hub
from wanflow._runtime.iterators import AsyncStream, Stream
from wanflow._runtime.shield import ashielded, shielded
from wanflow._runtime.task_group import AsyncNursery, Nursery, Rest, placed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from types import ModuleType

    from wanflow._config import Settings
    from wanflow._core.effects import Effect, Flow
    from wanflow._event_loop import Alarm
    from wanflow._transport.client import AsyncWire, Wire

T = TypeVar("T")


class SyncDriver:
    """Plays flows in the calling thread."""

    def __init__(
        self,
        settings: Settings,
        wire: Wire | None = None,
        hub: Hub | None = None,
        home: Nursery | None = None,
    ) -> None:
        self._settings = settings
        self._wire = wire or _wires().Wire(*settings.lines)
        self._hub = hub or Hub()
        self._home = home

    def again(self, settings: Settings) -> SyncDriver:
        """Make a driver with other settings over the same connections."""
        return SyncDriver(settings, self._wire, self._hub)

    def play(self, flow: Flow[T]) -> T:
        """Run a flow to its end and return what it returns."""
        script = Script(flow)
        try:
            self.advance(script, None)
        except BaseException as error:
            script.abandon(error)
            raise
        return cast("T", script.value)

    def play_many(self, flow: Flow[T]) -> T:
        """Run a flow that starts others, and return what it returns."""
        script, nursery = Script(flow), self._nursery()
        with self._finishing(nursery):
            try:
                self.advance(script, nursery)
            except BaseException as error:
                script.abandon(error)
                raise
        nursery.leave()
        return cast("T", script.value)

    @contextmanager
    def _finishing(self, nursery: Nursery) -> Generator[None]:
        """Have what was sent beside a flow finished before what broke that off goes on."""
        try:
            yield
        except BaseException:
            nursery.finish()
            raise

    def _nursery(self) -> Nursery:
        def play(start: Start) -> Any:
            driver = SyncDriver(self._settings, self._wire, self._hub, nursery)
            return (driver.play_many if start.many else driver.play)(start.flow)

        rest = Rest(None if self._home is None else self._home.rest)
        nursery = Nursery(play, self._hub.bells, self._hub.clock, rest)
        return nursery

    def stream(self, flow: Flow[None]) -> Stream[Any]:
        """Return an iterator over what a flow emits."""
        nursery = self._nursery()

        def advance(script: Script[Any]) -> None:
            with self._finishing(nursery):
                self.advance(script, nursery)

        return Stream(flow, advance)

    def ring(self, topic: str) -> None:
        """Tell whoever waits on a topic that there is news of it."""
        self._hub.bells.ring(topic)

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def advance(self, script: Script[Any], nursery: Nursery | None) -> None:
        """Play until the flow emits or ends."""
        while (effect := self._hub.onward(script)) is not None:
            try:
                outcome = self._perform(effect, nursery)
            except BaseException as error:
                script.fail(error)
            else:
                script.go_on(outcome)

    def _perform(self, effect: Effect, nursery: Nursery | None) -> Any:  # noqa: PLR0911
        match effect:
            case Send():
                return self._send(effect)
            case Sleep():
                return self._sleep(effect)
            case Notify(callback, value):
                return callback(value)
            case Act(function):
                return function()
            case Shield(flow, leave):
                return self._shielded(flow, leave)
            case Fetch():
                return self._fetch(effect)
            case Start() | Join() | Finish():
                return placed(nursery, effect).do(effect)
            case _:
                raise RuntimeError(f"{type(effect).__name__} has no place in this flow")

    def _send(self, send: Send) -> Any:
        prepare = None if send.before is None else send.before.function
        if self._home is None or send.request.method != "GET":
            return self._wire.send(send, self._settings, prepare)
        with self._asking():
            return self._wire.send(send, self._settings, prepare)

    def _shielded(self, flow: Flow[Any], leave: Callable[[], bool]) -> Any:
        """Play a flow to its end, though nobody may wait for it any more."""
        whole = SyncDriver(self._settings, self._wire, self._hub)
        self._check()
        value = shielded(partial(whole.play, flow), leave)
        self._check()
        return value

    def _fetch(self, fetch: Fetch) -> Any:
        with self._asking():
            if self._home is not None:
                fetch = evolve(fetch, told=partial(self._told, fetch.told))
            return self._wire.fetch(fetch, self._settings)

    def _told(self, told: Callable[[], Any] | None) -> None:
        self._check()
        if told is not None:
            told()

    @contextmanager
    def _asking(self) -> Generator[None]:
        """Do what needn't be waited for, where others wait; it is left after that."""
        with nullcontext() if self._home is None else self._home.asking():
            self._check()
            yield
        self._check()

    def _check(self) -> None:
        if self._home is not None:
            self._home.rest.check()

    def _sleep(self, sleep: Sleep) -> bool:
        if sleep.topic is None and sleep.waker is None and self._home is None:
            self._hub.clock.sleep(sleep.seconds)
            return False
        news = threading.Event()
        with nullcontext() if self._home is None else self._home.rest.sleeping(news):
            return self._sleep_until(news, sleep)

    def _sleep_until(self, news: threading.Event, sleep: Sleep) -> bool:
        if sleep.topic is None and sleep.waker is None:
            self._hub.clock.sleep_until(news, sleep.seconds)
            return False
        with self._hub.sleeper(sleep, news.set) as woken:
            return woken or self._hub.clock.sleep_until(news, sleep.seconds)


class AsyncDriver:
    """Plays flows in the calling task."""

    def __init__(
        self, settings: Settings, wire: AsyncWire | None = None, hub: Hub | None = None
    ) -> None:
        self._settings = settings
        self._wire = wire or _wires().AsyncWire(*settings.lines)
        self._hub = hub or Hub()

    def again(self, settings: Settings) -> AsyncDriver:
        """Make a driver with other settings over the same connections."""
        return AsyncDriver(settings, self._wire, self._hub)

    async def play(self, flow: Flow[T]) -> T:
        """Run a flow to its end and return what it returns."""
        script = Script(flow)
        try:
            await self.advance(script, None)
        except BaseException as error:
            script.abandon(error)
            raise
        return cast("T", script.value)

    async def play_many(self, flow: Flow[T]) -> T:
        """Run a flow that starts others, and return what it returns."""
        script = Script(flow)
        try:
            await self.advance_many(script)
        except BaseException as error:
            script.abandon(error)
            raise
        return cast("T", script.value)

    async def _play_started(self, start: Start) -> Any:
        return await (self.play_many if start.many else self.play)(start.flow)

    def stream(self, flow: Flow[None]) -> AsyncStream[Any]:
        """Return an iterator over what a flow emits."""
        return AsyncStream(flow, self.advance_many)

    def ring(self, topic: str) -> None:
        """Tell whoever waits on a topic that there is news of it."""
        self._hub.bells.ring(topic)

    async def close(self) -> None:
        """Close the connections."""
        await self._wire.close()

    async def advance(self, script: Script[Any], nursery: AsyncNursery | None) -> None:
        """Play until the flow emits or ends."""
        while (effect := self._hub.onward(script)) is not None:
            try:
                outcome = await self._perform(effect, nursery)
            except BaseException as error:
                script.fail(error)
            else:
                script.go_on(outcome)

    async def advance_many(self, script: Script[Any]) -> None:
        """Play until the flow emits or ends, with a place for the flows that it starts."""
        failure = None
        async with AsyncNursery(self._play_started, self._hub.bells, self._hub.clock) as nursery:
            try:
                await self.advance(script, nursery)
            except (Exception, KeyboardInterrupt, SystemExit) as error:
                failure = error
        if failure is not None:
            raise failure

    def _perform(  # noqa: PLR0911
        self, effect: Effect, nursery: AsyncNursery | None
    ) -> Awaitable[Any]:
        match effect:
            case Send():
                return self._send(effect)
            case Sleep():
                return self._sleep(effect)
            case Notify(callback, value):
                return _told(callback(value))
            case Act():
                return self._act(effect)
            case Shield(flow, leave):
                return ashielded(partial(self.play, flow), leave)
            case Fetch():
                return self._wire.fetch(effect, self._settings)
            case Start() | Join() | Finish():
                return placed(nursery, effect).do(effect)
            case _:
                raise RuntimeError(f"{type(effect).__name__} has no place in this flow")

    def _send(self, send: Send) -> Awaitable[Any]:
        prepare = None if send.before is None else partial(self._act, send.before)
        return self._wire.send(send, self._settings, prepare)

    def _act(self, act: Act) -> Awaitable[Any]:
        company = self._hub.company
        return in_thread(act.function) if act.group is None else company.do(act.function, act.group)

    def _sleep(self, sleep: Sleep) -> Awaitable[bool]:
        if sleep.topic is None and sleep.waker is None:
            return self._hub.clock.asleep(sleep.seconds)
        return self._sleep_until(new_alarm(), sleep)

    async def _sleep_until(self, alarm: Alarm, sleep: Sleep) -> bool:
        with self._hub.sleeper(sleep, alarm.ring_soon) as woken:
            return woken or await self._hub.clock.asleep_until(alarm, sleep.seconds)


async def _told(answer: object) -> object:
    return await answer if inspect.isawaitable(answer) else answer


def _wires() -> ModuleType:
    # With it comes httpx, which takes most of the time that importing this library would.
    return import_module("wanflow._transport.client")
