"""The configuration of a client: URL, API key, timeouts and transport options."""

from __future__ import annotations

import os
from inspect import iscoroutinefunction
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from wanflow._core.url_rules import url_problem
from wanflow.errors import ConfigurationError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping
    from ipaddress import IPv4Network, IPv6Network

    from wanflow._core.uploads import Uploads

    Mounts: TypeAlias = Mapping[str, str | None]
    Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]

KEY_VARIABLE = "WANFLOW_API_KEY"
URL_VARIABLE = "WANFLOW_BASE_URL"
LEDGER_VARIABLE = "WANFLOW_LEDGER"
UPLOADER_VARIABLE = "WANFLOW_UPLOADER"

DEFAULT_TIMEOUT = 30.0
"""Maximum time of one request, in seconds."""
DEFAULT_WAIT_TIMEOUT = 900.0
"""Maximum time to wait for a task, in seconds. Tasks take minutes."""
DEFAULT_RETRY_WINDOW = 150.0
"""Seconds within which a submission that was provably not accepted is sent again.

The spec's 429 asks for 60 seconds and its 503 for 30: each may come twice, and a bit more.
"""
DEFAULT_POLL_RATE = 50.0
"""Initial polls per second of all waits of a client. The API publishes no limit."""
MAX_POLL_RATE = 500.0
"""The rate to which that may grow while polls are late and no 429 response comes."""
DEFAULT_MAX_CONNECTIONS = 20
"""Maximum number of requests to the API in flight; with more, httpx2 and httpx only slow down."""

_MAX_DOWNLOAD_CONNECTIONS = 8

_MIN_SECRET_LENGTH = 8
_REDACTED = b"[key]"


class ApiKey:
    """An API key, which is shown only in the header that carries it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Key(…)"

    def __reduce__(self) -> str:
        raise TypeError(
            "an API key can't be pickled, nor can an object that has one: store the task's id, or "
            "the result's raw, instead"
        )

    def header(self) -> dict[str, str]:
        """Return the header that carries it."""
        return {"authorization": f"Bearer {self._text}"}

    def redact(self, content: bytes) -> bytes:
        """Replace the key in a response that repeats it.

        A key of a few characters is no secret, and may be part of any word of a response.
        """
        if len(self._text) < _MIN_SECRET_LENGTH:
            return content
        return content.replace(self._text.encode(), _REDACTED)

    def redact_headers(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Replace the key in the values of headers, as `redact` does."""
        if len(self._text) < _MIN_SECRET_LENGTH:
            return list(headers)
        secret = self._text.encode()
        return [(name, value.replace(secret, _REDACTED)) for name, value in headers]


@frozen
class TransportOptions:
    """Options of connections, in the terms of httpx2 and httpx, or the user's own transport."""

    max_connections: int = DEFAULT_MAX_CONNECTIONS
    transport: Any = None
    proxy: str | None = field(default=None, repr=False)
    verify: ssl.SSLContext | bool = True
    mounts: Mounts = field(factory=dict[str, "str | None"], repr=False)
    """Proxies from the environment, by the URL patterns of httpx2 and httpx."""
    app: str = ""
    """What is appended to the User-Agent."""
    no_proxy_networks: Networks = ()
    """Further networks that are reached without a proxy from the environment."""

    def bypasses_proxy(self, url: str) -> bool:
        """Return whether the host of a URL is an address in one of `no_proxy_networks`."""
        if not self.no_proxy_networks:
            return False
        try:
            address = ip_address(urlsplit(url).hostname or "")
        except ValueError:
            return False
        return any(address in network for network in self.no_proxy_networks)

    def without_proxy(self) -> TransportOptions:
        """Return the same options without proxies from the environment."""
        return evolve(self, mounts={}, no_proxy_networks=())


@frozen
class ClientConfig:
    """The configuration of one client. `timeout` and `retry_timeout` are in seconds.

    `url_given` is False where the base URL is the spec's default server. Without
    `max_polls_per_second`, the rate starts at DEFAULT_POLL_RATE and grows up to MAX_POLL_RATE.
    """

    base_url: str
    key: ApiKey = field(repr=False)
    timeout: float = DEFAULT_TIMEOUT
    retry_timeout: float = DEFAULT_RETRY_WINDOW
    max_polls_per_second: float | None = None
    transport: TransportOptions = field(factory=TransportOptions)
    uploads: Uploads | None = field(default=None, repr=False)
    resubmit_uncertain: bool = False
    default_headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    """Further headers of each request to the API, by names in lower case."""
    url_given: bool = True
    on_event: Callable[[Any], object] | None = field(default=None, repr=False)

    @property
    def api_and_download_options(self) -> tuple[TransportOptions, TransportOptions]:
        """The transport options for the API, and those for the hosts of files."""
        few = min(_MAX_DOWNLOAD_CONNECTIONS, self.transport.max_connections)
        return self.transport, evolve(self.transport, max_connections=few, app="")

    def with_headers(self, given: Mapping[str, str] | None) -> ClientConfig:
        """Return a copy with further headers.

        Raises:
            ConfigurationError: a header can't be sent, or is the client's own.
        """
        if given is None:
            return self
        from wanflow._core.header_rules import validate_headers  # noqa: PLC0415 - few clients have any

        return evolve(self, default_headers={**self.default_headers, **validate_headers(given)})

    def replace(self, **given: Any) -> ClientConfig:
        """Return a copy with the values that are given and not None.

        Raises:
            ConfigurationError: a value is out of range.
        """
        return _validated(evolve(self, **{k: v for k, v in given.items() if v is not None}))


