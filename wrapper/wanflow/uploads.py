"""Upload local files where the API can fetch them: `Client(uploader="s3://bucket/prefix")`.

A text names a ready uploader: `s3://`, `gs://` or `az://` with a bucket (a container, for Azure)
and an optional prefix, or `mock` for the mock server at the client's base URL. Any object with an
`upload` method (see `Uploader`, `AsyncUploader`) and any function of a path that returns a URL is
one, too.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from wanflow._core.uploads import AsyncUploader, FileUpload, UploadedLink, Uploader
from wanflow._paths import OBJECT_FORMS, OBJECT_URL
from wanflow._storage.object_client import StorageError, call, open_store
from wanflow.errors import ConfigurationError, UploadFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore.store import ObjectStore

    T = TypeVar("T")

__all__ = [
    "AsyncUploader",
    "FileUpload",
    "MockUploader",
    "StorageUploader",
    "UploadedLink",
    "Uploader",
    "open_uploader",
]

MOCK = "mock"
FORMS = f"{OBJECT_FORMS} or mock"
MOCK_PATH = "/_mock/uploads/"
LINK_LIFETIME = 24 * 3600.0
"""Seconds for which the links of a StorageUploader are valid by default."""

_LIFETIMES = (3600.0, 7 * 24 * 3600.0)
_NOTHING_SENT = "nothing was sent, and nothing was charged"
# An object is uploaded again after this time, so that a rule of the bucket that deletes objects
# after two days or more never deletes one that a link was just made for.
_REFRESH = timedelta(days=1)
_TIMEOUT = 30.0


def open_uploader(name: str, base_url: str) -> Uploader:
    """Return the uploader that a text names, for a client of `base_url`.

    Raises:
        ConfigurationError: the text names none, or the extra `uploads` isn't installed.
    """
    check_name(name)
    return MockUploader(base_url) if name == MOCK else StorageUploader(name)


def check_name(name: str) -> None:
    """Check that a text names an uploader. Nothing is imported or opened.

    Raises:
        ConfigurationError: it doesn't.
    """
    if name != MOCK and not OBJECT_URL.fullmatch(name):
        # Not shown: it may be a URL with credentials.
        raise ConfigurationError(
            f"the uploader must be {FORMS}; a bucket's name has 2 to 255 letters, digits and -_."
        )


class StorageUploader:
    """Stores files in a bucket of Amazon S3, Google Cloud Storage or Azure, or one like them.

    An object is named after the SHA-256 of its content, so that equal files are stored once and no
    path or user name is in its name. A link is presigned: it needs no credentials and expires. The
    credentials are those of the provider's environment variables, or of the machine.

    Args:
        target: `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`, or a store
            of `obstore.store` with options of your own.
        link_lifetime: seconds for which a link is valid: from an hour to seven days.

    Raises:
        ConfigurationError: the target or the lifetime is invalid, or obstore isn't installed.
    """

    def __init__(self, target: str | ObjectStore, *, link_lifetime: float = LINK_LIFETIME) -> None:
        low, high = _LIFETIMES
        if not low <= link_lifetime <= high:
            raise ConfigurationError(
                f"link_lifetime must be {low:.0f} to {high:.0f} seconds (got {link_lifetime!r})"
            )
        self._lifetime = timedelta(seconds=link_lifetime)
        self._name = target if isinstance(target, str) else type(target).__name__
        self._store: Any = _open_store(target) if isinstance(target, str) else target

    def upload(self, file: FileUpload, /) -> UploadedLink:
        """Store a file unless it is stored already, and return a presigned link to it.

        Raises:
            UploadFailed: the storage can't be reached, or rejects it. No part of it is left.
        """
        import obstore  # noqa: PLC0415 - the extra

        if not self._is_stored(file):
            attributes: Any = {"Content-Type": file.content_type}
            # In one request, which the storage accepts as a whole or not at all.
            self._call(
                lambda: obstore.put(
                    self._store,
                    file.name,
                    file.content,
                    attributes=attributes,
                    use_multipart=False,
                )
            )
        expires_at = (datetime.now(UTC) + self._lifetime).timestamp()
        url = self._call(lambda: obstore.sign(self._store, "GET", file.name, self._lifetime))
        return UploadedLink(url, expires_at)

    def _is_stored(self, file: FileUpload) -> bool:
        import obstore  # noqa: PLC0415 - the extra

        try:
            found = call(lambda: obstore.head(self._store, file.name))
        except StorageError:
            return False
        fresh = datetime.now(UTC) - found["last_modified"] < _REFRESH
        return fresh and found["size"] == len(file.content)

    def _call(self, function: Callable[[], T]) -> T:
        try:
            return call(function)
        except StorageError as error:
            raise UploadFailed(
                f"the upload to {self._name} failed: {error}; {_NOTHING_SENT}"
            ) from None

    def __repr__(self) -> str:
        return f"StorageUploader({self._name!r})"


class MockUploader:
    """Stores files in the memory of a mock server, which checks them when a request names them.

    The API key is not sent. In the mock's own process, `mock.uploader` does the same.
    """

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port

    def upload(self, file: FileUpload, /) -> UploadedLink:
        """Store a file, and return its link.

        Raises:
            UploadFailed: there is no mock at this address, or it rejects the file.
        """
        path = MOCK_PATH + file.name
        try:
            status = self._put(path, file)
        except (OSError, HTTPException) as error:
            raise self._error(getattr(error, "strerror", None) or type(error).__name__) from error
        if status == 404:  # noqa: PLR2004
            raise self._error("there is no mock at this address")
        if not 200 <= status < 300:  # noqa: PLR2004 - success
            raise self._error(f"it responded with {status}")
        return UploadedLink(self._origin + path)

    def _put(self, path: str, file: FileUpload) -> int:
        kind = HTTPSConnection if self._secure else HTTPConnection
        connection = kind(self._host or "", self._port, timeout=_TIMEOUT)
        try:
            connection.request("PUT", path, file.content, {"Content-Type": file.content_type})
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def _error(self, reason: str) -> UploadFailed:
        return UploadFailed(
            f"the upload to the mock at {self._origin} failed: {reason}; {_NOTHING_SENT}"
        )

    def __repr__(self) -> str:
        return f"MockUploader({self._origin!r})"


def _open_store(target: str) -> ObjectStore:
    check_name(target)
    return open_store(target)
