"""Upload local files where the API can fetch them: `Client(uploader="s3://bucket/prefix")`.

A text names a ready uploader: `s3://`, `gs://` or `az://` with a bucket (a container, for Azure)
and an optional prefix, or `mock` for the mock server at the client's base URL. Any object with an
`upload` method (see `Uploader`, `AsyncUploader`) and any function of a path that returns a URL is
one, too.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from os import environ
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from wanflow._core.uploads import AsyncUploader, FileUpload, UploadedLink, Uploader
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
FORMS = "s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or mock"
MOCK_PATH = "/_mock/uploads/"
LINK_LIFETIME = 24 * 3600.0
"""Seconds for which the links of a StorageUploader are valid by default."""

_TARGET = re.compile(r"(?:s3|gs|az)://[A-Za-z0-9][A-Za-z0-9._-]{1,254}(?:/[^?#\s\x00-\x1f\x7f]*)?")
_LIFETIMES = (3600.0, 7 * 24 * 3600.0)
_NOTHING_SENT = "nothing was sent, and nothing was charged"
# An object is uploaded again after this time, so that a rule of the bucket that deletes objects
# after two days or more never deletes one that a link was just made for.
_REFRESH = timedelta(days=1)
_TIMEOUT = 30.0
_METADATA_HOSTS = ("169.254.169.254", "metadata.google.internal", "169.254.170.2")
_STATUS = re.compile(r"status code: ([0-9]{3})")
_CODE = re.compile(r"<Code>([A-Za-z]{1,80})</Code>")


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
    if name != MOCK and not _TARGET.fullmatch(name):
        # Not shown: it may be a URL with credentials.
        raise ConfigurationError(f"the uploader must be {FORMS}")


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
            found = obstore.head(self._store, file.name)
        except Exception:
            return False
        fresh = datetime.now(UTC) - found["last_modified"] < _REFRESH
        return fresh and found["size"] == len(file.content)

    def _call(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except BaseException as error:
            # A panic of the Rust library is no Exception.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            reason = _reason(error)
        # Without the error as its cause: its text has URLs, which may be signed.
        raise UploadFailed(f"the upload to {self._name} failed: {reason}; {_NOTHING_SENT}")

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
    try:
        from obstore.store import from_url  # noqa: PLC0415 - the extra
    except ImportError as error:
        raise ConfigurationError(
            f"uploads to {target.partition('://')[0]}:// need obstore; run: "
            "pip install 'wanflow[uploads]'"
        ) from error
    try:
        return from_url(
            target,
            client_options={
                "connect_timeout": "5s",
                "timeout": "60s",
                "allow_http": _allows_http(target),
            },
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=60)},
        )
    except Exception as error:
        reason = _reason(error)
    raise ConfigurationError(f"the uploader {target} can't be used: {reason}")


def _allows_http(target: str) -> bool:
    """Return whether the environment allows an endpoint without TLS, such as one on loopback."""
    prefix = {"s3": "AWS", "gs": "GOOGLE", "az": "AZURE"}[target.partition("://")[0]]
    return environ.get(f"{prefix}_ALLOW_HTTP", "").lower() in {"1", "on", "true", "yes"}


def _reason(error: BaseException) -> str:
    """Return why a request to the storage failed, without any URL: one may be signed."""
    text = str(error)
    if any(host in text for host in _METADATA_HOSTS):
        return "there are no credentials for it in the environment"
    status, code = _STATUS.search(text), _CODE.search(text)
    if status is not None:
        return f"it responded with {status[1]}{f' ({code[1]})' if code else ''}"
    if "error sending request" in text or "timed out" in text:
        return "it can't be reached"
    first = text.partition("\n")[0].strip()
    return first if first and "://" not in first else type(error).__name__
