"""Where callbacks are sent to: the public URL under which a receiver can be reached."""

from __future__ import annotations

from urllib.parse import urlsplit

from wanflow.errors import ConfigurationError, InvalidRequest
from wanflow.spec.public_url import why_not_public

# The documents: "URL length must not exceed 2048 characters".
LONGEST = 2048


def checked_base(url: str, *, local: bool) -> str:
    """Return a receiver's URL, without a closing slash.

    Args:
        url: https, of a public host, without query and fragment.
        local: whether http and internal hosts will do; the API itself refuses them.

    Raises:
        ConfigurationError: it isn't such a URL.
    """
    wrong = _why_not(url, local=local)
    if wrong is not None:
        raise ConfigurationError(f"callback URL {url!r} {wrong}")
    return url.rstrip("/")


def callback_url(base: str, token: str) -> str:
    """Append a token to a receiver's URL.

    Raises:
        InvalidRequest: the whole is longer than the API allows.
    """
    url = f"{base}/{token}"
    if len(url) > LONGEST:
        raise InvalidRequest(
            f"the job's name is too long: its callback URL would have {len(url)} characters, "
            f"and the API takes {LONGEST}"
        )
    return url


def _why_not(url: str, *, local: bool) -> str | None:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        return f"is malformed: {error}"
    if parts.scheme != "https" and not (local and parts.scheme == "http"):
        return "must begin with https://"
    if "?" in url or "#" in url or not url.isascii() or not url.isprintable() or " " in url:
        return "must be plain ASCII, and have neither query nor fragment"
    if local:
        return None if parts.hostname else "has no host"
    return why_not_public(url)
