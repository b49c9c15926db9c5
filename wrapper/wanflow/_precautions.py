"""What is seen to once, when a client is made: its environment, and a key that anybody can read."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import evolve

from wanflow._log import warn
from wanflow.errors import InsecureURLWarning

if TYPE_CHECKING:
    from wanflow._settings import Settings


def take_precautions(settings: Settings) -> Settings:
    """Return settings with what the environment says of connections; warn of an open key.

    Raises:
        ConfigurationError: a variable of the environment, or the proxy, can't be used.
    """
    if settings.line.transport is not None:
        return settings
    _warn_of_open_key(settings.base_url)
    # It brings httpx, which is slow to import.
    from wanflow._environment import checked  # noqa: PLC0415

    return evolve(settings, line=checked(settings.line, settings.base_url))


def _warn_of_open_key(base_url: str) -> None:
    parts = urlsplit(base_url)
    if parts.scheme == "http" and not _is_here(parts.hostname or ""):
        warn(
            f"the API key goes to {parts.hostname} over plain http, where anybody on the way can "
            "read it: use https",
            InsecureURLWarning,
        )


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
