"""Whether the libraries that draw and encode are there."""

from __future__ import annotations

from functools import cache
from importlib import import_module


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
