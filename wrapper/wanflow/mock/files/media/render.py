"""Render images and videos. The libraries are imported only when a file is requested."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wanflow.mock.files.media.subject import ImageSpec, VideoSpec


class MediaMissing(Exception):
    """Drawing was asked for, and the libraries of the `media` extra are not installed."""

    def __init__(self) -> None:
        super().__init__(
            "drawing pictures and clips needs more libraries: pip install 'wanflow[media]'"
        )


@cache
def available() -> bool:
    """Say whether pictures and clips can be drawn: Pillow, its fonts and PyAV are installed."""
    try:
        import_module("anyascii")
        import_module("av")
        return bool(import_module("PIL.features").check("freetype2"))
    except ImportError:
        return False


def render_png(picture: ImageSpec) -> bytes:
    """Draw a picture and return its PNG file; any thread may ask.

    Raises:
        MediaMissing: the `media` extra is not installed.
    """
    if not available():
        raise MediaMissing
    from wanflow.mock.files.media.png import png  # noqa: PLC0415 - part of an extra

    return png(picture)


def render_mp4(clip: VideoSpec) -> bytes:
    """Draw a clip and return its MP4 file; any thread may ask.

    Raises:
        MediaMissing: the `media` extra is not installed.
    """
    if not available():
        raise MediaMissing
    from wanflow.mock.files.media.mp4 import mp4  # noqa: PLC0415 - part of an extra

    return mp4(clip)
