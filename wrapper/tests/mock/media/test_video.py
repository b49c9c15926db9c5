"""A video is a playable MP4 of the requested size and duration."""

from __future__ import annotations

import itertools
import struct
import tempfile
from array import array
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageChops, ImageStat

from tests.examples import examples
from wanflow.mock.files.media import VideoSpec, render_mp4
from wanflow.mock.gateway.outputs import frame_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from numbers import Rational

    from PIL.Image import Image

CLIP = VideoSpec(320, 180, 2, "A cat playing piano", "model-a", "task-unified-1-abc", sound=True)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)
FRAME = Fraction(1, 24)
HELD_OPEN = Path("/proc/self/fd")


def open_files() -> Iterator[str]:
    """Yield the path of each file that this process holds open."""
    for link in HELD_OPEN.iterdir():
        try:
            yield str(link.readlink())
        except FileNotFoundError:
            continue


def boxes(data: bytes) -> Iterator[str]:
    """Yield the names of a file's outermost boxes, in order."""
    place = 0
    while place < len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        assert size >= 8
        yield name.decode("ascii")
        place += size


def exact(rational: Rational | None) -> Fraction:
    """Return a ratio of PyAV's, whose own type differs from release to release, as a fraction."""
    assert rational is not None
    return Fraction(rational.numerator, rational.denominator)


def seconds_of(data: bytes) -> tuple[Fraction, list[Fraction]]:
    """Return the duration of a file, and that of each of its streams."""
    with av.open(BytesIO(data)) as file:
        assert file.duration is not None
        streams = [(s.duration or 0) * exact(s.time_base) for s in file.streams]
        return Fraction(file.duration, av.time_base), streams


def pictures(data: bytes) -> list[Image]:
    """Decode every frame of a file."""
    with av.open(BytesIO(data)) as file:
        return [frame.to_image() for frame in file.decode(video=0)]


@settings(max_examples=examples(20))
@given(
    width=st.integers(1, 500),
    height=st.integers(1, 500),
    seconds=st.floats(0.01, 2),
    prompt=ANY_TEXT,
    sound=st.booleans(),
)
def test_a_video_has_the_requested_size_and_duration(
    width: int, height: int, seconds: float, prompt: str, *, sound: bool
) -> None:
    """Any size, duration and prompt give a clip of that size, a pixel more where a side is odd."""
    data = render_mp4(VideoSpec(width, height, seconds, prompt, "model-a", "task", sound=sound))
    with av.open(BytesIO(data)) as file:
        (video,) = file.streams.video
        assert (video.width, video.height) == (width + width % 2, height + height % 2)
        assert len(file.streams.audio) == sound
        frames = sum(1 for _ in file.decode(video=0))
    assert abs(frames * FRAME - Fraction(seconds)) <= FRAME


@pytest.mark.parametrize("sound", [False, True], ids=["silent", "sound"])
@pytest.mark.parametrize("seconds", [5, 10, 15])
def test_the_documented_durations_are_exact(seconds: int, *, sound: bool) -> None:
    """A clip of 5, 10 or 15 s lasts that long to the millisecond, and so does its sound."""
    whole, streams = seconds_of(render_mp4(VideoSpec(96, 54, seconds, "", "m", "t", sound=sound)))
    assert len(streams) == 1 + sound
    for duration in (whole, *streams):
        assert abs(duration - seconds) < Fraction(1, 1000)


@pytest.mark.parametrize("aspect_ratio", ["16:9", "9:16", "1:1", "4:3", "3:4"])
@pytest.mark.parametrize("quality", ["480p", "720p", "1080p"])
def test_every_documented_frame_is_encoded(quality: str, aspect_ratio: str) -> None:
    """Each quality in each aspect ratio gives a clip whose picture has that size."""
    size = frame_size(quality, aspect_ratio)
    (shown,) = pictures(
        render_mp4(VideoSpec(*size, 1 / 24, "A lake", "model-a", "task-unified-1-abc"))
    )
    assert shown.size == size


def test_an_ordinary_player_plays_it() -> None:
    """H.264 as avc1 in yuv420p with square pixels, declared colours and AAC sound."""
    with av.open(BytesIO(render_mp4(CLIP))) as file:
        assert "mp4" in file.format.name
        (video,), (audio,) = file.streams.video, file.streams.audio
        context = video.codec_context
        assert (context.name, context.codec_tag, context.pix_fmt) == ("h264", "avc1", "yuv420p")
        assert context.profile in {"Baseline", "Constrained Baseline", "Main", "High"}
        assert exact(video.sample_aspect_ratio) == 1
        assert exact(video.average_rate) == 24
        assert (context.colorspace, context.color_range) == (1, 1)
        assert (audio.codec_context.name, audio.codec_context.sample_rate) == ("aac", 48_000)
        assert audio.codec_context.codec_tag == "mp4a"


