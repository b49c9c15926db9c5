"""Where the demo runs: the bundled mock, or the API that the environment names."""

from __future__ import annotations

from os import environ
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from attrs import frozen

from wanflow import AsyncClient, Client
from wanflow._config import KEY_VARIABLE, URL_VARIABLE
from wanflow._http_library import http_library

if TYPE_CHECKING:
    from wanflow.ledger import Ledger
    from wanflow.mock import MockServer


@frozen
class Mock:
    """The mock. Its own transport ignores proxies of the environment.

    `charges` says whether tasks cost credits, and continue after the demo has ended.
    """

    server: MockServer
    charges: bool = False

    def client(self) -> Client:
        """Make a sync client."""
        transport = http_library().HTTPTransport()
        return Client(self.server.api_key, self.server.base_url, transport=transport)

    def async_client(self) -> AsyncClient:
        """Make an async client."""
        transport = http_library().AsyncHTTPTransport()
        return AsyncClient(self.server.api_key, self.server.base_url, transport=transport)


@frozen
class Gateway:
    """The API that the environment names; it charges credits, and `ledger` records for what."""

    charges: bool = True
    ledger: Ledger | None = None

    def client(self) -> Client:
        """Make a sync client."""
        return Client(ledger=self.ledger)

    def async_client(self) -> AsyncClient:
        """Make an async client."""
        return AsyncClient(ledger=self.ledger)

    @property
    def host(self) -> str:
        """The host of the API."""
        return urlsplit(self.client().base_url).netloc


Target: TypeAlias = Mock | Gateway


def gateway_from_environment() -> Gateway | None:
    """Return the API, None unless the environment sets both its URL and a key."""
    return Gateway() if environ.get(KEY_VARIABLE) and environ.get(URL_VARIABLE) else None


def missing_variable_notice() -> str | None:
    """Return a notice if only one of URL and key is set, otherwise None."""
    missing = [name for name in (KEY_VARIABLE, URL_VARIABLE) if not environ.get(name)]
    if len(missing) != 1:
        return None
    return f"{missing[0]} is not set, so this runs against the bundled mock and costs nothing"
