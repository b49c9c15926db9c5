"""The doors to drawing: the libraries are looked for when a file is wanted, and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow.mock.media.extra import MediaMissing, available

if TYPE_CHECKING:
    from wanflow.mock.media.subject import Clip, Picture


def render_png(picture: Picture) -> bytes:
    """Draw a picture and return its PNG file; any thread may ask.

    Raises:
        MediaMissing: the `media` extra is not installed.
    """
    if not available():
        raise MediaMissing
    from wanflow.mock.media.still import png  # noqa: PLC0415 - part of an extra

    return png(picture)


def render_mp4(clip: Clip) -> bytes:
    """Draw a clip and return its MP4 file; any thread may ask.

    Raises:
        MediaMissing: the `media` extra is not installed.
    """
    if not available():
        raise MediaMissing
    from wanflow.mock.media.film import mp4  # noqa: PLC0415 - part of an extra

    return mp4(clip)
