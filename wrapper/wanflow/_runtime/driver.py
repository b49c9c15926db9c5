"""Runs flows: performs the effects that they yield. One driver for sync code, one for async."""

from __future__ import annotations

import inspect
import threading
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import evolve

from wanflow._core.effects import (
    EmitEvent,
    Finish,
    InvokeCallback,
    Request,
    RunBlocking,
    ShieldedFlow,
    Sleep,
    Spawn,
    StreamDownload,
    WaitNext,
)
from wanflow._event_loop import new_event, run_abandonable, run_in_thread, wait_for_outcome
from wanflow._runtime.context import SharedState
from wanflow._runtime.flow_run import FlowRun
from wanflow._runtime.iterators import AsyncFlowIterator, FlowIterator
from wanflow._runtime.shield import run_shielded, run_shielded_async
from wanflow._runtime.task_group import AsyncTaskGroup, GroupEffect, ThreadCancelScope, ThreadGroup

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager
    from types import ModuleType

    from wanflow._config import ClientConfig
    from wanflow._core.effects import Effect, Flow
    from wanflow._event_loop import WakeupEvent
    from wanflow._runtime.context import SystemClock
    from wanflow._transport.client import AsyncTransport, SyncTransport

T = TypeVar("T")

_RESPONSE_AWAITED = EmitEvent("ResponseAwaited", {"operation": "submit"})


class SyncDriver:
    """Runs flows in the calling thread; `parent` is the group of a spawned flow."""

    def __init__(
        self,
        config: ClientConfig,
        transport: SyncTransport | None = None,
        shared: SharedState | None = None,
        parent: ThreadGroup | None = None,
    ) -> None:
        self._config = config
        self._transport = transport or _transport_module().SyncTransport(
            *config.api_and_download_options
        )
        self._shared = shared or SharedState()
        self._immediate_effects = self._shared.immediate_effects(config.on_event)
        self._parent = parent

    def with_config(self, config: ClientConfig) -> SyncDriver:
        """Return a driver with another configuration over the same connections."""
        return SyncDriver(config, self._transport, self._shared)

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end and return what it returns."""
        run = FlowRun(flow)
        try:
            self.step_until_yield(run)
        except BaseException as error:
            run.abandon(error, self._immediate_effects)
            raise
        return cast("T", run.result)

    def stream(self, flow: Flow[None]) -> FlowIterator[Any]:
        """Return an iterator over the values that a flow yields."""
        return FlowIterator(flow, self.step_until_yield)

    def notify(self, topic: str) -> None:
        """Wake the waits for a topic."""
        self._shared.notifier.notify(topic)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def step_until_yield(self, run: FlowRun[Any], group: ThreadGroup | None = None) -> None:
        """Run until the flow yields a value or ends, and end the flows that it has spawned."""
        while run.perform(self._immediate_effects):
            if group is None and isinstance(run.effect, GroupEffect):
                with self._new_group() as new_group:
                    self.step_until_yield(run, new_group)
                return
            try:
                outcome = self._perform(run.effect, group)
            except BaseException as error:
                run.throw(error)
            else:
                run.send(outcome)

    def _new_group(self) -> ThreadGroup:
        def run_flow(flow: Flow[Any]) -> Any:
            return SyncDriver(self._config, self._transport, self._shared, group).run(flow)

        scope = ThreadCancelScope(None if self._parent is None else self._parent.scope)
        group = ThreadGroup(run_flow, self._shared.notifier, self._shared.clock, scope)
        return group

    def _perform(self, effect: Effect | None, group: ThreadGroup | None) -> Any:  # noqa: PLR0911
        match effect:
            case Request():
                with self._abandonable() if effect.method == "GET" else nullcontext():
                    return self._transport.send(effect, self._config)
            case Sleep():
                return self._sleep(effect)
            case InvokeCallback(callback, value):
                return callback(value)
            case RunBlocking(function):
                with self._abandonable() if effect.abandonable else nullcontext():
                    return function()
            case StreamDownload():
                return self._stream_download(effect)
            case Spawn() | WaitNext() | Finish() if group is not None:
                return group.perform(effect)
            case ShieldedFlow():  # an abstract class, which is dear to ask for
                return self._shielded(effect)
            case _:
                raise RuntimeError(f"{type(effect).__name__} can't be performed in this flow")

    def _shielded(self, effect: ShieldedFlow) -> Any:
        """Run a flow to its end, even if its group was cancelled."""
        whole = SyncDriver(self._config, self._transport, self._shared)
        self._check()
        value = run_shielded(
            partial(whole.run, effect.run()),
            effect.on_interrupt,
            lambda: self._shared.emit(_RESPONSE_AWAITED, self._config.on_event),
        )
        self._check()
        return value

    def _stream_download(self, fetch: StreamDownload) -> Any:
        with self._abandonable():
            if self._parent is not None:
                fetch = evolve(fetch, on_chunk=partial(self._on_chunk, fetch.on_chunk))
            return self._transport.stream_to(fetch, self._config)

    def _on_chunk(self, on_chunk: Callable[[], Any] | None) -> None:
        self._check()
        if on_chunk is not None:
            on_chunk()

    def _abandonable(self) -> AbstractContextManager[None]:
        """Mark a request that the end of the group needn't wait for."""
        return nullcontext() if self._parent is None else self._parent.abandonable()

    def _check(self) -> None:
        if self._parent is not None:
            self._parent.scope.check()

    def _sleep(self, sleep: Sleep) -> bool:
        if sleep.topic is None and sleep.waker is None and self._parent is None:
            self._shared.clock.sleep(sleep.seconds)
            return False
        event = threading.Event()
        with nullcontext() if self._parent is None else self._parent.scope.until_cancelled(event):
            return self._sleep_until(event, sleep)

    def _sleep_until(self, event: threading.Event, sleep: Sleep) -> bool:
        if sleep.topic is None and sleep.waker is None:
            self._shared.clock.wait(event, sleep.seconds)
            return False
        with self._shared.subscribe(sleep, event.set) as woken:
            return woken or self._shared.clock.wait(event, sleep.seconds)


