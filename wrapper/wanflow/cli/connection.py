"""The API that a command uses, and its key."""

from __future__ import annotations

from os import environ
from typing import TYPE_CHECKING, Any

from attrs import frozen

import wanflow
from wanflow._config import KEY_VARIABLE, checked_key
from wanflow._text import decode_text
from wanflow.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wanflow._core.recorder import Recorder
    from wanflow._runtime.event_dispatcher import OnEvent

_MAX_KEY_LENGTH = 8192


@frozen
class Connection:
    """The base URL, the key file and the uploader; None for the environment variables."""

    base_url: str | None = None
    key_file: Path | None = None
    uploader: str | None = None

    @classmethod
    def from_options(cls, values: Mapping[str, Any]) -> Connection:
        """Make one of the values of the options."""
        return cls(values["base_url"], values["api_key_file"], values.get("uploader"))

    def client(
        self,
        key: str | None = None,
        ledger: Recorder | None = None,
        on_event: OnEvent = None,
    ) -> wanflow.Client:
        """Make a client with `key`, by default the user's key.

        Raises:
            ConfigurationError: there is no key, or the key or the URL is invalid.
        """
        return wanflow.Client(
            key or self.key(),
            self.base_url,
            ledger=ledger,
            uploader=self.uploader,
            on_event=on_event,
        )

    def key(self) -> str:
        """Return the user's API key.

        Raises:
            ConfigurationError: there is none, it is invalid, or its file can't be read.
        """
        if self.key_file is not None:
            # No variable has the key: tools show the locals of a traceback.
            return checked_key(_key_of(self.key_file), f"the file {self.key_file}")
        if not environ.get(KEY_VARIABLE):
            raise ConfigurationError(f"no API key: set {KEY_VARIABLE}, or use --api-key-file")
        return checked_key(environ[KEY_VARIABLE], KEY_VARIABLE)

    def arguments(self) -> list[str]:
        """Return the options as command-line arguments."""
        options = {"--base-url": self.base_url, "--api-key-file": self.key_file}
        return [one for name, value in options.items() if value for one in (name, str(value))]


def _key_of(path: Path) -> str:
    key = read_secret(path, "key file", _MAX_KEY_LENGTH).strip()
    if not key:
        raise ConfigurationError(f"the key file {path} is empty")
    return key


def read_secret(path: Path, name: str, limit: int) -> str:
    """Read at most `limit` bytes of a file of secrets.

    Raises:
        ConfigurationError: it can't be read, or isn't printable text; the message has the `name`.
    """
    reason: str | None
    try:
        with path.open("rb") as file:
            text = decode_text(file.read(limit))
        if all(word.isprintable() for word in text.split()):
            return text
        reason = "it has characters that can't be printed"
    except OSError as error:
        reason = error.strerror
    except ValueError:
        reason = "it isn't UTF-8 text"
    # Not raised from the other error, whose traceback has the secret.
    raise ConfigurationError(f"the {name} {path} can't be read: {reason}")
