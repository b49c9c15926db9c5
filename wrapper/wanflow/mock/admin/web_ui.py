"""The web page at `/_mock/`, made of files of this package."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from wanflow.mock.http.response import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

_KINDS = {
    "html": b"text/html; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
}
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    b"img-src 'self' data:; media-src 'self'; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'"
)
_COMMON = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)
_START = "/_mock/"


@cache
def assets() -> Mapping[str, Response]:
    """Return the page's files by path."""
    found: dict[str, Response] = {}
    for file in files(__package__ or "").joinpath("page").iterdir():
        kind = _KINDS.get(file.name.rpartition(".")[2])
        if kind is not None:
            path = _START if file.name == "index.html" else f"/_mock/page/{file.name}"
            found[path] = Response(200, file.read_bytes(), ((b"content-type", kind), *_COMMON))
    return found


def redirect_to_index() -> Response:
    """Redirect `/_mock` to the page, by an address that is right under any prefix."""
    return Response(307, b"", ((b"location", b"_mock/"),))
