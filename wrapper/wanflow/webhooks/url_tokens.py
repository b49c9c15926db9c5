"""Signed tokens for callback URLs: anyone can read them, only the secret can make them."""

from __future__ import annotations

import binascii
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from attrs import frozen

from wanflow.catalog.public_url import public_url_problem
from wanflow.errors import ConfigurationError, InvalidRequest
from wanflow.webhooks.errors import CallbackRejected

if TYPE_CHECKING:
    from collections.abc import Sequence

# The spec: "URL length must not exceed 2048 characters".
MAX_URL_LENGTH = 2048


def validate_public_url(url: str, *, allow_local: bool) -> str:
    """Return a receiver's URL, without a closing slash.

    Args:
        url: https, of a public host, without query and fragment.
        allow_local: whether http and internal hosts are allowed; the API rejects them.

    Raises:
        ConfigurationError: it isn't such a URL.
    """
    problem = _url_problem(url, allow_local=allow_local)
    if problem is not None:
        raise ConfigurationError(f"callback URL {url!r} {problem}")
    return url.rstrip("/")


def callback_url(base: str, token: str) -> str:
    """Append a token to a receiver's URL.

    Raises:
        InvalidRequest: the URL is longer than the API allows.
    """
    url = f"{base}/{token}"
    if len(url) > MAX_URL_LENGTH:
        raise InvalidRequest(
            f"the job's name is too long: the callback URL would have {len(url)} characters, "
            f"and the API allows {MAX_URL_LENGTH}"
        )
    return url


def _url_problem(url: str, *, allow_local: bool) -> str | None:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        return f"is malformed: {error}"
    if parts.scheme != "https" and not (allow_local and parts.scheme == "http"):
        return "must begin with https://"
    if "?" in url or "#" in url or not url.isascii() or not url.isprintable() or " " in url:
        return "must be plain ASCII, and have neither query nor fragment"
    if allow_local:
        return None if parts.hostname else "has no host"
    return public_url_problem(url)


MIN_SECRET_BYTES = 16
_MAX_SECRETS = 8
# Part of every signature, so that a signature made for another purpose isn't valid here.
_DOMAIN = b"wanflow callback 1\n"


@frozen
class TokenData:
    """The content of a token. `expires` is a Unix time, None for never."""

    job: str
    kind: str
    expires: int | None = None


class UrlSigner:
    """Signs and verifies tokens: the first secret signs, all of them verify.

    Raises:
        ConfigurationError: there is no secret, too many, or one of fewer than 16 bytes.
    """

    __slots__ = ("_keys",)

    def __init__(self, secrets: str | bytes | Sequence[str | bytes]) -> None:
        given = [secrets] if isinstance(secrets, str | bytes) else list(secrets)
        self._keys = [one.encode() if isinstance(one, str) else bytes(one) for one in given]
        if not 0 < len(self._keys) <= _MAX_SECRETS:
            raise ConfigurationError(
                f"give 1 to {_MAX_SECRETS} callback secrets, not {len(self._keys)}"
            )
        if any(len(key) < MIN_SECRET_BYTES for key in self._keys):
            raise ConfigurationError(
                f"a callback secret must have at least {MIN_SECRET_BYTES} bytes"
            )

    def __repr__(self) -> str:
        return f"UrlSigner({len(self._keys)} secrets)"

    def __reduce__(self) -> str:
        raise TypeError("secrets are not pickled")

    def sign(self, data: TokenData) -> str:
        """Make a token, of letters, digits, `-`, `_` and one dot.

        Raises:
            InvalidRequest: the job or kind can't be written as UTF-8.
        """
        fields = [data.job, data.kind, data.expires]
        text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        try:
            payload = _encode(text.encode())
        except UnicodeEncodeError:
            raise InvalidRequest(f"a job must be valid Unicode text, not {data.job!r}") from None
        return f"{payload}.{_sign(self._keys[0], payload)}"

    def verify(self, token: str, *, now: float) -> TokenData:
        """Return the content of a valid token.

        The signature covers the encoded payload and is compared in its encoded form, so each
        token has only one valid spelling.

        Raises:
            CallbackRejected: the signature isn't valid (404), or the token has expired (410).
        """
        payload, _, signature = token.partition(".")
        if (
            len(token) > MAX_URL_LENGTH
            or not token.isascii()
            or not self._signed(payload, signature)
        ):
            raise CallbackRejected("the URL's token isn't valid")
        data = _read(payload)
        if data.expires is not None and now >= data.expires:
            raise CallbackRejected("the URL has expired", status=410)
        return data

    def _signed(self, payload: str, signature: str) -> bool:
        """Compare with the signature of every secret, in constant time."""
        matches = [hmac.compare_digest(_sign(key, payload), signature) for key in self._keys]
        return any(matches)


def _sign(key: bytes, payload: str) -> str:
    return _encode(hmac.digest(key, _DOMAIN + payload.encode(), "sha256"))


def _encode(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _read(payload: str) -> TokenData:
    """Parse a payload with a valid signature; another version may have made it."""
    try:
        fields = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        job, kind, expires = cast("list[object]", fields)
    except (ValueError, TypeError, binascii.Error):
        raise CallbackRejected("the URL's token was made by another version") from None
    if isinstance(job, str) and isinstance(kind, str) and isinstance(expires, int | None):
        return TokenData(job, kind, expires)
    raise CallbackRejected("the URL's token was made by another version")
