"""The only place where effects become actions: a driver for each colour, alike but for `await`."""

from __future__ import annotations

import inspect
import random
import time
from typing import TYPE_CHECKING, Any, TypeVar, assert_never

import anyio
import anyio.to_thread
import httpx

from wanflow import _transport
from wanflow._core.effects import Act, Draw, Fetch, Instant, Notify, Now, Reply, Send, Sleep

if TYPE_CHECKING:
    from wanflow._core.effects import Effect, Flow
    from wanflow._settings import Settings

T = TypeVar("T")


class SyncDriver:
    """Plays flows in the calling thread, over one httpx client of its own."""

    def __init__(self, settings: Settings, transport: httpx.BaseTransport | None) -> None:
        self._settings = settings
        self._http = httpx.Client(transport=transport, **_transport.options(settings))

    def play(self, flow: Flow[T]) -> T:
        """Run a flow to its end and return what it returns."""
        try:
            effect = next(flow)
            while True:
                try:
                    outcome = self._perform(effect)
                except BaseException as error:
                    effect = flow.throw(error)
                else:
                    effect = flow.send(outcome)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        finally:
            flow.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _perform(self, effect: Effect) -> Any:
        match effect:
            case Send():
                return self._send(effect)
            case Sleep(seconds):
                return time.sleep(seconds)
            case Notify(callback, value):
                return callback(value)
            case Act(function):
                return function()
            case Fetch():
                return self._fetch(effect)
            case Now() | Draw():
                return _read(effect)
            case _:
                assert_never(effect)

    def _send(self, effect: Send) -> Reply:
        with (
            _transport.faults(self._settings.key),
            self._http.stream(**_transport.request(effect.request, self._settings)) as response,
        ):
            body = _transport.BoundedBody(self._settings.timeout)
            for chunk in response.iter_bytes():
                body.add(chunk)
            return _transport.reply(response, body.content, self._settings.key)

    def _fetch(self, effect: Fetch) -> None:
        with (
            _transport.faults(self._settings.key),
            self._http.stream("GET", effect.url, headers=dict(effect.headers)) as response,
        ):
            if effect.sink.head(_transport.head(response)):
                for chunk in response.iter_raw():
                    effect.sink.write(chunk)


class AsyncDriver:
    """Plays flows in the calling task, over one httpx client of its own."""

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None) -> None:
        self._settings = settings
        self._http = httpx.AsyncClient(transport=transport, **_transport.options(settings))

    async def play(self, flow: Flow[T]) -> T:
        """Run a flow to its end and return what it returns."""
        try:
            effect = next(flow)
            while True:
                try:
                    outcome = await self._perform(effect)
                except BaseException as error:
                    effect = flow.throw(error)
                else:
                    effect = flow.send(outcome)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        finally:
            flow.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _perform(self, effect: Effect) -> Any:
        match effect:
            case Send():
                return await self._send(effect)
            case Sleep(seconds):
                return await anyio.sleep(seconds)
            case Notify(callback, value):
                answer = callback(value)
                return await answer if inspect.isawaitable(answer) else answer
            case Act(function):
                return await anyio.to_thread.run_sync(function)
            case Fetch():
                return await self._fetch(effect)
            case Now() | Draw():
                return _read(effect)
            case _:
                assert_never(effect)

    async def _send(self, effect: Send) -> Reply:
        with _transport.faults(self._settings.key):
            request = _transport.request(effect.request, self._settings)
            async with self._http.stream(**request) as response:
                body = _transport.BoundedBody(self._settings.timeout)
                async for chunk in response.aiter_bytes():
                    body.add(chunk)
                return _transport.reply(response, body.content, self._settings.key)

    async def _fetch(self, effect: Fetch) -> None:
        with _transport.faults(self._settings.key):
            headers = dict(effect.headers)
            async with self._http.stream("GET", effect.url, headers=headers) as response:
                if effect.sink.head(_transport.head(response)):
                    async for chunk in response.aiter_raw():
                        await anyio.to_thread.run_sync(effect.sink.write, chunk)


def _read(effect: Now | Draw) -> Instant | float:
    match effect:
        case Now():
            return Instant(time.monotonic(), time.time())
        case Draw():
            return random.random()  # noqa: S311 - spreads retries, guards nothing
