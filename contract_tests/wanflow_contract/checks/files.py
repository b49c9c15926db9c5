"""Media files: their type by the first bytes, the size of images, and size and length of videos."""

from __future__ import annotations

import io
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
_READ = ("PNG", "JPEG", "WEBP", "BMP")
_IMAGE_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"mif1"})
_VIDEO_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide"})


def kind_of(content: bytes) -> str | None:
    """Return image, video or audio, None for any other file."""
    if any(content.startswith(mark) for mark in _IMAGE_SIGNATURES):
        return "image"
    if _is_webp(content):
        return "image"
    if content[4:8] in _VIDEO_BOXES or content[:4] == b"\x1aE\xdf\xa3":
        return _kind_by_tracks(content)
    if content[:4] == b"RIFF" and content[8:12] == b"AVI ":
        return "video"
    if content[:3] == b"ID3" or content[:2] in {b"\xff\xfb", b"\xff\xf3"}:
        return "audio"
    return None


def is_text(content: bytes) -> bool:
    """Return whether a file is empty or text, such as a page of HTML, and so no media file."""
    start = content[:512]
    return not any(byte < 9 or 13 < byte < 32 for byte in start)


def image_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height by the header of an image, None for any other file."""
    from PIL import Image  # the commands explain themselves without extras

    try:
        with Image.open(io.BytesIO(content), formats=_READ) as image:
            return image.size
    except Exception:
        return None


def media_of(content: bytes) -> str | None:
    """Return the media type of an image by its first bytes, None if they don't determine it."""
    found = next(
        (kind for mark, kind in _IMAGE_SIGNATURES.items() if content.startswith(mark)), None
    )
    if _is_webp(content):
        found = "webp"
    return f"image/{found}" if found else None


def _is_webp(content: bytes) -> bool:
    return content[:4] == b"RIFF" and content[8:12] == b"WEBP"


_LAST_BYTES = {b"\x89PNG": b"IEND", b"\xff\xd8\xff": b"\xff\xd9"}
"""What is near the end of a complete file, by how it begins."""
_LENGTHS = {b"RIFF": (4, 8), b"BM": (2, 0)}
"""Where a file says how long it is, and how many bytes that doesn't count."""


def is_whole(content: bytes) -> bool:
    """Return whether a file is complete and unchanged, as far as its format shows."""
    if _is_damaged(content):
        return False
    for mark, last in _LAST_BYTES.items():
        if content.startswith(mark):
            return last in content[-64:]
    for mark, (at, more) in _LENGTHS.items():
        if content.startswith(mark):
            return len(content) >= more + int.from_bytes(content[at : at + 4], "little")
    if content[4:8] == b"ftyp":
        boxes = list(_boxes(content))
        kinds = {one.kind for one in boxes}
        return boxes[-1].end <= len(content) and (b"mdat" not in kinds or b"moov" in kinds)
    return True


def _is_damaged(content: bytes) -> bool:
    """Return whether a part of a picture has another checksum than the picture says."""
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(content), formats=_READ)
    except Exception:
        return False
    try:
        image.verify()
    except (OSError, SyntaxError):
        return True
    return False


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


def _kind_by_tracks(content: bytes) -> str:
    """Return the kind of an MP4: audio if it names its tracks, and they have nothing but sound."""
    if content[8:12] in _IMAGE_BRANDS:
        return "image"
    tracks = {one[8:12] for one in _within(content, b"moov", b"trak", b"mdia", b"hdlr")}
    return "audio" if b"soun" in tracks and b"vide" not in tracks else "video"


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
