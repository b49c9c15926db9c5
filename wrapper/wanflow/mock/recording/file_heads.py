"""Reads the heads of result files: their status, media type and size, and no key is sent."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from attrs import define, field

from wanflow.mock.callbacks.ssrf_guard import SsrfGuard, UrlBlocked

if TYPE_CHECKING:
    Head = tuple[int, str, int | None]

_TIMEOUT = 10.0
_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_STATUS = re.compile(rb"HTTP/1\.[01] ([2-5][0-9]{2})[ \r]")
_RANGE = re.compile(r"bytes [0-9]+-[0-9]+/([0-9]{1,18})", re.ASCII)


@define
class FileHeads:
    """Reads heads from public hosts over https; from this machine only if `of_this_machine`.

    A GET with a range of one byte is sent, because signed links allow no HEAD.
    """

    of_this_machine: bool = False
    _guard: SsrfGuard = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Create the guard."""
        self._guard = SsrfGuard(self.of_this_machine)

    def read(self, link: str) -> Head | None:
        """Return status, media type and size of a file, None if it can't be asked for."""
        try:
            return asyncio.run(self._read(link))
        except (OSError, UrlBlocked, ValueError, EOFError, asyncio.LimitOverrunError):
            return None

    async def _read(self, link: str) -> Head | None:
        async with asyncio.timeout(_TIMEOUT):
            for _ in range(_MOST_REDIRECTS + 1):
                status, headers = await self._head(link)
                if status not in _REDIRECTS or "location" not in headers:
                    return _meaning(status, headers)
                link = urljoin(link, headers["location"])
        return None

    async def _head(self, link: str) -> tuple[int, dict[str, str]]:
        target, (reader, writer) = await self._guard.connect_to(link)
        request = (
            f"GET {target.path} HTTP/1.1\r\nHost: {target.authority}\r\nRange: bytes=0-0\r\n"
            "Accept: */*\r\nUser-Agent: wanflow-mock\r\nConnection: close\r\n\r\n"
        )
        try:
            writer.write(request.encode("ascii"))
            await writer.drain()
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        finally:
            writer.close()
        found = _STATUS.match(first + b"\r")
        if found is None:
            raise ValueError("the response isn't HTTP")
        pairs = (line.decode("latin-1").partition(":") for line in lines if line)
        return int(found[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}


def _meaning(status: int, headers: dict[str, str]) -> Head:
    """Return what a request without a range is answered with."""
    part = _RANGE.fullmatch(headers.get("content-range", ""))
    length = headers.get("content-length", "")
    size = part[1] if part else length if status != 206 and length.isdigit() else ""  # noqa: PLR2004
    whole = 200 if status == 206 else status  # noqa: PLR2004 - a part of the file
    return whole, headers.get("content-type", ""), int(size) if size else None
