"""What a client is told once: where the API is, with which key, and how patient to be."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from attrs import field, frozen

from wanflow.errors import ConfigurationError

KEY_VARIABLE = "WANFLOW_API_KEY"
URL_VARIABLE = "WANFLOW_BASE_URL"

DEFAULT_TIMEOUT = 30.0
"""Seconds that one request may take."""
DEFAULT_WAIT = 900.0
"""Seconds that a task is waited for. Tasks take minutes."""
DEFAULT_RETRY = 60.0
"""Seconds within which a submission that was provably not accepted is sent again."""


class Key:
    """An API key that shows itself to nobody but the one who asks for the header."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Key(…)"

    def __reduce__(self) -> str:
        raise TypeError("a key is not pickled")

    def header(self) -> dict[str, str]:
        """Return the header that carries it."""
        return {"authorization": f"Bearer {self._text}"}

    def redact(self, content: bytes) -> bytes:
        """Blot the key out of an answer that repeats it."""
        return content.replace(self._text.encode(), b"[key]")


@frozen
class Settings:
    """The settings of one client. `timeout` and `retry_for` are in seconds."""

    base_url: str
    key: Key = field(repr=False)
    timeout: float = DEFAULT_TIMEOUT
    retry_for: float = DEFAULT_RETRY


def make_settings(
    api_key: str | None, base_url: str | None, *, timeout: float, retry_for: float
) -> Settings:
    """Make settings of arguments, and of the environment where they are absent.

    Raises:
        ConfigurationError: the key or the URL is missing or malformed, or a time is out of range.
    """
    if not 0 < timeout < float("inf"):
        raise ConfigurationError(f"timeout must be a positive number of seconds (got {timeout})")
    if not 0 <= retry_for < float("inf"):
        raise ConfigurationError(f"retry_for must be 0 or more seconds (got {retry_for})")
    return Settings(_base_url(base_url), _key(api_key), timeout, retry_for)


def _key(given: str | None) -> Key:
    text = given if given is not None else os.environ.get(KEY_VARIABLE, "")
    if not text:
        raise ConfigurationError(f"there is no API key: pass api_key=… or set {KEY_VARIABLE}")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigurationError(
            "the API key has a character that no key has (a space, a line break or a letter "
            f"outside ASCII); it came from {'api_key' if given is not None else KEY_VARIABLE}"
        )
    return Key(text)


def _base_url(given: str | None) -> str:
    text = given if given is not None else os.environ.get(URL_VARIABLE) or _published()
    wanted = "wanted is a URL such as https://host/path"
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"base URL {text!r} is malformed ({error}); {wanted}") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigurationError(f"base URL {text!r} has no http(s) scheme or no host; {wanted}")
    if parts.query or parts.fragment or parts.username is not None:
        raise ConfigurationError(
            f"base URL of host {host!r} has a user name, a query or a fragment; {wanted}"
        )
    return text.rstrip("/")


def _published() -> str:
    from wanflow.spec.catalog import packaged_catalog  # noqa: PLC0415 - read only when needed

    return packaged_catalog().server_url
