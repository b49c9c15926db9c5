"""Pages of a list: the newest first, then what is older than the last one seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl

from attrs import frozen

from wanflow.mock.errors import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

_DEFAULT = 500
_MOST = 1000


@frozen
class Page:
    """At most `limit` items that are older than the one with the key `before`."""

    limit: int = _DEFAULT
    before: str | None = None


def parse_page(query: bytes) -> Page:
    """Parse the query of a list: `limit=100&before=KEY`; both may be absent.

    Raises:
        HTTPError: 400, a name is unknown, or a value is invalid.
    """
    values = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    unknown = values.keys() - {"limit", "before"}
    if unknown:
        raise HTTPError(400, f"{min(unknown)[:50]!r} is unknown; a list takes limit and before")
    limit = values.get("limit", str(_DEFAULT))
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= _MOST):
        raise HTTPError(400, f"limit must be from 1 to {_MOST}, not {limit[:50]!r}", param="limit")
    return Page(int(limit), values.get("before"))


def newest(
    items: Sequence[T], key: Callable[[T], str], page: Page
) -> tuple[Sequence[T], str | None]:
    """Return the items of a page, oldest first, and the `before` of the next; None at the end.

    If the item with the key `before` is no longer stored, nothing older is.
    """
    end = len(items)
    if page.before is not None:
        end = next((at for at, item in enumerate(items) if key(item) == page.before), 0)
    start = max(0, end - page.limit)
    return items[start:end], key(items[start]) if start else None
