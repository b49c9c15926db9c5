"""What a link leads to, told by its first bytes: pictures and films, and a picture's size."""

from __future__ import annotations

import struct

from contract_tests.laws.law import Law

LINK = Law(
    "link",
    "Each link of a completed task serves a file of the kind that was made.",
    "Links to what the task made, given once it is completed and valid for 24 hours",
)
SIZE = Law("size", "A picture has the size that was asked for.")

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