def load_config(
    api_key: str | None,
    base_url: str | None,
    *,
    timeout: float = DEFAULT_TIMEOUT,
    retry_timeout: float = DEFAULT_RETRY_WINDOW,
    max_polls_per_second: float | None = None,
    transport: TransportOptions | None = None,
    on_event: Any = None,
    default_headers: Mapping[str, str] | None = None,
    app: str | None = None,
) -> ClientConfig:
    """Make the configuration from arguments, or from the environment where they are absent.

    Raises:
        ConfigurationError: the key or the URL is missing or malformed, or a number out of range.
    """
    given = base_url if base_url is not None else os.environ.get(URL_VARIABLE) or None
    try:
        where, key = _base_url(_default_server() if given is None else given), _api_key(api_key)
    finally:
        del api_key  # tools show the locals of a traceback
    settings = ClientConfig(
        where,
        key,
        timeout,
        retry_timeout,
        max_polls_per_second,
        _with_app(transport or TransportOptions(), app),
        url_given=given is not None,
        on_event=on_event,
    )
    return _validated(settings.with_headers(default_headers))


def _with_app(options: TransportOptions, app: str | None) -> TransportOptions:
    if app is None:
        return options
    from wanflow._core.header_rules import validate_app  # noqa: PLC0415 - few clients have one

    return evolve(options, app=validate_app(app))


def _validated(settings: ClientConfig) -> ClientConfig:
    connections = settings.transport.max_connections
    rate = (
        DEFAULT_POLL_RATE
        if settings.max_polls_per_second is None
        else settings.max_polls_per_second
    )
    wants = (
        ("timeout", settings.timeout, False, "a positive number of seconds"),
        ("retry_timeout", settings.retry_timeout, True, "0 or more seconds"),
        ("max_polls_per_second", rate, False, "more than 0"),
    )
    for name, value, may_be_zero, wanted in wants:
        if not _in_range(value) or (value == 0 and not may_be_zero):
            raise ConfigurationError(f"{name} must be {wanted}, and finite (got {value!r})")
    if not isinstance(connections, int) or connections < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f"max_connections must be 1 or more (got {connections!r})")
    if settings.on_event is not None:
        _validate_on_event(settings.on_event)
    return settings


def _validate_on_event(on_event: object) -> None:
    awaited = any(
        iscoroutinefunction(one) for one in (on_event, vars(type(on_event)).get("__call__"))
    )
    if awaited or not callable(on_event):
        raise ConfigurationError(
            f"on_event must be a plain function that takes an event (got {on_event!r}); it isn't "
            "awaited"
        )


def _in_range(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value < float("inf")


def _api_key(given: object) -> ApiKey:
    text = given if given is not None else os.environ.get(KEY_VARIABLE, "")
    try:
        return ApiKey(checked_key(text, KEY_VARIABLE if given is None else "api_key"))
    finally:
        del given, text  # tools show the locals of a traceback


def checked_key(text: object, source: str) -> str:
    """Return an API key that came from `source`.

    Raises:
        ConfigurationError: it isn't one.
    """
    wrong = _key_problem(text, source)
    if wrong is None:
        return str(text)
    del text  # tools show the locals of a traceback
    raise ConfigurationError(wrong)


def _key_problem(text: object, source: str) -> str | None:
    if not isinstance(text, str):
        return f"the API key must be a string (got {type(text).__name__})"
    if not text:
        return f"there is no API key: pass api_key=… or set {KEY_VARIABLE}"
    if not text.isascii() or not text.isprintable() or " " in text:
        return (
            "the API key has a character that no key has (a space, a line break or a letter "
            f"outside ASCII); it came from {source}"
        )
    return None


def _base_url(given: object) -> str:
    expected = "use a URL such as https://host/path"
    if not isinstance(given, str):
        raise ConfigurationError(f"the base URL is a text, not of type {type(given).__name__}")
    text = given.strip()
    if not text.isprintable() or " " in text:
        raise ConfigurationError(
            f"base URL {text!r} has a blank, a line end or another character that no URL has; "
            f"{expected}"
        )
    authority = text.partition("//")[2].partition("/")[0]
    if "@" in authority or "?" in text or "#" in text:
        # Not shown: there may be a password in it.
        host = authority.rpartition("@")[2].partition("?")[0].partition("#")[0]
        raise ConfigurationError(
            f"base URL of host {host!r} has a user name, a query or a fragment; {expected}"
        )
    reason = url_problem(text)
    if reason is not None:
        raise ConfigurationError(f"base URL {text!r} can't be used: {reason}; {expected}")
    return text.rstrip("/")


def _default_server() -> str:
    """Return the default server that was chosen for the spec."""
    from wanflow.catalog.catalog import packaged_catalog  # noqa: PLC0415 - read only when needed

    chosen = packaged_catalog().default_server
    if chosen is None:
        raise ConfigurationError(
            f"there is no base URL: pass base_url=… or set {URL_VARIABLE}; "
            "the specification has no default server"
        )
    return chosen
