"""What a file says of itself: its format, its size, and whether it is complete."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from wanflow_contract.checks.files import image_size, is_whole, kind_of, media_of

FORMATS = ["PNG", "JPEG", "WEBP", "BMP"]


def drawn(form: str, size: tuple[int, int], **options: object) -> bytes:
    """Return an image of a format."""
    buffer = io.BytesIO()
    noise = Image.effect_noise(size, 60).convert("RGB")
    noise.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (30, 20), (1001, 997)])
def test_an_image_of_each_format_says_its_size(form: str, size: tuple[int, int]) -> None:
    """Kind, media type and size are read from PNG, JPEG, WebP and BMP alike."""
    content = drawn(form, size)
    assert kind_of(content) == "image"
    assert media_of(content) == f"image/{form.lower()}"
    assert image_size(content) == size
    assert is_whole(content)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_an_image_that_lacks_its_end_is_not_complete(form: str, share: float) -> None:
    """Wherever a file of a known format is cut, it isn't complete."""
    content = drawn(form, (64, 48))
    assert not is_whole(content[: int(len(content) * share)])


@pytest.mark.parametrize("options", [{"progressive": True}, {"quality": 20}, {"exif": b"Exif\0\0"}])
def test_jpegs_of_any_kind_are_complete(options: dict[str, object]) -> None:
    """Progressive ones, and those with other data, have their size and their end."""
    content = drawn("JPEG", (31, 17), **options)
    assert (image_size(content), is_whole(content)) == ((31, 17), True)


@pytest.mark.parametrize("lossless", [False, True])
def test_webps_of_any_kind_are_complete(lossless: bool) -> None:
    """Lossy and lossless ones have their size and their end."""
    content = drawn("WEBP", (31, 17), lossless=lossless)
    assert (image_size(content), is_whole(content)) == ((31, 17), True)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n", b"RIFF\0\0\0\0WEBP", b"<svg/>"])
def test_what_is_no_image_has_no_size(content: bytes) -> None:
    """A broken file is no error of the suite."""
    assert image_size(content) is None
