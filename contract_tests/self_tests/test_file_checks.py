"""What a file says of itself: its format, its size, and whether it is complete."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from wanflow.mock.files.media import placeholder_mp4
from wanflow_contract.checks.check import CheckFailed
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.file_checks import check_requested
from wanflow_contract.checks.files import (
    image_size,
    is_whole,
    kind_of,
    media_of,
    video_seconds,
    video_size,
)
from wanflow_contract.support.exchange import Exchange

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


def box(kind: bytes, *contents: bytes) -> bytes:
    """Return a box of an MP4."""
    content = b"".join(contents)
    return (len(content) + 8).to_bytes(4, "big") + kind + content


@pytest.mark.parametrize(
    ("tracks", "kind"),
    [
        ([b"soun"], "audio"),
        ([b"soun", b"hint"], "audio"),
        ([b"soun", b"vide"], "video"),
        ([b"vide"], "video"),
        ([b"meta"], "video"),
        ([], "video"),
    ],
)
def test_an_mp4_with_nothing_but_sound_is_no_video(tracks: list[bytes], kind: str) -> None:
    """What an MP4 is depends on its tracks; one that doesn't name them counts as a video."""
    handlers = [box(b"hdlr", bytes(8), track, bytes(13)) for track in tracks]
    moov = box(b"moov", *(box(b"trak", box(b"mdia", one)) for one in handlers))
    assert kind_of(box(b"ftyp", b"isom", bytes(4)) + moov) == kind


QUALITIES = [
    model
    for model in packaged_contract().catalog.models.values()
    if "default" in model.parameters.get("quality", {})
]


@pytest.mark.parametrize("model", QUALITIES, ids=lambda model: model.name)
def test_an_omitted_quality_is_judged_as_its_default(model) -> None:
    """A video of another frame than that of the default is a finding, also without a quality."""
    content, poll = placeholder_mp4(), Exchange("GET", "", "/v1/tasks/a", (), b"", 200, (), b"{}")
    history = SimpleNamespace(request={}, first=poll, last=poll)
    size = video_size(content)
    assert size is not None
    for height in (480, 720, 1080):
        quality = dict(model.parameters["quality"], default=f"{height}p")
        history.model = SimpleNamespace(name=model.name, parameters={"quality": quality})
        if 0.85 <= min(size) / height <= 1.5:
            check_requested(history, content)
        else:
            with pytest.raises(CheckFailed):
                check_requested(history, content)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "LA"])
def test_a_png_with_a_changed_byte_is_damaged(mode: str) -> None:
    """Each part of a PNG has a checksum; one of any kind that is right is whole."""
    buffer = io.BytesIO()
    image = Image.effect_noise((64, 48), 60)
    image.convert(mode).save(buffer, "PNG")
    content = buffer.getvalue()
    assert is_whole(content)
    middle = len(content) // 2
    changed = bytes([content[middle] ^ 1])
    assert not is_whole(content[:middle] + changed + content[middle + 1 :])


def test_a_video_needs_the_table_of_its_contents() -> None:
    """Nothing plays an MP4 that has data and no `moov`, wherever the data is."""
    start, table, data = box(b"ftyp", b"isom", bytes(4)), box(b"moov"), box(b"mdat", bytes(9))
    assert is_whole(start + table + data)
    assert is_whole(start + data + table)
    assert is_whole(start + table + box(b"moof") + data)
    assert not is_whole(start + data)
    assert not is_whole(start + data.replace(b"mdat", b"free") + data)


@given(st.floats(0.1, 30.0), st.sampled_from([5, 10, 15]))
def test_a_video_may_differ_by_frames_but_not_by_a_second(seconds: float, wanted: int) -> None:
    """Groups of frames end before or after the second; a whole second is another duration."""
    version, times = bytes(4), bytes(8)
    length = (1000).to_bytes(4, "big") + round(seconds * 1000).to_bytes(4, "big")
    content = box(b"ftyp", b"isom") + box(b"moov", box(b"mvhd", version, times, length, bytes(80)))
    poll = Exchange("GET", "", "/v1/tasks/a", (), b"", 200, (), b"{}")
    history = SimpleNamespace(request={"duration": wanted}, first=poll, last=poll)
    history.model = SimpleNamespace(name="any", parameters={"duration": {}})
    assert video_seconds(content) == pytest.approx(seconds, abs=0.001)
    difference = abs(seconds - wanted)
    if difference < 0.8:
        check_requested(history, content)
    elif difference >= 0.95:
        with pytest.raises(CheckFailed):
            check_requested(history, content)
