"""What a client is told once: where the API is, with which key, and how patient to be."""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from wanflow._core.url_rules import url_problem
from wanflow.errors import ConfigurationError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from ipaddress import IPv4Network, IPv6Network

    Mounts: TypeAlias = Mapping[str, str | None]
    Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]

KEY_VARIABLE = "WANFLOW_API_KEY"
URL_VARIABLE = "WANFLOW_BASE_URL"
LEDGER_VARIABLE = "WANFLOW_LEDGER"

DEFAULT_TIMEOUT = 30.0
"""Seconds that one request may take."""
DEFAULT_WAIT_TIMEOUT = 900.0
"""Seconds that a task is waited for. Tasks take minutes."""
DEFAULT_RETRY_WINDOW = 150.0
"""Seconds within which a submission that was provably not accepted is sent again.

The documents' 429 asks for 60 seconds and their 503 for 30: each may come twice, and a bit more.
"""
DEFAULT_POLL_RATE = 50.0
"""Polls a second that all waits of a client together begin with. The API publishes no limit."""
HIGHEST_RATE = 500.0
"""Polls a second that they grow to at most, while polls are late and no 429 comes."""
DEFAULT_CONNECTIONS = 20
"""Requests to the API that may be under way at once; past some dozens httpx only slows down."""

_FILE_CONNECTIONS = 8

_SHORTEST_SECRET = 8


class ApiKey:
    """An API key that shows itself to nobody but the one who asks for the header."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Key(…)"

    def __reduce__(self) -> str:
        raise TypeError(
            "a key is not pickled, nor what holds one: keep a task's id, or a result's raw, instead"
        )

    def header(self) -> dict[str, str]:
        """Return the header that carries it."""
        return {"authorization": f"Bearer {self._text}"}

    def redact(self, content: bytes) -> bytes:
        """Blot the key out of an answer that repeats it.

        A key of a few letters is no secret, and may be part of any word of an answer.
        """
        if len(self._text) < _SHORTEST_SECRET:
            return content
        return content.replace(self._text.encode(), b"[key]")


@frozen
class TransportOptions:
    """How hosts are reached, in httpx's terms: a transport of the user's, or how to make one."""

    max_connections: int = DEFAULT_CONNECTIONS
    transport: Any = None
    proxy: str | None = field(default=None, repr=False)
    verify: ssl.SSLContext | bool = True
    mounts: Mounts = field(factory=dict[str, "str | None"], repr=False)
    """Which proxy of the environment is for which URLs, as patterns of httpx's."""
    networks: Networks = ()
    """What is reached without a proxy of the environment, beside what the patterns say."""

    def excepts(self, url: str) -> bool:
        """Say whether the host of a URL is an address in one of the networks."""
        try:
            address = ip_address(urlsplit(url).hostname or "")
        except ValueError:
            return False
        return any(address in network for network in self.networks)

    def direct(self) -> TransportOptions:
        """Return the same without a proxy of the environment."""
        return evolve(self, mounts={}, networks=())


@frozen
class ClientConfig:
    """The settings of one client. `timeout` and `retry_for` are in seconds, `rate` a second.

    `url_given` tells whether a person named the URL, or it is the default of the documents.
    Without a `rate` it begins at DEFAULT_RATE and may grow up to HIGHEST_RATE.
    """

    base_url: str
    key: ApiKey = field(repr=False)
    timeout: float = DEFAULT_TIMEOUT
    retry_timeout: float = DEFAULT_RETRY_WINDOW
    max_polls_per_second: float | None = None
    transport: TransportOptions = field(factory=TransportOptions)
    uploader: Any = field(default=None, repr=False)
    resubmit_uncertain: bool = False
    url_given: bool = True

    @property
    def api_and_download_options(self) -> tuple[TransportOptions, TransportOptions]:
        """The line to the API, and the one to the hosts of files."""
        few = min(_FILE_CONNECTIONS, self.transport.max_connections)
        return self.transport, evolve(self.transport, max_connections=few)

    def replace(
        self, timeout: float | None, retry_timeout: float | None, resubmit_uncertain: bool | None
    ) -> ClientConfig:
        """Return these settings with others in their place, where they are given.

        Raises:
            ConfigurationError: a time is out of range.
        """
        given: dict[str, Any] = {
            "timeout": timeout,
            "retry_timeout": retry_timeout,
            "resubmit_uncertain": resubmit_uncertain,
        }
        return _checked(evolve(self, **{k: v for k, v in given.items() if v is not None}))


