"""URLs of PostgreSQL databases, shown without their passwords."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode

_URL = re.compile(r"postgres(?:ql)?://", re.IGNORECASE)
_IN_TEXT = re.compile(rf"{_URL.pattern}\S*", re.IGNORECASE)
# Also a password with characters that should have been escaped.
_PASSWORD = re.compile(r"^([^/]*//[^:@]*:).*@", re.DOTALL)
_HIDDEN = "***"
_SECRETS = frozenset({"password", "sslpassword", "oauth_client_secret"})


def is_postgres_url(named: object) -> bool:
    """Return whether this is the URL of a PostgreSQL database."""
    return isinstance(named, str) and _URL.match(named) is not None


def without_password(url: str) -> str:
    """Return a URL with `***` in place of its passwords."""
    before, mark, query = url.partition("?")
    if "@" in query and "@" not in before:
        return _PASSWORD.sub(rf"\1{_HIDDEN}@", url)
    hidden = _PASSWORD.sub(rf"\1{_HIDDEN}@", before)
    if not mark:
        return hidden
    pairs = parse_qsl(query, keep_blank_values=True)
    kept = [(name, _HIDDEN if name.lower() in _SECRETS else value) for name, value in pairs]
    return f"{hidden}?{urlencode(kept, safe='/*:,')}"


def without_passwords(text: str) -> str:
    """Return a text with `***` in place of the passwords of the URLs in it."""
    return _IN_TEXT.sub(lambda found: without_password(found[0]), text)
