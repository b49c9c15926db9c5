"""Generated files of a recorded kind and size."""

from __future__ import annotations

from wanflow.mock.files import media

MOST_BYTES = 64 * 1024 * 1024
_SIDES = (64, 64)
_TYPES = {
    "png": "image/png",
    "mp4": "video/mp4",
    "wav": "audio/wav",
    "txt": "text/plain; charset=utf-8",
}


def type_of(ending: str) -> str:
    """Return the media type of a file name extension."""
    return _TYPES.get(ending, "application/octet-stream")


def filler(content_type: str, size: int | None) -> bytes:
    """Return a small file of a media type, brought to a size.

    It is a PNG, an MP4, a WAV or a text; other types have one of these by their first word. A
    longer file has zeros at its end, which readers ignore; a shorter one is cut.
    """
    start = _start(content_type.partition("/")[0])
    if size is None:
        return start
    return start[:size].ljust(min(size, MOST_BYTES), b"\x00")


def _start(kind: str) -> bytes:
    match kind:
        case "image":
            return media.placeholder_png(*_SIDES)
        case "video":
            return media.placeholder_mp4()
        case "audio":
            return media.wav(1, "")
        case _:
            return b"a recorded file\n"
