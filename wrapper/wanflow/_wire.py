"""Exchanges with the API and with the hosts of files: one try each, and a Fault when it fails."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from wanflow import _transport
from wanflow._core.effects import Fault
from wanflow._deadline import within
from wanflow._lane import AsyncLane, Lane
from wanflow.errors import WanflowError

if TYPE_CHECKING:
    import httpx

    from wanflow._core.effects import Fetch, Reply, Request
    from wanflow._settings import Route, Settings


class Wire:
    """The exchanges of a sync client. Files have a lane of their own, so that no long download
    keeps a look at a task waiting, and no file's host sees a connection that carried the key.
    """

    def __init__(self, api: Route, files: Route) -> None:
        self._api = Lane(api)
        self._files = Lane(files)

    def send(self, request: Request, settings: Settings) -> Reply:
        """Exchange a request for its answer, all of it within the settings' timeout.

        Raises:
            Fault: no whole answer came.
        """
        sent = _transport.Sent.of(request)
        try:
            with self._api.open(settings.timeout) as http, within(settings.timeout):
                arguments = _transport.request(request, settings, sent and sent.trace)
                with http.stream(**arguments) as response:
                    body = _transport.BoundedBody(settings.timeout)
                    for chunk in response.iter_bytes():
                        body.add(chunk)
                    return _transport.reply(response, body.content, settings.key)
        except (Fault, WanflowError):
            raise
        except Exception as error:
            fault = _transport.as_fault(error, settings.key, sent)
        raise fault

    def fetch(self, fetch: Fetch, settings: Settings) -> None:
        """Stream a link into its sink, all of it within the fetch's own time.

        Raises:
            Fault: it broke off.
        """
        arguments = _transport.fetching(fetch, settings)
        try:
            with (
                self._files.open(settings.timeout) as http,
                within(fetch.seconds),
                http.stream(**arguments) as response,
            ):
                if fetch.sink.head(_transport.head(response)):
                    for chunk in response.iter_bytes():
                        fetch.sink.write(chunk)
                        if fetch.told is not None:
                            fetch.told()
                return
        except (Fault, WanflowError):
            raise
        except Exception as error:
            fault = _transport.as_fault(error, settings.key)
        raise fault

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        self._files.close()


class AsyncWire:
    """The exchanges of an async client. Files have a lane of their own, so that no long download
    keeps a look at a task waiting, and no file's host sees a connection that carried the key.
    """

    def __init__(self, api: Route, files: Route) -> None:
        self._api = AsyncLane(api)
        self._files = AsyncLane(files)

    async def send(self, request: Request, settings: Settings) -> Reply:
        """Exchange a request for its answer, all of it within the settings' timeout.

        Raises:
            Fault: no whole answer came.
        """
        sent = _transport.Sent.of(request)
        try:
            async with self._api.open(settings.timeout) as http:
                arguments = _transport.request(request, settings, sent and sent.atrace)
                with anyio.fail_after(settings.timeout):
                    async with http.stream(**arguments) as response:
                        body = _transport.BoundedBody(settings.timeout)
                        async for chunk in response.aiter_bytes():
                            body.add(chunk)
                        return _transport.reply(response, body.content, settings.key)
        except (Fault, WanflowError):
            raise
        except Exception as error:
            fault = _transport.as_fault(error, settings.key, sent)
        raise fault

    async def fetch(self, fetch: Fetch, settings: Settings) -> None:
        """Stream a link into its sink, all of it within the fetch's own time.

        Raises:
            Fault: it broke off.
        """
        arguments = _transport.fetching(fetch, settings)
        try:
            async with self._files.open(settings.timeout) as http:
                with anyio.fail_after(fetch.seconds):
                    async with http.stream(**arguments) as response:
                        await _pour(response, fetch)
                        return
        except (Fault, WanflowError):
            raise
        except Exception as error:
            fault = _transport.as_fault(error, settings.key)
        raise fault

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()
        await self._files.close()


async def _pour(response: httpx.Response, fetch: Fetch) -> None:
    if not fetch.sink.head(_transport.head(response)):
        return
    async for chunk in response.aiter_bytes():
        await anyio.to_thread.run_sync(fetch.sink.write, chunk)
        await _tell(fetch)


async def _tell(fetch: Fetch) -> None:
    answer = None if fetch.told is None else fetch.told()
    if inspect.isawaitable(answer):
        await answer
