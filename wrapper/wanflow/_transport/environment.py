"""Proxies and certificates from the environment, read and validated once for each client.

httpx2 and httpx would read them with the first request, and fail only then. The rules are theirs,
except that NO_PROXY may also have networks, addresses in brackets, and invalid entries, which are
skipped.
"""

from __future__ import annotations

import os
import re
import ssl
import sys
from contextlib import suppress
from functools import cache, lru_cache
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies

from attrs import evolve

from wanflow._fork_safety import call_in_children
from wanflow._http_library import HttpLibraryMissing, http_library
from wanflow._log import log, warn
from wanflow.errors import ConfigurationError, InsecureURLWarning

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from wanflow._config import ClientConfig, Mounts, Networks, TransportOptions

_ADDRESS = re.compile(r"\[([0-9A-Fa-f:.]+)\](:[0-9]+)?")
_PROXIES = "http://host:port, https://host:port or socks5://host:port"


def with_environment(options: TransportOptions, base_url: str) -> TransportOptions:
    """Return transport options with the proxies and certificates from the environment.

    Raises:
        ConfigurationError: a variable, or the configured proxy, is invalid.
    """
    if options.proxy is not None:
        _check_proxy("proxy", options.proxy)
        mounts: Mounts = {}
    else:
        mounts = _proxy_mounts(getproxies(), urlsplit(base_url).hostname or "")
    verify = _ssl_context() if options.verify is True else options.verify
    return evolve(
        options,
        mounts=mounts,
        verify=verify,
        no_proxy_networks=_no_proxy_networks() if mounts else (),
    )


def _proxy_mounts(proxies: Mapping[str, str], host: str) -> Mounts:
    """Return the proxies by the library's URL patterns; None for URLs without a proxy."""
    found: dict[str, str | None] = {}
    for scheme in ("http", "https", "all"):
        value = proxies.get(scheme, "").strip()
        if value:
            url = value if "://" in value else f"http://{value}"
            _check_proxy(_variable_name(scheme), url, value)
            found[f"{scheme}://"] = url
    entries = [entry.strip() for entry in proxies.get("no", "").split(",")]
    if not found or "*" in entries:
        return {}
    for entry in filter(None, entries):
        pattern = _no_proxy_pattern(entry, host)
        if pattern is not None:
            found[pattern] = None
        elif host in entry.lower():
            raise ConfigurationError(
                f"{_variable_name('no')} has {entry!r}, which is not valid: use a name "
                f"or an address, such as {host}"
            )
        else:
            log.info(
                "%s: %r doesn't apply to %s, and is skipped", _variable_name("no"), entry, host
            )
    return found


def _no_proxy_networks() -> Networks:
    """Return the networks in NO_PROXY, for which the library has no patterns."""
    found: list[IPv4Network | IPv6Network] = []
    for entry in getproxies().get("no", "").split(","):
        with suppress(ValueError):
            found.append(ip_network(entry.strip(), strict=False))
    return tuple(found)


def _no_proxy_pattern(entry: str, host: str) -> str | None:
    """Return the library's pattern for an entry of NO_PROXY; None where there is none.

    There is no pattern for a network. If the API's host is in it, the pattern is for that host.
    """
    if "://" in entry:
        return _valid_pattern(entry)
    bracketed = _ADDRESS.fullmatch(entry)
    address, port = (bracketed[1], bracketed[2] or "") if bracketed else (entry, "")
    try:
        network = ip_network(address, strict=False)
    except ValueError:
        return _valid_pattern(
            f"all://{entry}" if entry.lower() == "localhost" else f"all://*{entry}"
        )
    one = network.network_address
    if network.num_addresses > 1:
        with suppress(ValueError):
            one = ip_address(host)
        if one not in network:
            return None
    return f"all://[{one}]{port}" if one.version == 6 else f"all://{one}{port}"  # noqa: PLR2004


def _valid_pattern(pattern: str) -> str | None:
    library = http_library()
    try:
        return pattern if library.URL(pattern).host else None
    except (library.InvalidURL, ValueError):
        return None


