"""Exchanges with the API and with the hosts of files: one try each, and a Fault when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow import _transport
from wanflow._core.effects import Fault
from wanflow._deadline import within
from wanflow._lane import AsyncLane, Lane
from wanflow.errors import WanflowError

if TYPE_CHECKING:
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
        sent = _transport.Sent()
        try:
            with self._api.open(settings.timeout) as http, within(settings.timeout):
                arguments = _transport.request(request, settings, sent.trace)
                with http.stream(**arguments) as response:
                    body = _transport.BoundedBody(settings.timeout)
                    for chunk in response.iter_bytes():
                        body.add(chunk)
                    return _transport.reply(
                        response.status_code, response.headers.raw, body.content, settings.key
                    )
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
                if fetch.sink.head(_transport.head(response.status_code, response.headers.raw)):
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
        self._api = AsyncLane(api, decoded=True)
        self._files = AsyncLane(files, decoded=False)

    async def send(self, request: Request, settings: Settings) -> Reply:
        """Exchange a request for its answer, all of it within the settings' timeout.

        Raises:
            Fault: no whole answer came.
        """
        sent = _transport.Sent()
        try:
            async with self._api.open(settings.timeout) as road:
                return await road.send(request, settings, sent)
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
        try:
            async with self._files.open(settings.timeout) as road:
                await road.fetch(fetch, settings)
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