@pytest.mark.parametrize("sound", [False, True], ids=["silent", "sound"])
def test_it_plays_while_it_is_loaded(*, sound: bool) -> None:
    """The index comes before the data, so a player can begin with the first bytes."""
    order = list(boxes(render_mp4(attrs.evolve(CLIP, sound=sound))))
    assert order[0] == "ftyp"
    assert order.index("moov") < order.index("mdat")


def test_sound_and_frames_are_interleaved() -> None:
    """No packet lies more than two seconds of play away from its neighbour in the file."""
    with av.open(BytesIO(render_mp4(attrs.evolve(CLIP, seconds=14)))) as file:
        packets = sorted((p for p in file.demux() if p.pos is not None), key=lambda p: p.pos or 0)
        times = [float((p.pts or 0) * exact(p.time_base)) for p in packets if p.size]
    assert len(times) > 14 * 24
    assert max(abs(b - a) for a, b in itertools.pairwise(times)) <= 2


def test_the_sound_is_heard_and_quiet() -> None:
    """The tone is there, and at its loudest stays 14 dB or more under full scale."""
    with av.open(BytesIO(render_mp4(CLIP))) as file:
        levels = array("f")
        for frame in file.decode(audio=0):
            levels.frombytes(bytes(frame.planes[0])[: 4 * frame.samples])
    assert len(levels) == pytest.approx(2 * 48_000, abs=2048)
    assert 0.03 < max(levels) < 0.2


def test_the_band_moves_and_the_card_stays() -> None:
    """From one frame to a later one the foot changes; prompt, model and task stand still."""
    shown = pictures(render_mp4(attrs.evolve(CLIP, width=640, height=360)))
    assert len(shown) == 48
    moved = ImageChops.difference(shown[0], shown[30])
    card, band = moved.crop((0, 0, 640, 280)), moved.crop((0, 290, 640, 360))
    assert max(ImageStat.Stat(card).mean) < 3
    assert max(ImageStat.Stat(band).mean) > 8


def test_every_frame_differs_from_the_one_before() -> None:
    """The pattern always moves, so that a frozen player is noticed."""
    shown = pictures(render_mp4(CLIP))
    assert len(shown) == 48
    for before, after in itertools.pairwise(shown):
        assert ImageStat.Stat(ImageChops.difference(before, after)).sum2[0] > 1000


def test_seconds_are_counted() -> None:
    """The clock at the lower left shows another figure in each tenth of a second."""
    shown = pictures(render_mp4(attrs.evolve(CLIP, width=1280, height=720, seconds=1)))
    clocks = [shown[number].crop((80, 590, 210, 660)) for number in (0, 6, 12, 18)]
    for before, after in itertools.pairwise(clocks):
        assert max(ImageStat.Stat(ImageChops.difference(before, after)).mean) > 5


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "A dog playing piano"},
        {"model": "model-b"},
        {"task_id": "task-unified-1-abd"},
        {"index": 1},
        {"seed": 1},
        {"aspect_ratio": "16:9"},
        {"sound": False},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_value_of_the_request_is_visible(change: dict[str, str | int]) -> None:
    """A change of any value of the request changes the video."""
    short = attrs.evolve(CLIP, seconds=0.1)
    before = pictures(render_mp4(short))[0]
    after = pictures(render_mp4(attrs.evolve(short, **change)))[0]
    assert max(high for _, high in ImageChops.difference(before, after).getextrema()) > 60


def test_concurrent_threads_make_the_same_files() -> None:
    """Videos made concurrently in four threads equal those made one by one."""
    asked = [attrs.evolve(CLIP, seed=number, seconds=1) for number in range(8)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(render_mp4, asked))
    assert together == [render_mp4(clip) for clip in asked]
    assert len(set(together)) == len(asked)


def test_no_temporary_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a clip is made, no temporary file is on the disk."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert render_mp4(CLIP)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not HELD_OPEN.exists(), reason="only Linux lists a process's open files")
def test_no_file_is_left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a clip is made, the process holds no file of the temporary folder open."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with (tmp_path / "witness").open("w"):
        assert any(str(tmp_path) in target for target in open_files())
    assert render_mp4(CLIP)
    assert not [target for target in open_files() if str(tmp_path) in target]


@pytest.mark.parametrize("change", [{"width": 0}, {"height": -2}, {"seconds": 0}])
def test_an_empty_size_or_duration_is_rejected(change: dict[str, int]) -> None:
    """A side of less than one pixel or no time at all is an error."""
    with pytest.raises(ValueError, match="must be >"):
        attrs.evolve(CLIP, **change)
