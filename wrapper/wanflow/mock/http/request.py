"""A complete request, with a bounded body."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from attrs import define, field

from wanflow.mock.errors import HTTPError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BODY_SIZE = 1024 * 1024
MAX_UPLOAD_SIZE = 64 * 1024 * 1024
_UPLOADS = b"/_mock/uploads/"
_SLASH = re.compile("%2f", re.IGNORECASE)


@define(eq=False)
class Request:
    """Method, raw path (percent signs as sent) and headers (names in lower case; the last wins).

    `body_bytes` is the body, None if it is larger than `max_body_size` allows; `close_after` is
    whether the connection closes after it. `root_path` is where an ASGI application is mounted,
    which `path` is without; `local_host` is the address at which the request arrived.
    """

    method: str
    path: str
    headers: Mapping[bytes, bytes] = field(repr=False)
    body_bytes: bytes | None = field(repr=False, default=b"")
    query: bytes = field(repr=False, default=b"")
    close_after: bool = field(repr=False, default=True)
    scheme: str = field(repr=False, default="http")
    root_path: str = field(repr=False, default="")
    local_host: str = field(repr=False, default="")

    @property
    def decoded(self) -> str:
        """The percent-decoded path, except for slashes, which would separate other parts."""
        return "%2F".join(map(unquote, _SLASH.split(self.path)))

    def body(self) -> bytes:
        """Return the whole body.

        Raises:
            HTTPError: 413, it is larger than `max_body_size` allows.
        """
        if self.body_bytes is None:
            limit = max_body_size(self.path.encode("latin-1"))
            raise HTTPError(413, f"the body must have at most {limit} bytes")
        return self.body_bytes

    def require_method(self, *methods: str) -> None:
        """Check the method.

        Raises:
            HTTPError: 405, it is another method.
        """
        if self.method not in methods:
            names = ", ".join(methods)
            allowed = ((b"allow", names.encode()),)
            raise HTTPError(
                405, f"{self.method} is not allowed here, only {names}", headers=allowed
            )


def max_body_size(path: bytes) -> int:
    """Return how many bytes the body of a request for a path may have."""
    return MAX_UPLOAD_SIZE if path.startswith(_UPLOADS) else MAX_BODY_SIZE


def raw_path(target: bytes) -> str | None:
    """Return the raw path of a request's target, None if it has none (`host:443`)."""
    path = target.partition(b"?")[0]
    if path[:1] == b"/" or path == b"*":
        return path.decode("latin-1")
    scheme, found, rest = path.partition(b"://")
    if not found or not scheme.isalpha():
        return None
    return "/" + rest.partition(b"/")[2].decode("latin-1")
