"""What the first bytes of an image file say of it: format, sides, and whether it has alpha."""

from __future__ import annotations

import struct

from attrs import frozen


@frozen
class ImageHeader:
    """An image file's head. `format` is its usual extension, `width` and `height` are in pixels."""

    format: str
    width: int
    height: int
    alpha: bool


class NotAnImage(ValueError):
    """The bytes are no image of a format that is known here."""


def read_image_header(content: bytes) -> ImageHeader:
    """Read the head of a PNG, JPEG, BMP, WebP or GIF file.

    Raises:
        NotAnImage: it is none, or is cut off before its width and height.
    """
    try:
        return _read(content)
    except (struct.error, IndexError) as error:
        raise NotAnImage("the image is cut off") from error


def _read(content: bytes) -> ImageHeader:
    match content[:4]:
        case b"\x89PNG":
            return _png(content)
        case b"RIFF" if content[8:12] == b"WEBP":
            return _webp(content)
        case b"GIF8":
            width, height = struct.unpack_from("<HH", content, 6)
            return ImageHeader("gif", width, height, alpha=False)
        case start if start[:2] == b"\xff\xd8":
            return _jpeg(content)
        case start if start[:2] == b"BM":
            return _bmp(content)
        case _:
            raise NotAnImage("it is no PNG, JPEG, BMP, WebP or GIF")


def _png(content: bytes) -> ImageHeader:
    width, height, _, color_type = struct.unpack_from(">IIBB", content, 16)
    # The PNG color types 4 and 6 have an alpha channel; a tRNS chunk makes any other transparent.
    return ImageHeader(
        "png", width, height, alpha=color_type in {4, 6} or _png_has(content, b"tRNS")
    )


def _png_has(content: bytes, wanted: bytes) -> bool:
    offset = 8
    while offset + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, offset)
        if kind == wanted:
            return True
        if kind in {b"IDAT", b"IEND"}:
            return False
        offset += length + 12
    return False


def _jpeg(content: bytes) -> ImageHeader:
    offset = 2
    while True:
        marker, kind, length = struct.unpack_from(">BBH", content, offset)
        if marker != 0xFF:  # noqa: PLR2004
            raise NotAnImage("the JPEG is broken")
        # Start of frame: C0 to CF but for tables (C4), extensions (C8) and arithmetic coding (CC).
        if 0xC0 <= kind <= 0xCF and kind not in {0xC4, 0xC8, 0xCC}:  # noqa: PLR2004
            height, width = struct.unpack_from(">HH", content, offset + 5)
            return ImageHeader("jpg", width, height, alpha=False)
        # A byte of fill before a marker is one FF more.
        offset += 1 if kind == 0xFF else length + 2  # noqa: PLR2004


def _bmp(content: bytes) -> ImageHeader:
    if struct.unpack_from("<I", content, 14)[0] == 12:  # noqa: PLR2004 - the header of OS/2
        width, height = struct.unpack_from("<HH", content, 18)
        return ImageHeader("bmp", width, height, alpha=False)
    # A negative height means that the rows are stored from the top down.
    width, height, _, depth = struct.unpack_from("<iiHH", content, 18)
    return ImageHeader("bmp", abs(width), abs(height), alpha=depth == 32)  # noqa: PLR2004


def _webp(content: bytes) -> ImageHeader:
    match content[12:16]:
        case b"VP8X":
            width = int.from_bytes(content[24:27], "little") + 1
            height = struct.unpack("<I", content[27:30] + b"\0")[0] + 1
            return ImageHeader("webp", width, height, alpha=bool(content[20] & 0x10))
        case b"VP8L":
            bits = struct.unpack_from("<I", content, 21)[0]
            alpha = bool(bits >> 28 & 1)
            return ImageHeader("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, alpha)
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", content, 26)
            return ImageHeader("webp", width & 0x3FFF, height & 0x3FFF, alpha=False)
        case _:
            raise NotAnImage("the WebP is broken")
