"""Who may come to the mock's own side: whoever calls it by a name that it has itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wanflow.mock.refusal import Refusal

if TYPE_CHECKING:
    from wanflow.mock.request import Request

_HOST = re.compile(rb"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]*))(?::[0-9]*)?")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def trust(request: Request, origin: str) -> None:
    """Let nobody in by a name that was made to point to this machine (DNS rebinding).

    Raises:
        Refusal: 403, a mock on loopback is called by a name of the network.
    """
    if urlsplit(origin).hostname not in _LOOPBACK or b"host" not in request.headers:
        return
    found = _HOST.fullmatch(request.headers[b"host"])
    name = b"" if found is None else found[1] or found[2]
    if name.decode().lower() not in _LOOPBACK:
        raise Refusal(403, "/_mock of a mock on loopback is for loopback alone")
