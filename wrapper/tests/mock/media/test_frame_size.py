"""The frame size of a video depends on the quality and the aspect ratio."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanflow.mock.gateway.outputs import frame_size


@pytest.mark.parametrize(
    ("quality", "aspect_ratio", "size"),
    [
        ("480p", "16:9", (854, 480)),
        ("480p", "9:16", (480, 854)),
        ("480p", "1:1", (480, 480)),
        ("720p", "16:9", (1280, 720)),
        ("720p", "4:3", (960, 720)),
        ("720p", "3:4", (720, 960)),
        ("1080p", "9:16", (1080, 1920)),
        ("1080p", "21:9", (2520, 1080)),
        ("2160p", "16:9", (3840, 2160)),
    ],
)
def test_the_quality_names_the_shorter_side(
    quality: str, aspect_ratio: str, size: tuple[int, int]
) -> None:
    """The number of the quality is the shorter side, and the ratio gives the longer one."""
    assert frame_size(quality, aspect_ratio) == size


@pytest.mark.parametrize("quality", [None, "", "720p", "best", "4K"])
@pytest.mark.parametrize("aspect_ratio", [None, "", "16:9", "0:9", "16:0", "wide", "-16:9"])
def test_the_default_is_720p_at_16_9(quality: str | None, aspect_ratio: str | None) -> None:
    """A quality or a ratio that is absent or invalid is replaced by the default."""
    assert frame_size(quality, aspect_ratio) == (1280, 720)


@given(quality=st.integers(64, 4320), width=st.integers(1, 40), height=st.integers(1, 40))
def test_a_frame_has_the_requested_shape(quality: int, width: int, height: int) -> None:
    """Both sides are even and lie within two pixels of what quality and ratio ask for."""
    found_width, found_height = frame_size(f"{quality}p", f"{width}:{height}")
    assert found_width % 2 == found_height % 2 == 0
    assert abs(min(found_width, found_height) - quality) <= 1
    ratio = min(max(width / height, 1 / 4), 4)
    assert abs(found_width - found_height * ratio) <= max(1, ratio)


@given(quality=st.text(), aspect_ratio=st.text() | st.from_regex(r"\A[0-9]+:[0-9]+\Z"))
def test_no_value_makes_a_huge_frame(quality: str, aspect_ratio: str) -> None:
    """Any values give a frame whose sides can be encoded."""
    width, height = frame_size(quality, aspect_ratio)
    assert 64 <= min(width, height) <= 4320
    assert max(width, height) <= 4 * 4320
