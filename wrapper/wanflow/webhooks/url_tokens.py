"""Tokens for callback URLs: what the URL is for, readable by anybody and made by nobody else."""

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

# The documents: "URL length must not exceed 2048 characters".
MAX_URL_LENGTH = 2048


def validate_public_url(url: str, *, allow_local: bool) -> str:
    """Return a receiver's URL, without a closing slash.

    Args:
        url: https, of a public host, without query and fragment.
        local: whether http and internal hosts will do; the API itself refuses them.

    Raises:
        ConfigurationError: it isn't such a URL.
    """
    wrong = _why_not(url, allow_local=allow_local)
    if wrong is not None:
        raise ConfigurationError(f"callback URL {url!r} {wrong}")
    return url.rstrip("/")


def callback_url(base: str, token: str) -> str:
    """Append a token to a receiver's URL.

    Raises:
        InvalidRequest: the whole is longer than the API allows.
    """
    url = f"{base}/{token}"
    if len(url) > MAX_URL_LENGTH:
        raise InvalidRequest(
            f"the job's name is too long: its callback URL would have {len(url)} characters, "
            f"and the API takes {MAX_URL_LENGTH}"
        )
    return url


def _why_not(url: str, *, allow_local: bool) -> str | None:
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
_MOST_SECRETS = 8
# Signed with every token, so that a secret that signs other things too can't be made to sign these.
_DOMAIN = b"wanflow callback 1\n"


@frozen
class TokenData:
    """What a token says. `expires` is in unix seconds, None where it never does."""

    job: str
    kind: str
    expires: int | None = None


class UrlSigner:
    """Makes and opens tokens: the first secret signs, all of them verify.

    Raises:
        ConfigurationError: there is no secret, too many, or one of fewer than 16 bytes.
    """

    __slots__ = ("_keys",)

    def __init__(self, secrets: str | bytes | Sequence[str | bytes]) -> None:
        given = [secrets] if isinstance(secrets, str | bytes) else list(secrets)
        self._keys = [one.encode() if isinstance(one, str) else bytes(one) for one in given]
        if not 0 < len(self._keys) <= _MOST_SECRETS:
            raise ConfigurationError(f"wanted are 1 to {_MOST_SECRETS} callback secrets")
        if any(len(key) < MIN_SECRET_BYTES for key in self._keys):
            raise ConfigurationError(f"a callback secret has {MIN_SECRET_BYTES} bytes or more")

    def __repr__(self) -> str:
        return f"Sealer({len(self._keys)} secrets)"

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
            raise InvalidRequest(f"a job is a text of Unicode (got {data.job!r})") from None
        return f"{payload}.{_sign(self._keys[0], payload)}"

    def verify(self, token: str, *, now: float) -> TokenData:
        """Read a token that is one of ours and hasn't expired.

        The signature covers the payload as spelled and is compared as spelled, so that a token
        has no second spelling.

        Raises:
            Refused: it isn't, or it has.
        """
        payload, _, signature = token.partition(".")
        if (
            len(token) > MAX_URL_LENGTH
            or not token.isascii()
            or not self._signed(payload, signature)
        ):
            raise CallbackRejected("the URL is none of ours")
        ticket = _read(payload)
        if ticket.expires is not None and now >= ticket.expires:
            raise CallbackRejected("the URL has expired", status=410)
        return ticket

    def _signed(self, payload: str, signature: str) -> bool:
        """Compare with the signature of every secret, in a time that tells nothing."""
        verdicts = [hmac.compare_digest(_sign(key, payload), signature) for key in self._keys]
        return any(verdicts)


def _sign(key: bytes, payload: str) -> str:
    return _encode(hmac.digest(key, _DOMAIN + payload.encode(), "sha256"))


def _encode(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _read(payload: str) -> TokenData:
    """Read what one of our secrets has signed; it may still be of another version of ours."""
    try:
        fields = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        job, kind, expires = cast("list[object]", fields)
    except (ValueError, TypeError, binascii.Error):
        raise CallbackRejected("the URL is of another version") from None
    if isinstance(job, str) and isinstance(kind, str) and isinstance(expires, int | None):
        return TokenData(job, kind, expires)
    raise CallbackRejected("the URL is of another version")
