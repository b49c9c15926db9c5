"""What a link leads to, told by its first bytes: pictures and films, and a picture's size."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from attrs import frozen

from wanflow_contract.checks.check import Law

if TYPE_CHECKING:
    from collections.abc import Iterator

LINK = Law(
    "link",
    "Each link of a completed task serves a file of the kind that was made.",
    "Links to what the task made, given once it is completed and valid for 24 hours",
)
SIZE = Law("size", "A picture has the size that was asked for.")
FILM = Law(
    "film",
    "A film has the duration and the shape that were asked for.",
    "duration of the generated video (seconds); video aspect ratio",
)
WHOLE = Law("whole-file", "A link serves the whole file, each time that it is followed.")
FRAME = Law("frame", "The better a film's quality, the larger its frame.", "quality: 480p, 720p")
PART = Law("part", "A part of a file, asked for by its bytes, is that part of the whole.")
MADE = Law("made", "What is asked for rightly is made, at the latest when it is tried again.")
AS_DEFAULT = Law("as-default", "What is left out is made as its default says.")
DAY = Law("a-day", "A link works for 24 hours.", "valid for 24 hours")

_PICTURES = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"BM": "bmp"}


def kind_of(content: bytes) -> str | None:
    """Return image, video, audio, or None for what is none of them."""
    if any(content.startswith(mark) for mark in _PICTURES):
        return "image"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image"
    if content[4:8] == b"ftyp" or content[:4] == b"\x1aE\xdf\xa3":
        return "image" if content[8:12] in {b"avif", b"heic"} else "video"
    if content[:3] == b"ID3" or content[:2] in {b"\xff\xfb", b"\xff\xf3"}:
        return "audio"
    return None


def png_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG, None for any other file."""
    if not content.startswith(b"\x89PNG") or len(content) < 24:
        return None
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def media_of(content: bytes) -> str | None:
    """Return the media type that a picture's first bytes tell, None for what has several."""
    found = next((kind for mark, kind in _PICTURES.items() if content.startswith(mark)), None)
    return f"image/{found}" if found else None


def is_whole(content: bytes) -> bool:
    """Tell whether a file goes on to its end, as far as its kind tells."""
    if content.startswith(b"\x89PNG"):
        return b"IEND" in content[-12:]
    if content.startswith(b"\xff\xd8\xff"):
        return b"\xff\xd9" in content[-64:]
    if content[4:8] == b"ftyp":
        *_, last = _boxes(content)
        return last.end <= len(content)
    return True


@frozen
class Box:
    """A box of an MP4: its kind, and where its content begins and ends."""

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


def film_seconds(content: bytes) -> float | None:
    """Return how long an MP4 is by its own word, None where it doesn't say."""
    for told in _within(content, b"moov", b"mvhd"):
        wide = told[:1] == b"\x01"
        scale, length = struct.unpack_from(">IQ" if wide else ">II", told, 20 if wide else 12)
        return length / scale if scale and length else None
    return None


def film_size(content: bytes) -> tuple[float, float] | None:
    """Return width and height of an MP4's first track of pictures, None where it has none."""
    for told in _within(content, b"moov", b"trak", b"tkhd"):
        width, height = struct.unpack(">II", told[-8:])
        if width and height:
            return width / 65536, height / 65536
    return None