def _check_proxy(name: str, url: str, value: str | None = None) -> None:
    shown = _redacted(url if value is None else value)
    library = http_library()
    try:
        proxy = library.Proxy(url)
    except (library.InvalidURL, ValueError) as error:
        # The error may quote a part of the password.
        why = "" if "@" in url else f" ({error})"
        message = f"{name} is {shown!r}, which is not a valid proxy URL{why}; use {_PROXIES}"
        raise ConfigurationError(message) from None
    if not proxy.url.host:
        raise ConfigurationError(f"{name} is {shown!r}, which has no host; use {_PROXIES}")
    if proxy.url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise ConfigurationError(
            f"{name} is {shown!r}, and SOCKS proxies need a package that isn't installed: "
            "pip install socksio"
        )


def _redacted(url: str) -> str:
    """Return a proxy's URL without the user name and password."""
    before, at, host = url.rpartition("@")
    scheme, slashes, _ = before.partition("//")
    return f"{scheme + slashes if slashes else ''}[secret]@{host}" if at else url


def _variable_name(scheme: str) -> str:
    """Return the name of the variable that sets a proxy; lower case takes precedence."""
    lower = f"{scheme}_proxy"
    names = [lower, lower.upper(), *(name for name in os.environ if name.lower() == lower)]
    system = f"the system's {scheme} proxy"
    return next((name for name in names if os.environ.get(name)), system)


def tls_context(verify: ssl.SSLContext | bool) -> ssl.SSLContext | bool:
    """Return the library's argument for `verify`: where that is True, one context for all clients.

    With SSLKEYLOGFILE each client has its own, since Python reads the variable for each context.
    """
    shared = verify is True and not os.environ.get("SSLKEYLOGFILE")
    return _default_context(http_library()) if shared else verify


@cache
def _default_context(library: ModuleType) -> ssl.SSLContext:
    """Read the certificates once: that takes some 20 ms, which each connection pool would pay."""
    context: ssl.SSLContext = library.create_ssl_context(trust_env=False)
    return context


# Another thread may have locked the context at the fork.
call_in_children(_default_context.cache_clear)


def _ssl_context() -> ssl.SSLContext | bool:
    """Make the TLS context that the environment configures; True where it configures none."""
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    keys = None if sys.flags.ignore_environment else os.environ.get("SSLKEYLOGFILE")
    if not (file or folder or keys):
        return True
    if keys:
        _check_key_log(keys)
    if not file and folder and not Path(folder).is_dir():
        raise ConfigurationError(f"SSL_CERT_DIR is {folder!r}, which is not a folder")
    try:
        if file:
            return ssl.create_default_context(cafile=file) if keys else _context_of_file(file)
        if folder:
            return ssl.create_default_context(capath=folder)
        context: ssl.SSLContext = http_library().create_ssl_context(trust_env=False)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"SSL_CERT_FILE is {file!r}, which can't be read as certificates: {error}"
        ) from None
    assert keys
    # httpx2 doesn't read the variable, unlike the functions of `ssl`.
    context.keylog_filename = keys
    return context


def _context_of_file(path: str) -> ssl.SSLContext:
    """Return one context for all clients, until the file is another or has changed."""
    status = Path(path).stat()
    return _read_file(path, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _read_file(path: str, *_version: int) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=path)


call_in_children(_read_file.cache_clear)


def _check_key_log(path: str) -> None:
    try:
        with Path(path).open("ab"):
            pass
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"SSLKEYLOGFILE is {path!r}, which can't be written: {error}"
        ) from None


def apply_environment(config: ClientConfig) -> ClientConfig:
    """Return a configuration with proxies and certificates from the environment.

    It warns if the key would be sent over plain http.

    Raises:
        ConfigurationError: a variable of the environment, or the proxy, is invalid.
    """
    try:
        http_library(config.transport.transport)
    except HttpLibraryMissing as error:
        raise ConfigurationError(str(error)) from None
    if config.transport.transport is not None:
        return config
    _warn_about_plain_http(config.base_url)
    return evolve(config, transport=with_environment(config.transport, config.base_url))


def _warn_about_plain_http(base_url: str) -> None:
    parts = urlsplit(base_url)
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        warn(
            f"the API key goes to {parts.hostname} over plain http, where others can "
            "read it: use https",
            InsecureURLWarning,
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
