"""Where the demo runs: against the bundled mock, or the gateway that the environment names."""

from __future__ import annotations

from os import environ
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import httpx
from attrs import frozen

from wanflow import AsyncClient, Client
from wanflow._config import KEY_VARIABLE, URL_VARIABLE

if TYPE_CHECKING:
    from wanflow.mock import MockServer


class Target(Protocol):
    """Makes clients of one gateway."""

    @property
    def charges(self) -> bool:
        """Whether what is made there is charged, and goes on without us."""
        ...

    def client(self) -> Client:
        """Make a sync one."""
        ...

    def async_client(self) -> AsyncClient:
        """Make an async one."""
        ...


@frozen
class Mock:
    """The mock. A transport of its own keeps a proxy of the environment out of the way."""

    server: MockServer
    charges: bool = False

    def client(self) -> Client:
        """Make a sync one."""
        transport = httpx.HTTPTransport()
        return Client(self.server.api_key, self.server.base_url, transport=transport)

    def async_client(self) -> AsyncClient:
        """Make an async one."""
        transport = httpx.AsyncHTTPTransport()
        return AsyncClient(self.server.api_key, self.server.base_url, transport=transport)


@frozen
class Gateway:
    """The gateway that the environment names, which charges for what is made."""

    charges: bool = True

    def client(self) -> Client:
        """Make a sync one."""
        return Client()

    def async_client(self) -> AsyncClient:
        """Make an async one."""
        return AsyncClient()

    @property
    def host(self) -> str:
        """Who is asked, and charges."""
        return urlsplit(self.client().base_url).netloc


def gateway_from_environment() -> Gateway | None:
    """Return the gateway, None where the environment doesn't name one and a key for it."""
    return Gateway() if environ.get(KEY_VARIABLE) and environ.get(URL_VARIABLE) else None


def missing_variable_notice() -> str | None:
    """Say which half of a gateway's name is missing from the environment, None where none is."""
    missing = [name for name in (KEY_VARIABLE, URL_VARIABLE) if not environ.get(name)]
    if len(missing) != 1:
        return None
    return f"{missing[0]} is not set, so this runs against the bundled mock and costs nothing"