def load_config(
    api_key: str | None,
    base_url: str | None,
    *,
    timeout: float = DEFAULT_TIMEOUT,
    retry_timeout: float = DEFAULT_RETRY_WINDOW,
    max_polls_per_second: float | None = None,
    transport: TransportOptions | None = None,
    uploader: Any = None,
) -> ClientConfig:
    """Make settings of arguments, and of the environment where they are absent.

    Raises:
        ConfigurationError: the key or the URL is missing or malformed, or a number out of range.
    """
    given = base_url if base_url is not None else os.environ.get(URL_VARIABLE) or None
    try:
        where, key = _base_url(_chosen() if given is None else given), _key(api_key)
    finally:
        del api_key  # tools show the locals of a traceback
    settings = ClientConfig(
        where,
        key,
        timeout,
        retry_timeout,
        max_polls_per_second,
        transport or TransportOptions(),
        uploader,
    )
    return _checked(evolve(settings, url_given=given is not None))


def _checked(settings: ClientConfig) -> ClientConfig:
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
    return settings


def _in_range(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value < float("inf")


def _key(given: object) -> ApiKey:
    text = given if given is not None else os.environ.get(KEY_VARIABLE, "")
    wrong = _wrong_with_key(text, KEY_VARIABLE if given is None else "api_key")
    if wrong is None:
        return ApiKey(str(text))
    del given, text  # tools show the locals of a traceback
    raise ConfigurationError(wrong)


def _wrong_with_key(text: object, source: str) -> str | None:
    if not isinstance(text, str):
        return f"the API key is a text, not of type {type(text).__name__}"
    if not text:
        return f"there is no API key: pass api_key=… or set {KEY_VARIABLE}"
    if not text.isascii() or not text.isprintable() or " " in text:
        return (
            "the API key has a character that no key has (a space, a line break or a letter "
            f"outside ASCII); it came from {source}"
        )
    return None


def _base_url(given: object) -> str:
    wanted = "wanted is a URL such as https://host/path"
    if not isinstance(given, str):
        raise ConfigurationError(f"the base URL is a text, not of type {type(given).__name__}")
    text = given.strip()
    if not text.isprintable() or " " in text:
        raise ConfigurationError(
            f"base URL {text!r} has a blank, a line end or another character that no URL has; "
            f"{wanted}"
        )
    authority = text.partition("//")[2].partition("/")[0]
    if "@" in authority or "?" in text or "#" in text:
        # Not shown: there may be a password in it.
        host = authority.rpartition("@")[2].partition("?")[0].partition("#")[0]
        raise ConfigurationError(
            f"base URL of host {host!r} has a user name, a query or a fragment; {wanted}"
        )
    reason = url_problem(text)
    if reason is not None:
        raise ConfigurationError(f"base URL {text!r} can't be used: {reason}; {wanted}")
    return text.rstrip("/")


def _chosen() -> str:
    """Return the default server; never one that only a document names."""
    from wanflow.catalog.catalog import packaged_catalog  # noqa: PLC0415 - read only when needed

    chosen = packaged_catalog().default_server
    if chosen is None:
        raise ConfigurationError(
            f"there is no base URL: pass base_url=… or set {URL_VARIABLE}; "
            "the specification has no default server"
        )
    return chosen
