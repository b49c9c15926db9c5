"""The files that the mock serves: pictures and clips made for each request.

Importing this needs nothing but the base install; drawing needs the `media` extra, and without it
the placeholders stand in.
"""

from wanflow.mock.media.extra import MediaMissing, available
from wanflow.mock.media.frame import frame_size
from wanflow.mock.media.placeholder import placeholder_mp4, placeholder_png
from wanflow.mock.media.render import render_mp4, render_png
from wanflow.mock.media.sound import wav
from wanflow.mock.media.subject import Clip, Picture

__all__ = [
    "Clip",
    "MediaMissing",
    "Picture",
    "available",
    "frame_size",
    "placeholder_mp4",
    "placeholder_png",
    "render_mp4",
    "render_png",
    "wav",
]
