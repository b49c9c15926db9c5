"""Requests to object storage by obstore, and what their errors mean."""

from __future__ import annotations

import os
import re
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from wanflow._core.effects import Outcome
from wanflow.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore.store import ObjectStore

T = TypeVar("T")

REQUEST_TIMEOUT = 60.0
"""Seconds that a request may take, unless its body is large."""
_VARIABLES = {"s3": "AWS", "gs": "GOOGLE", "az": "AZURE"}
# What obstore reads as the URL of a service; a malformed one ends in a panic.
ENDPOINTS = {
    "s3": (
        "AWS_ENDPOINT",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL_STS",
        "AWS_METADATA_ENDPOINT",
    ),
    "gs": ("GOOGLE_BASE_URL",),
    "az": (
        "AZURE_ENDPOINT",
        "AZURE_STORAGE_ENDPOINT",
        "AZURE_AUTHORITY_HOST",
        "AZURE_STORAGE_AUTHORITY_HOST",
        "AZURE_IDENTITY_ENDPOINT",
        "AZURE_MSI_ENDPOINT",
        "AZURITE_BLOB_STORAGE_URL",
    ),
}
ENDPOINT = re.compile(
    r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
    r"(/[A-Za-z0-9._~!$&'()*+,;=:@/%-]*)?",
    re.ASCII | re.IGNORECASE,
)
_STORES = {"S3": "AWS", "GCS": "GOOGLE", "MicrosoftAzure": "AZURE"}
_URL = re.compile(r"\S*://\S*")
_CHECK_INTERVAL = 0.1
_METADATA_HOSTS = ("169.254.169.254", "metadata.google.internal", "169.254.170.2")
_STATUS = re.compile(r"status code: ([0-9]{3})")
_CODE = re.compile(r"<Code>([A-Za-z]{1,80})</Code>")
_NO_BUCKET = {"NoSuchBucket", "ContainerNotFound"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_REJECTED = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthenticationFailed"}
_UNAUTHENTICATED, _FORBIDDEN, _MISSING = "401", "403", "404"


class _Runtime:
    """The process in which obstore has started its threads, which a fork doesn't copy."""

    process: int | None = None


def open_store(url: str, timeout: float = REQUEST_TIMEOUT) -> ObjectStore:
    """Open the storage that a URL names, with the credentials of the environment.

    Args:
        url: `s3://bucket/prefix`, or with `gs` or `az`.
        timeout: the seconds that one request may take.

    Raises:
        ConfigurationError: obstore isn't installed, or the environment has an invalid value.
    """
    scheme = url.partition("://")[0]
    _check_endpoints(scheme)
    try:
        from obstore.store import from_url  # noqa: PLC0415 - the extra
    except ImportError as error:
        raise ConfigurationError(
            f"{scheme}:// needs obstore; run: pip install 'wanflow[uploads]'"
        ) from error
    allow_http = os.environ.get(f"{_VARIABLES[scheme]}_ALLOW_HTTP", "").lower()
    try:
        return from_url(
            url,
            client_options={
                "connect_timeout": "5s",
                "timeout": timedelta(seconds=timeout),
                # An endpoint without TLS, such as one on loopback.
                "allow_http": allow_http in {"1", "on", "true", "yes"},
            },
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=60)},
        )
    except Exception as error:
        reason = reason_of(error)
    raise ConfigurationError(f"{url} can't be used: {reason}")


def _check_endpoints(scheme: str) -> None:
    """Check the URLs of services in the environment.

    Raises:
        ConfigurationError: one is malformed.
    """
    for name in ENDPOINTS[scheme]:
        given = os.environ.get(name)
        if given is not None and not _is_endpoint(given):
            # What precedes an @ or follows a ? may be secret.
            shown = given.partition("?")[0].rpartition("@")[2]
            raise ConfigurationError(
                f"{name} should be a URL such as https://storage.example.com:9000 (got {shown!a})"
            )


def _is_endpoint(text: str) -> bool:
    try:
        return ENDPOINT.fullmatch(text) is not None and urlsplit(text).port != 0
    except ValueError:
        return False


def call(function: Callable[[], T]) -> T:
    """Call a function of obstore; an interrupt takes effect immediately.

    The request goes on in a thread that nobody waits for: it is accepted as a whole or not at all.

    Raises:
        StorageError: the request failed.
    """
    if _Runtime.process not in {None, os.getpid()}:
        raise StorageError(
            "this process was forked after its parent had used object storage, which obstore "
            "doesn't allow; fork earlier, or start processes by spawn"
        )
    _Runtime.process = os.getpid()
    outcome = _run(function)
    error = outcome.error
    if error is None:
        return cast("T", outcome.value)
    # A panic of the Rust library is no Exception.
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        raise error
    # Without the error as its cause: its text has URLs, which may be signed.
    raise StorageError(
        reason_of(error),
        missing=isinstance(error, FileNotFoundError),
        exists=type(error).__name__ == "AlreadyExistsError",
        responded=_STATUS.search(str(error)) is not None,
    )


class StorageError(Exception):
    """A request to the storage failed: why, without any URL.

    `missing` where there is no such object or bucket, `exists` where there is one already,
    `responded` where the storage sent a status.
    """

    def __init__(
        self, reason: str, *, missing: bool = False, exists: bool = False, responded: bool = False
    ) -> None:
        super().__init__(reason)
        self.missing, self.exists, self.responded = missing, exists, responded


def _run(function: Callable[[], Any]) -> Outcome:
    """Call a function; where an interrupt may come, in a thread, since it holds up signals."""
    if threading.current_thread() is not threading.main_thread():
        return _outcome_of(function)
    done, outcomes = threading.Event(), list[Outcome]()

    def run() -> None:
        outcomes.append(_outcome_of(function))
        done.set()

    threading.Thread(target=run, name="wanflow-storage", daemon=True).start()
    # On Windows, or where another thread gets the signal, it interrupts no wait for a lock.
    while not done.wait(_CHECK_INTERVAL):
        pass
    return outcomes.pop()


def _outcome_of(function: Callable[[], Any]) -> Outcome:
    try:
        return Outcome(function())
    except BaseException as error:
        return Outcome(error=error)


def reason_of(error: BaseException) -> str:
    """Return why a request to the storage failed, without any URL: one may be signed."""
    text = str(error)
    if any(host in text for host in _METADATA_HOSTS):
        return "there are no credentials for it in the environment"
    status, code = _STATUS.search(text), _CODE.search(text)
    if status is not None:
        return _reason_of_response(status[1], code[1] if code else "")
    if "error sending request" in text or "timed out" in text:
        return "it can't be reached"
    if "BadScheme" in text:
        name = next((name for store, name in _STORES.items() if f"Generic {store} " in text), "AWS")
        return f"its endpoint has no TLS, which needs {name}_ALLOW_HTTP=true in the environment"
    first = _URL.sub("URL", text.partition("\n")[0].strip())
    return first or type(error).__name__


def _reason_of_response(status: str, code: str) -> str:
    response = f"it responded with {status}{f' ({code})' if code else ''}"
    if code in _NO_BUCKET:
        return f"there is no such bucket or container; {response}"
    if code in _EXPIRED:
        return f"the credentials have expired; {response}"
    if code in _REJECTED or status == _UNAUTHENTICATED:
        return f"the credentials are not valid; {response}"
    return f"the credentials don't allow it; {response}" if status == _FORBIDDEN else response
