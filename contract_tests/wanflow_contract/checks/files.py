"""Media files: their type by the first bytes, the size of images, and size and length of videos."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator


_IMAGE_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"BM": "bmp",
    b"GIF8": "gif",
    b"II*\x00": "tiff",
    b"MM\x00*": "tiff",
    b"\xff\x0a": "jxl",
}
_IMAGE_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"mif1"})
_VIDEO_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide"})


def kind_of(content: bytes) -> str | None:
    """Return image, video or audio, None for any other file."""
    if any(content.startswith(mark) for mark in _IMAGE_SIGNATURES):
        return "image"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image"
    if content[4:8] in _VIDEO_BOXES or content[:4] == b"\x1aE\xdf\xa3":
        return "image" if content[8:12] in _IMAGE_BRANDS else "video"
    if content[:4] == b"RIFF" and content[8:12] == b"AVI ":
        return "video"
    if content[:3] == b"ID3" or content[:2] in {b"\xff\xfb", b"\xff\xf3"}:
        return "audio"
    return None


def is_text(content: bytes) -> bool:
    """Return whether a file is empty or text, such as a page of HTML, and so no media file."""
    start = content[:512]
    return not any(byte < 9 or 13 < byte < 32 for byte in start)


def png_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG, None for any other file."""
    if not content.startswith(b"\x89PNG") or len(content) < 24:
        return None
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def media_of(content: bytes) -> str | None:
    """Return the media type of an image by its first bytes, None if they don't determine it."""
    found = next(
        (kind for mark, kind in _IMAGE_SIGNATURES.items() if content.startswith(mark)), None
    )
    return f"image/{found}" if found else None


def is_whole(content: bytes) -> bool:
    """Return whether a file is complete, as far as its format shows."""
    if content.startswith(b"\x89PNG"):
        return b"IEND" in content[-64:]
    if content.startswith(b"\xff\xd8\xff"):
        return b"\xff\xd9" in content[-64:]
    if content[4:8] == b"ftyp":
        *_, last = _boxes(content)
        return last.end <= len(content)
    return True


@frozen
class Box:
    """A box of an MP4: its type, and where its content starts and ends."""

    kind: bytes
    begin: int
    end: int


def _boxes(content: bytes, begin: int = 0, end: int | None = None) -> Iterator[Box]:
    stop = len(content) if end is None else end
    while begin + 8 <= stop:
        size, head = int.from_bytes(content[begin : begin + 4]), 8
        kind = content[begin + 4 : begin + 8]
        if size == 1:
            size, head = int.from_bytes(content[begin + 8 : begin + 16]), 16
        size = size or stop - begin
        yield Box(kind, begin + head, begin + size)
        begin += max(size, 8)


def _within(content: bytes, *path: bytes) -> Iterator[bytes]:
    """Yield the contents of the boxes at a path."""
    found = [Box(b"", 0, len(content))]
    for kind in path:
        inner = (one for box in found for one in _boxes(content, box.begin, box.end))
        found = [one for one in inner if one.kind == kind]
    yield from (content[box.begin : box.end] for box in found)


def video_seconds(content: bytes) -> float | None:
    """Return the duration in an MP4's header in seconds, None if it has none."""
    for header in _within(content, b"moov", b"mvhd"):
        wide = header[:1] == b"\x01"
        if len(header) < (32 if wide else 20):
            continue
        scale, length = struct.unpack_from(">IQ" if wide else ">II", header, 20 if wide else 12)
        return length / scale if scale and length else None
    return None


def video_size(content: bytes) -> tuple[float, float] | None:
    """Return width and height of an MP4's first video track, None if it has none."""
    for header in _within(content, b"moov", b"trak", b"tkhd"):
        if len(header) < 8:
            continue
        width, height = struct.unpack(">II", header[-8:])
        if width and height:
            return width / 65536, height / 65536
    return None
