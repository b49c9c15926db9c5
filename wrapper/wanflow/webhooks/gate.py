"""What is turned away by its head alone, before a byte of its body is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from wanflow.webhooks.claim import LARGEST_BODY
from wanflow.webhooks.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_JSON = "application/json"
_CHARSETS = frozenset({"", "charset=utf-8", 'charset="utf-8"'})


@frozen
class Head:
    """The method, path and headers of a request; header names are in lower case."""

    method: str
    path: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, method: str, path: str, headers: Iterable[tuple[bytes, bytes]]) -> Head:
        """Make one of what ASGI hands over; of a header that comes twice, the first counts."""
        pairs = [
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers
        ]
        return cls(method, path, dict(reversed(pairs)))

    @property
    def token(self) -> str:
        """The last segment of the path."""
        return self.path.rpartition("/")[2]


def check(head: Head) -> None:
    """Let a head pass that a callback could have.

    Raises:
        Refused: it isn't a POST (405), not of JSON (415), or announces too much (413).
    """
    if head.method != "POST":
        raise Refused("a callback is a POST", status=405)
    check_type(head.headers.get("content-type"))
    if head.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused("a callback is not compressed", status=415)
    length = head.headers.get("content-length", "0")
    if not length.isdecimal() or len(length) > len(str(LARGEST_BODY)) or int(length) > LARGEST_BODY:
        raise Refused("the body is too large", status=413)


def check_type(content_type: str | None) -> None:
    """Let JSON pass.

    Raises:
        Refused: it is of another type (415).
    """
    kind, _, parameter = (content_type or "").lower().partition(";")
    if kind.strip() != _JSON or parameter.strip() not in _CHARSETS:
        raise Refused("a callback is of application/json", status=415)
