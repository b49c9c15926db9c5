"""`specs/settings.yaml`: the user's settings, independent of the source specs."""

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
class SpecSettings:
    """The settings; `default_server` is where clients send requests and the key, if set."""

    default_server: str | None = None


def read_settings(path: Path) -> SpecSettings:
    """Read the settings; a missing file sets nothing.

    Raises:
        InvalidDocument: there is an unknown key, or the server isn't a valid URL.
    """
    if not path.is_file():
        return SpecSettings()
    data: Any = read_yaml(path.read_text("utf-8"), path.name).data or {}
    if not is_object(data) or data.keys() - {_SERVER}:
        raise InvalidDocument(f"{FILE}: the only allowed key is `{_SERVER}`")
    server = data.get(_SERVER)
    if server is None:
        return SpecSettings()
    if not is_url(str(server)):
        raise InvalidDocument(
            f"{FILE}: {_SERVER} must be a URL such as https://host/path, not {server!r}"
        )
    return SpecSettings(str(server).rstrip("/"))


def is_url(text: str) -> bool:
    """Return whether a text is an HTTP URL with a host and without a user name."""
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.username
    except ValueError:
        return False
