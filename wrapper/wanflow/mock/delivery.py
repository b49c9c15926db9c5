"""Serve a file as HTTP has it: whole, in part, only if it changed, or its headers alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wanflow.mock.answer import Answer, Header

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.mock.gallery import File

_RANGE = re.compile(rb"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*")


def deliver(file: File, headers: Mapping[bytes, bytes], *, head: bool) -> Answer:
    """Answer a GET or HEAD for a file (RFC 9110: sections 13 and 14).

    Several ranges at once, and units other than bytes, are answered with the whole file.
    """
    size = len(file.content)
    common: tuple[Header, ...] = (
        (b"content-type", file.content_type),
        (b"etag", file.etag),
        (b"accept-ranges", b"bytes"),
        (b"cache-control", b"private, max-age=86400"),
    )
    if _matches(headers.get(b"if-none-match"), file.etag):
        return Answer(304, b"", common[1:], length=size)
    part = None if head else _part(file, headers)
    if part is None:
        return Answer(200, b"" if head else file.content, common, length=size)
    if not part:
        return Answer(416, b"", ((b"content-range", b"bytes */%d" % size),))
    content_range = (b"content-range", b"bytes %d-%d/%d" % (part.start, part.stop - 1, size))
    return Answer(206, file.content[part.start : part.stop], (*common, content_range))


def _matches(wanted: bytes | None, etag: bytes) -> bool:
    if wanted is None:
        return False
    tags = {tag.strip().removeprefix(b"W/") for tag in wanted.split(b",")}
    return bool(tags & {etag, b"*"})


def _part(file: File, headers: Mapping[bytes, bytes]) -> range | None:
    found = _RANGE.fullmatch(headers.get(b"range", b""))
    condition = headers.get(b"if-range", file.etag)
    if found is None or not (found[1] or found[2]) or condition != file.etag:
        return None
    size = len(file.content)
    if not found[1]:
        return range(max(0, size - int(found[2])), size)
    first, last = int(found[1]), int(found[2]) if found[2] else size - 1
    if found[2] and last < first:
        return None
    return range(first, min(last + 1, size))
