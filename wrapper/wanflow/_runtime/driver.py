"""The only place where effects become actions: a driver for each colour, alike but for `await`."""

from __future__ import annotations

import inspect
import threading
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import evolve

from wanflow._core.effects import (
    Finish,
    InvokeCallback,
    RunBlocking,
    SendRequest,
    Shield,
    Sleep,
    Spawn,
    StreamDownload,
    WaitNext,
)
from wanflow._core.flow import FlowRun
from wanflow._event_loop import new_waker, run_in_thread
from wanflow._runtime.context import SharedState
from wanflow._runtime.iterators import AsyncFlowIterator, FlowIterator
from wanflow._runtime.shield import ashielded, shielded
from wanflow._runtime.task_group import AsyncTaskGroup, CancellableSleep, ThreadGroup, require_group

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from types import ModuleType

    from wanflow._config import ClientConfig
    from wanflow._core.effects import Effect, Flow
    from wanflow._event_loop import Waker
    from wanflow._transport.client import AsyncTransport, SyncTransport

T = TypeVar("T")


class SyncDriver:
    """Plays flows in the calling thread."""

    def __init__(
        self,
        settings: ClientConfig,
        wire: SyncTransport | None = None,
        hub: SharedState | None = None,
        home: ThreadGroup | None = None,
    ) -> None:
        self._settings = settings
        self._wire = wire or _transport_module().SyncTransport(*settings.api_and_download_options)
        self._hub = hub or SharedState()
        self._home = home

    def with_config(self, settings: ClientConfig) -> SyncDriver:
        """Make a driver with other settings over the same connections."""
        return SyncDriver(settings, self._wire, self._hub)

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end and return what it returns."""
        script = FlowRun(flow)
        try:
            self.step_until_yield(script, None)
        except BaseException as error:
            script.abandon(error)
            raise
        return cast("T", script.result)

    def run_concurrent(self, flow: Flow[T]) -> T:
        """Run a flow that starts others, and return what it returns."""
        script, nursery = FlowRun(flow), self._nursery()
        with self._finishing(nursery):
            try:
                self.step_until_yield(script, nursery)
            except BaseException as error:
                script.abandon(error)
                raise
        nursery.join()
        return cast("T", script.result)

    @contextmanager
    def _finishing(self, nursery: ThreadGroup) -> Generator[None]:
        """Have what was sent beside a flow finished before what broke that off goes on."""
        try:
            yield
        except BaseException:
            nursery.finish()
            raise

    def _nursery(self) -> ThreadGroup:
        def play(start: Spawn) -> Any:
            driver = SyncDriver(self._settings, self._wire, self._hub, nursery)
            return (driver.run_concurrent if start.spawns else driver.run)(start.flow)

        rest = CancellableSleep(None if self._home is None else self._home.rest)
        nursery = ThreadGroup(play, self._hub.bells, self._hub.clock, rest)
        return nursery

    def stream(self, flow: Flow[None]) -> FlowIterator[Any]:
        """Return an iterator over what a flow emits."""
        nursery = self._nursery()

        def advance(script: FlowRun[Any]) -> None:
            with self._finishing(nursery):
                self.step_until_yield(script, nursery)

        return FlowIterator(flow, advance)

    def notify(self, topic: str) -> None:
        """Tell whoever waits on a topic that there is news of it."""
        self._hub.bells.notify(topic)

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def step_until_yield(self, script: FlowRun[Any], nursery: ThreadGroup | None) -> None:
        """Play until the flow emits or ends."""
        while (effect := self._hub.onward(script)) is not None:
            try:
                outcome = self._perform(effect, nursery)
            except BaseException as error:
                script.throw(error)
            else:
                script.send(outcome)

    def _perform(self, effect: Effect, nursery: ThreadGroup | None) -> Any:  # noqa: PLR0911
        match effect:
            case SendRequest():
                return self._send(effect)
            case Sleep():
                return self._sleep(effect)
            case InvokeCallback(callback, value):
                return callback(value)
            case RunBlocking(function):
                return function()
            case Shield(flow, leave):
                return self._shielded(flow, leave)
            case StreamDownload():
                return self._fetch(effect)
            case Spawn() | WaitNext() | Finish():
                return require_group(nursery, effect).perform(effect)
            case _:
                raise RuntimeError(f"{type(effect).__name__} has no place in this flow")

    def _send(self, send: SendRequest) -> Any:
        prepare = None if send.before is None else send.before.function
        if self._home is None or send.request.method != "GET":
            return self._wire.send(send, self._settings, prepare)
        with self._asking():
            return self._wire.send(send, self._settings, prepare)

    def _shielded(self, flow: Flow[Any], leave: Callable[[], bool]) -> Any:
        """Play a flow to its end, though nobody may wait for it any more."""
        whole = SyncDriver(self._settings, self._wire, self._hub)
        self._check()
        value = shielded(partial(whole.run, flow), leave)
        self._check()
        return value

    def _fetch(self, fetch: StreamDownload) -> Any:
        with self._asking():
            if self._home is not None:
                fetch = evolve(fetch, on_chunk=partial(self._told, fetch.on_chunk))
            return self._wire.stream_to(fetch, self._settings)

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
        with nullcontext() if self._home is None else self._home.rest.until_cancelled(news):
            return self._sleep_until(news, sleep)

    def _sleep_until(self, news: threading.Event, sleep: Sleep) -> bool:
        if sleep.topic is None and sleep.waker is None:
            self._hub.clock.wait(news, sleep.seconds)
            return False
        with self._hub.sleeper(sleep, news.set) as woken:
            return woken or self._hub.clock.wait(news, sleep.seconds)


class AsyncDriver:
    """Plays flows in the calling task."""

    def __init__(
        self,
        settings: ClientConfig,
        wire: AsyncTransport | None = None,
        hub: SharedState | None = None,
    ) -> None:
        self._settings = settings
        self._wire = wire or _transport_module().AsyncTransport(*settings.api_and_download_options)
        self._hub = hub or SharedState()

    def with_config(self, settings: ClientConfig) -> AsyncDriver:
        """Make a driver with other settings over the same connections."""
        return AsyncDriver(settings, self._wire, self._hub)

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end and return what it returns."""
        script = FlowRun(flow)
        try:
            await self.step_until_yield(script, None)
        except BaseException as error:
            script.abandon(error)
            raise
        return cast("T", script.result)

    async def run_concurrent(self, flow: Flow[T]) -> T:
        """Run a flow that starts others, and return what it returns."""
        script = FlowRun(flow)
        try:
            await self.step_concurrent(script)
        except BaseException as error:
            script.abandon(error)
            raise
        return cast("T", script.result)

    async def _run_spawned(self, start: Spawn) -> Any:
        return await (self.run_concurrent if start.spawns else self.run)(start.flow)

    def stream(self, flow: Flow[None]) -> AsyncFlowIterator[Any]:
        """Return an iterator over what a flow emits."""
        return AsyncFlowIterator(flow, self.step_concurrent)

    def notify(self, topic: str) -> None:
        """Tell whoever waits on a topic that there is news of it."""
        self._hub.bells.notify(topic)

    async def close(self) -> None:
        """Close the connections."""
        await self._wire.close()

    async def step_until_yield(self, script: FlowRun[Any], nursery: AsyncTaskGroup | None) -> None:
        """Play until the flow emits or ends."""
        while (effect := self._hub.onward(script)) is not None:
            try:
                outcome = await self._perform(effect, nursery)
            except BaseException as error:
                script.throw(error)
            else:
                script.send(outcome)

    async def step_concurrent(self, script: FlowRun[Any]) -> None:
        """Play until the flow emits or ends, with a place for the flows that it starts."""
        failure = None
        async with AsyncTaskGroup(self._run_spawned, self._hub.bells, self._hub.clock) as nursery:
            try:
                await self.step_until_yield(script, nursery)
            except (Exception, KeyboardInterrupt, SystemExit) as error:
                failure = error
        if failure is not None:
            raise failure

    def _perform(  # noqa: PLR0911
        self, effect: Effect, nursery: AsyncTaskGroup | None
    ) -> Awaitable[Any]:
        match effect:
            case SendRequest():
                return self._send(effect)
            case Sleep():
                return self._sleep(effect)
            case InvokeCallback(callback, value):
                return _told(callback(value))
            case RunBlocking():
                return self._act(effect)
            case Shield(flow, leave):
                return ashielded(partial(self.run, flow), leave)
            case StreamDownload():
                return self._wire.stream_to(effect, self._settings)
            case Spawn() | WaitNext() | Finish():
                return require_group(nursery, effect).perform(effect)
            case _:
                raise RuntimeError(f"{type(effect).__name__} has no place in this flow")

    def _send(self, send: SendRequest) -> Awaitable[Any]:
        prepare = None if send.before is None else partial(self._act, send.before)
        return self._wire.send(send, self._settings, prepare)

    def _act(self, act: RunBlocking) -> Awaitable[Any]:
        company = self._hub.company
        return (
            run_in_thread(act.function)
            if act.group is None
            else company.submit(act.function, act.group)
        )

    def _sleep(self, sleep: Sleep) -> Awaitable[bool]:
        if sleep.topic is None and sleep.waker is None:
            return self._hub.clock.sleep_async(sleep.seconds)
        return self._sleep_until(new_waker(), sleep)

    async def _sleep_until(self, alarm: Waker, sleep: Sleep) -> bool:
        with self._hub.sleeper(sleep, alarm.wake_threadsafe) as woken:
            return woken or await self._hub.clock.wait_async(alarm, sleep.seconds)


async def _told(answer: object) -> object:
    return await answer if inspect.isawaitable(answer) else answer


def _transport_module() -> ModuleType:
    # With it comes httpx, which takes most of the time that importing this library would.
    return import_module("wanflow._transport.client")
