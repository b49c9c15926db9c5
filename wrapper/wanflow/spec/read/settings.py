"""`specs/settings.yaml`: what a person chose for a set of documents, and no document changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import frozen

from wanflow.catalog.document import is_object
from wanflow.spec.errors import InvalidDocument
from wanflow.spec.read.yaml import read_yaml

if TYPE_CHECKING:
    from pathlib import Path

FILE = "specs/settings.yaml"
_SERVER = "default-server"


@frozen
class Settings:
    """The choices; `default_server` is where clients send requests and the key, if it is chosen."""

    default_server: str | None = None


def read_settings(path: Path) -> Settings:
    """Read the settings; an absent file chooses nothing.

    Raises:
        Refused: there is another key in it, or the server is no URL.
    """
    if not path.is_file():
        return Settings()
    data: Any = read_yaml(path.read_text("utf-8"), path.name).data or {}
    if not is_object(data) or data.keys() - {_SERVER}:
        raise InvalidDocument(f"{FILE}: the only key that it may have is `{_SERVER}`")
    server = data.get(_SERVER)
    if server is None:
        return Settings()
    if not is_url(str(server)):
        raise InvalidDocument(
            f"{FILE}: {_SERVER} must be a URL such as https://host/path, not {server!r}"
        )
    return Settings(str(server).rstrip("/"))


def is_url(text: str) -> bool:
    """Tell whether a text is the URL of a server, without a user's name in it."""
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.username
    except ValueError:
        return False