class AsyncDriver:
    """Runs flows in the calling task."""

    def __init__(
        self,
        config: ClientConfig,
        transport: AsyncTransport | None = None,
        shared: SharedState | None = None,
    ) -> None:
        self._config = config
        self._transport = transport or _transport_module().AsyncTransport(
            *config.api_and_download_options
        )
        self._shared = shared or SharedState()
        self._immediate_effects = self._shared.immediate_effects(config.on_event)

    def with_config(self, config: ClientConfig) -> AsyncDriver:
        """Return a driver with another configuration over the same connections."""
        return AsyncDriver(config, self._transport, self._shared)

    def with_clock(self, clock: SystemClock) -> AsyncDriver:
        """Return a driver with another clock over the same connections."""
        return AsyncDriver(self._config, self._transport, SharedState(clock))

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end and return what it returns."""
        run = FlowRun(flow)
        try:
            await self.step_until_yield(run)
        except BaseException as error:
            run.abandon(error, self._immediate_effects)
            raise
        return cast("T", run.result)

    def stream(self, flow: Flow[None]) -> AsyncFlowIterator[Any]:
        """Return an iterator over the values that a flow yields."""
        return AsyncFlowIterator(flow, self.step_until_yield)

    def notify(self, topic: str) -> None:
        """Wake the waits for a topic."""
        self._shared.notifier.notify(topic)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def step_until_yield(
        self, run: FlowRun[Any], group: AsyncTaskGroup | None = None
    ) -> None:
        """Run until the flow yields a value or ends, and end the flows that it has spawned."""
        while run.perform(self._immediate_effects):
            if group is None and isinstance(run.effect, GroupEffect):
                new_group = AsyncTaskGroup(self.run, self._shared.notifier, self._shared.clock)
                async with new_group:
                    await self.step_until_yield(run, new_group)
                return
            try:
                outcome = await self._perform(run.effect, group)
            except BaseException as error:
                run.throw(error)
            else:
                run.send(outcome)

    def _perform(  # noqa: PLR0911
        self, effect: Effect | None, group: AsyncTaskGroup | None
    ) -> Awaitable[Any]:
        match effect:
            case Request():
                return self._transport.send(effect, self._config, self._run_blocking)
            case Sleep():
                return self._sleep(effect)
            case InvokeCallback(callback, value):
                return _awaited(callback(value))
            case RunBlocking():
                return self._run_blocking(effect)
            case StreamDownload():
                return self._transport.stream_to(effect, self._config)
            case Spawn() | WaitNext() | Finish() if group is not None:
                return group.perform(effect)
            case ShieldedFlow():  # an abstract class, which is dear to ask for
                return run_shielded_async(partial(self.run, effect.run()), effect.on_interrupt)
            case _:
                raise RuntimeError(f"{type(effect).__name__} can't be performed in this flow")

    def _run_blocking(self, act: RunBlocking) -> Awaitable[Any]:
        if act.abandonable:
            return run_abandonable(act.function)
        if act.submit is None:
            return run_in_thread(act.function)
        return wait_for_outcome(partial(act.submit, act.function))

    def _sleep(self, sleep: Sleep) -> Awaitable[bool]:
        if sleep.topic is None and sleep.waker is None:
            return self._shared.clock.sleep_async(sleep.seconds)
        return self._sleep_until(new_event(), sleep)

    async def _sleep_until(self, event: WakeupEvent, sleep: Sleep) -> bool:
        with self._shared.subscribe(sleep, event.set_threadsafe) as woken:
            return woken or await self._shared.clock.wait_async(event, sleep.seconds)


async def _awaited(answer: object) -> object:
    return await answer if inspect.isawaitable(answer) else answer


def _transport_module() -> ModuleType:
    # It imports httpx2 or httpx, which takes longer than the scope of this library.
    return import_module("wanflow._transport.client")
