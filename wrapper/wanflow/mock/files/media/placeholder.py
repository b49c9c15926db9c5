"""What is served where nothing can be drawn: small files, valid and plain."""

from __future__ import annotations

import struct
import zlib
from functools import cache
from importlib.resources import files

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DEPTH, _PALETTE = 1, 3
_COLOURS = bytes((38, 42, 64, 112, 122, 190))
_STRIPE = 16


def placeholder_png(width: int, height: int) -> bytes:
    """Write a striped PNG of a size in pixels with nothing but the standard library."""
    head = struct.pack(">IIBBBBB", width, height, _DEPTH, _PALETTE, 0, 0, 0)
    line = b"\x00" + bytes(0xFF if place // 2 % 2 else 0 for place in range((width + 7) // 8))
    other = b"\x00" + bytes(level ^ 0xFF for level in line[1:])
    pattern = (other if number // _STRIPE % 2 else line for number in range(height))
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(row) for row in pattern) + packer.flush()
    chunks = ((b"IHDR", head), (b"PLTE", _COLOURS), (b"IDAT", pixels), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(name, data) for name, data in chunks)


@cache
def placeholder_mp4() -> bytes:
    """Read the clip that the package carries; `python -m wanflow.mock.files.media` makes it."""
    return files(__package__ or "").joinpath("placeholder.mp4").read_bytes()


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
