"""When a presigned link expires, as its text says: Amazon S3, Google Cloud Storage, Azure.

A task is paid for when it is submitted, and reads its files later: a link that expires in between
costs as much as a good one, and the task fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow._core.local_files import file_values
from wanflow._core.validation import raise_violations
from wanflow.catalog.violation import Violation, name_of, pointer_to

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from wanflow._core.local_files import Pointer
    from wanflow.catalog.catalog import Model
    from wanflow.catalog.document import JsonObject

    ExpiringLink = tuple[Pointer, float]
    """The place of a link in a request, and the Unix time at which it expires."""

MIN_LIFETIME = 900.0
"""Seconds that a link must live when a task is submitted: as long as a wait lasts by default."""

_MAX_SECONDS = 10**11


def expiring_links(
    document: JsonObject, model: Model, body: Mapping[str, Any]
) -> tuple[ExpiringLink, ...]:
    """Return the links of a request whose text says when they expire."""
    return tuple(
        (pointer, expires_at)
        for pointer, link, _ in file_values(document, model, body)
        if isinstance(link, str) and (expires_at := expiry_of(link)) is not None
    )


def refuse_expired(model: str, links: Iterable[ExpiringLink], now: float) -> None:
    """Check that links live as long as a task may need them.

    Raises:
        InvalidRequest: some don't.
    """
    raise_violations(model, expired_links(links, now))


def expired_links(links: Iterable[ExpiringLink], now: float) -> list[Violation]:
    """List the links that don't live as long as a task may need them, without the links."""
    return [
        Violation(pointer_to(pointer), "expiry", f"{name_of(pointer)}: the link {problem}")
        for pointer, expires_at in links
        if (problem := expiry_problem(expires_at, now)) is not None
    ]


def expiry_problem(expires_at: float, now: float) -> str | None:
    """Return why a link can't be submitted now, as the end of a sentence; None if it can."""
    left = expires_at - now
    if left >= MIN_LIFETIME:
        return None
    when = "has expired" if left <= 0 else f"expires in {left:.0f} s"
    return (
        f"{when}, and must be valid for at least {MIN_LIFETIME:.0f} s, until the task has read it"
    )


def expiry_of(link: str) -> float | None:
    """Return the Unix time at which a presigned link expires; None if its text doesn't say."""
    if "?" not in link:
        return None
    from urllib.parse import parse_qsl, urlsplit  # noqa: PLC0415 - few links have a query

    try:
        query = {name.lower(): value for name, value in parse_qsl(urlsplit(link).query)}
        return _signed_expiry(query)
    except (ValueError, OverflowError):
        return None


def _signed_expiry(query: Mapping[str, str]) -> float | None:
    for vendor in ("x-amz", "x-goog"):
        if f"{vendor}-expires" in query and f"{vendor}-signature" in query:
            signed = _time(query.get(f"{vendor}-date", ""), "%Y%m%dT%H%M%SZ")
            return signed + _seconds(query[f"{vendor}-expires"])
    if "sig" in query and "se" in query:
        return _azure_time(query["se"])
    if "signature" in query and "expires" in query:
        return _seconds(query["expires"])
    return None


def _azure_time(text: str) -> float:
    from datetime import UTC, datetime  # noqa: PLC0415 - few links have a query

    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _time(text: str, form: str) -> float:
    from datetime import UTC, datetime  # noqa: PLC0415 - few links have a query

    return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()


def _seconds(text: str) -> float:
    if not (text.isascii() and text.isdigit()) or int(text) > _MAX_SECONDS:
        raise ValueError(text)
    return float(text)
