"""What the environment says of proxies and certificates, read and checked once for each client.

httpx would read it when the first request is sent, and fail then. The rules are httpx's, except
that NO_PROXY may also name networks, brackets around an address, and what nobody can read.
"""

from __future__ import annotations

import os
import re
import ssl
import sys
from contextlib import suppress
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx
from attrs import evolve

from wanflow._log import log, warn
from wanflow.errors import ConfigurationError, InsecureURLWarning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow._config import ClientConfig, Mounts, Networks, TransportOptions

_ADDRESS = re.compile(r"\[([0-9A-Fa-f:.]+)\](:[0-9]+)?")
_PROXIES = "http://host:port, https://host:port or socks5://host:port"


def checked(line: TransportOptions, base_url: str) -> TransportOptions:
    """Return a line with what the environment says of it.

    Raises:
        ConfigurationError: a variable, or the line's own proxy, can't be used.
    """
    if line.proxy is not None:
        _check_proxy("proxy", line.proxy)
        mounts: Mounts = {}
    else:
        mounts = _mounts(getproxies(), urlsplit(base_url).hostname or "")
    verify = _context() if line.verify is True else line.verify
    return evolve(line, mounts=mounts, verify=verify, networks=_networks() if mounts else ())


def _mounts(proxies: Mapping[str, str], host: str) -> Mounts:
    """Return which proxy is for which URLs, as patterns of httpx's; None where none is."""
    found: dict[str, str | None] = {}
    for scheme in ("http", "https", "all"):
        value = proxies.get(scheme, "").strip()
        if value:
            url = value if "://" in value else f"http://{value}"
            _check_proxy(_variable(scheme), url, value)
            found[f"{scheme}://"] = url
    entries = [entry.strip() for entry in proxies.get("no", "").split(",")]
    if not found or "*" in entries:
        return {}
    for entry in filter(None, entries):
        pattern = _pattern(entry, host)
        if pattern is not None:
            found[pattern] = None
        elif host in entry.lower():
            raise ConfigurationError(
                f"{_variable('no')} has {entry!r}, which can't be read: give a name or an address, "
                f"such as {host}"
            )
        else:
            log.info("%s: %r says nothing of %s, and is skipped", _variable("no"), entry, host)
    return found


def _networks() -> Networks:
    """Return the networks that NO_PROXY names, for which httpx has no patterns."""
    found: list[IPv4Network | IPv6Network] = []
    for entry in getproxies().get("no", "").split(","):
        with suppress(ValueError):
            found.append(ip_network(entry.strip(), strict=False))
    return tuple(found)


def _pattern(entry: str, host: str) -> str | None:
    """Return the pattern for an entry of NO_PROXY, None where there is none.

    Of a network httpx has no pattern: it is taken to mean the API's host, where that is in it.
    """
    if "://" in entry:
        return _readable(entry)
    bracketed = _ADDRESS.fullmatch(entry)
    address, port = (bracketed[1], bracketed[2] or "") if bracketed else (entry, "")
    try:
        network = ip_network(address, strict=False)
    except ValueError:
        return _readable(f"all://{entry}" if entry.lower() == "localhost" else f"all://*{entry}")
    one = network.network_address
    if network.num_addresses > 1:
        with suppress(ValueError):
            one = ip_address(host)
        if one not in network:
            return None
    return f"all://[{one}]{port}" if one.version == 6 else f"all://{one}{port}"  # noqa: PLR2004


def _readable(pattern: str) -> str | None:
    try:
        return pattern if httpx.URL(pattern).host else None
    except (httpx.InvalidURL, ValueError):
        return None


def _check_proxy(name: str, url: str, value: str | None = None) -> None:
    shown = _shown(url if value is None else value)
    try:
        proxy = httpx.Proxy(url)
    except (httpx.InvalidURL, ValueError) as error:
        # What is said of a URL may be a part of its password.
        why = "" if "@" in url else f" ({error})"
        message = f"{name} is {shown!r}, which is no URL of a proxy{why}; wanted is {_PROXIES}"
        raise ConfigurationError(message) from None
    if not proxy.url.host:
        raise ConfigurationError(f"{name} is {shown!r}, which names no host; wanted is {_PROXIES}")
    if proxy.url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise ConfigurationError(
            f"{name} is {shown!r}, and socks proxies need a package that isn't installed: "
            "pip install socksio"
        )


def _shown(url: str) -> str:
    """Return a proxy's URL without the name and password in it."""
    before, at, host = url.rpartition("@")
    scheme, slashes, _ = before.partition("//")
    return f"{scheme + slashes if slashes else ''}[secret]@{host}" if at else url


def _variable(scheme: str) -> str:
    """Return the name of the variable that names a proxy, small letters before capitals."""
    lower = f"{scheme}_proxy"
    names = [lower, lower.upper(), *(name for name in os.environ if name.lower() == lower)]
    system = f"the system's {scheme} proxy"
    return next((name for name in names if os.environ.get(name)), system)


def _context() -> ssl.SSLContext | bool:
    """Make the TLS context that the environment asks for; True where it asks for none."""
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    keys = None if sys.flags.ignore_environment else os.environ.get("SSLKEYLOGFILE")
    if not (file or folder or keys):
        return True
    if keys:
        _check_log(keys)
    if not file and folder and not Path(folder).is_dir():
        raise ConfigurationError(f"SSL_CERT_DIR is {folder!r}, which is no folder")
    try:
        if file:
            return ssl.create_default_context(cafile=file)
        if folder:
            return ssl.create_default_context(capath=folder)
        return httpx.create_ssl_context(trust_env=False)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"SSL_CERT_FILE is {file!r}, which can't be read as certificates: {error}"
        ) from None


def _check_log(path: str) -> None:
    try:
        with Path(path).open("ab"):
            pass
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"SSLKEYLOGFILE is {path!r}, which can't be written: {error}"
        ) from None


def take_precautions(settings: ClientConfig) -> ClientConfig:
    """Return settings with what the environment says of connections; warn of an open key.

    Raises:
        ConfigurationError: a variable of the environment, or the proxy, can't be used.
    """
    if settings.transport.transport is not None:
        return settings
    _warn_of_open_key(settings.base_url)
    return evolve(settings, transport=checked(settings.transport, settings.base_url))


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
