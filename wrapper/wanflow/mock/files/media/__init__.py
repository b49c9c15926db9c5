"""The files that the mock serves: pictures and clips made for each request.

Importing this needs nothing but the base install; drawing needs the `media` extra, and without it
the placeholders stand in.
"""

from wanflow.mock.files.media.audio import wav
from wanflow.mock.files.media.placeholder import placeholder_mp4, placeholder_png
from wanflow.mock.files.media.render import MediaMissing, available, render_mp4, render_png
from wanflow.mock.files.media.subject import ImageSpec, VideoSpec

__all__ = [
    "ImageSpec",
    "MediaMissing",
    "VideoSpec",
    "available",
    "placeholder_mp4",
    "placeholder_png",
    "render_mp4",
    "render_png",
    "wav",
]
