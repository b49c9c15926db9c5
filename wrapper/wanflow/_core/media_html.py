"""HTML that shows a file: a picture, a film, a sound, or a link to anything else."""

from __future__ import annotations

from html import escape

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".webm", ".mov", ".ogv"})
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".avif", ".svg"})
AUDIO_SUFFIXES = frozenset({".mp3", ".wav", ".ogg", ".oga", ".m4a", ".flac"})
_FRAME_TIME = 0.1
"""Seconds; a frame at 0 is not shown before the film is played."""


def media_html(source: str, name: str, suffix: str, style: str = "") -> str:
    """Return the element for a file, empty if a browser can't show it.

    Args:
        source: its URL, already quoted as a URL.
        name: its name, for those who can't see it.
        suffix: the extension that says what it is, with its dot, in lower case.
        style: CSS of the element.
    """
    url, attributes = escape(source, quote=True), f' style="{style}"' if style else ""
    if suffix in VIDEO_SUFFIXES:
        # The browser reads the beginning of the file, and shows the frame of that time.
        src = f"{url}#t={_FRAME_TIME:g}"
        return f'<video controls playsinline preload="metadata" src="{src}"{attributes}></video>'
    if suffix in IMAGE_SUFFIXES:
        return f'<img loading="lazy" alt="{escape(name)}" src="{url}"{attributes}>'
    if suffix in AUDIO_SUFFIXES:
        return f'<audio controls preload="metadata" src="{url}"{attributes}></audio>'
    return ""
