"""Checks input files by the spec's requirements, as a real service does when it reads them.

Pillow and PyAV, of the extra `media`, read them. Without these, only the size is checked.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from wanflow.catalog.keywords import AUDIO_FILE, IMAGE_FILE

if TYPE_CHECKING:
    from wanflow.catalog.document import JsonObject

UNREADABLE, WRONG_SIDES, WRONG_AUDIO = (
    "image_processing_error",
    "image_dimension_mismatch",
    "invalid_parameters",
)


class InvalidInput(Exception):
    """An input file violates the spec: the error code that the task fails with, and why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def check_input(rule: JsonObject, content: bytes) -> None:
    """Check a parameter's file.

    Raises:
        InvalidInput: the file violates the spec.
    """
    if IMAGE_FILE in rule:
        _check_size(rule[IMAGE_FILE], content, UNREADABLE)
        _check_image(rule[IMAGE_FILE], content)
    if AUDIO_FILE in rule:
        _check_size(rule[AUDIO_FILE], content, WRONG_AUDIO)
        _check_audio(rule[AUDIO_FILE], content)


def _check_size(wanted: JsonObject, content: bytes, code: str) -> None:
    most = wanted.get("maximumBytes", len(content))
    if len(content) > most:
        raise InvalidInput(code, f"it has {len(content)} bytes, and {most} are allowed")


def _check_format(wanted: JsonObject, form: str, code: str) -> None:
    formats = wanted.get("formats", [form])
    if form not in formats:
        raise InvalidInput(code, f"it is {form}, and {', '.join(formats)} are allowed")


def _check_image(wanted: JsonObject, content: bytes) -> None:
    try:
        from PIL import Image  # noqa: PLC0415 - of the extra `media`
    except ImportError:
        return
    try:
        with Image.open(io.BytesIO(content)) as image:
            form, size = (image.format or "").lower(), image.size
            alpha = image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info
    except Exception as error:
        raise InvalidInput(UNREADABLE, "it is no image that can be read") from error
    _check_format(wanted, form, UNREADABLE)
    if alpha and wanted.get("alpha") is False:
        raise InvalidInput(UNREADABLE, "it has an alpha channel, and none is allowed")
    low, high = wanted.get("minimumSide", 0), wanted.get("maximumSide", max(size))
    if not all(low <= side <= high for side in size):
        sides = f"{size[0]}x{size[1]}"
        raise InvalidInput(
            WRONG_SIDES, f"it has {sides} pixels, and sides of {low} to {high} are allowed"
        )


def _check_audio(wanted: JsonObject, content: bytes) -> None:
    try:
        import av  # noqa: PLC0415 - of the extra `media`
    except ImportError:
        return
    container: Any
    try:
        with av.open(io.BytesIO(content)) as container:
            form, seconds = str(container.format.name), (container.duration or 0) / 1_000_000
    except Exception as error:
        raise InvalidInput(WRONG_AUDIO, "it is no audio that can be read") from error
    _check_format(wanted, form, WRONG_AUDIO)
    low, high = wanted.get("minimumSeconds", 0.0), wanted.get("maximumSeconds", seconds)
    if not low <= round(seconds, 1) <= high:
        detail = f"it plays {seconds:.1f} s, and {low} to {high} s are allowed"
        raise InvalidInput(WRONG_AUDIO, detail)
