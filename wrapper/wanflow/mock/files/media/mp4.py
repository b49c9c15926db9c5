"""An MP4 file while it is written: H.264 pictures, and AAC sound where it is asked for."""

# pyright: reportUnknownMemberType=false
# PyAV's own stubs leave options and packets half untyped; this module keeps that to itself.

from __future__ import annotations

from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, cast

import av
from attrs import frozen
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from wanflow.mock.files.media.band import band_of
from wanflow.mock.files.media.card import card
from wanflow.mock.files.media.tone import SAMPLE_RATE, Tone

if TYPE_CHECKING:
    from collections.abc import Generator

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.video.stream import VideoStream
    from PIL.Image import Image

    from wanflow.mock.files.media.subject import VideoSpec

FRAME_RATE = 24

# Speed before size; a key frame every other second lets a player jump; one thread, since clips are
# made side by side and the number of threads changes the bytes.
_H264 = {"preset": "ultrafast", "crf": "26", "g": str(2 * FRAME_RATE), "threads": "1"}
_BT709 = 1


@frozen
class Mp4Writer:
    """An open file and its streams; pictures and sound are handed in by time."""

    file: OutputContainer
    video: VideoStream
    audio: AudioStream | None

    def show(self, frame: VideoFrame) -> None:
        """Append a picture; the frame may be painted anew as soon as this returns."""
        self.file.mux(self.video.encode(frame))

    def play(self, frame: AudioFrame) -> None:
        """Append sound, where the clip has any."""
        if self.audio is not None:
            self.file.mux(self.audio.encode(frame))

    def finish(self) -> None:
        """Write what the encoders still hold."""
        self.file.mux(self.video.encode(None))
        if self.audio is not None:
            self.file.mux(self.audio.encode(None))


@contextmanager
def recording(path: Path, clip: VideoSpec) -> Generator[Mp4Writer]:
    """Write a clip's file, its index before its data, so that it plays while it is loaded."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as file:
        video = file.add_stream("libx264", rate=FRAME_RATE, options=_H264)
        _describe(video, clip)
        audio = file.add_stream("aac", rate=SAMPLE_RATE, layout="mono") if clip.sound else None
        tape = Mp4Writer(file, video, audio)
        yield tape
        tape.finish()


def yuv(image: Image) -> VideoFrame:
    """Turn a picture into a frame as players expect it: yuv420p, BT.709, limited range."""
    rgb = cast("VideoFrame", VideoFrame.from_image(image))  # type: ignore[no-untyped-call]
    return rgb.reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        threads=1,
    )


def _describe(video: VideoStream, clip: VideoSpec) -> None:
    video.width, video.height = clip.width, clip.height
    video.pix_fmt = "yuv420p"
    context = video.codec_context
    context.sample_aspect_ratio = Fraction(1)
    context.color_range = ColorRange.MPEG
    context.colorspace = context.color_primaries = context.color_trc = _BT709


def mp4(clip: VideoSpec) -> bytes:
    """Draw a clip of 24 pictures a second and return its MP4 file.

    It is written by way of a temporary file, since putting the index first means to read back what
    was written.
    """
    with TemporaryDirectory(prefix="wanflow-clip-") as folder:
        path = Path(folder) / "clip.mp4"
        with recording(path, clip) as tape:
            _play(clip, tape)
        return path.read_bytes()


def _play(clip: VideoSpec, tape: Mp4Writer) -> None:
    """Hand over a second's note, then the second's pictures, so that both lie close in the file.

    Of a picture only the band is drawn and converted, a fifth of the work: one frame is painted
    again and again.
    """
    band = band_of(clip)
    frame = yuv(card(clip, band.palette, clip.height - band.height))
    tone = Tone(clip.model) if clip.sound else None
    pictures = max(1, round(clip.seconds * FRAME_RATE))
    for number in range(pictures):
        if tone is not None and number % FRAME_RATE == 0:
            left = (pictures - number) * SAMPLE_RATE // FRAME_RATE
            tape.play(tone.frame(number // FRAME_RATE, min(SAMPLE_RATE, left)))
        _paint(frame, yuv(band.at(number / FRAME_RATE)))
        frame.pts, frame.time_base = number, Fraction(1, FRAME_RATE)
        tape.show(frame)


def _paint(frame: VideoFrame, band: VideoFrame) -> None:
    """Overwrite the foot of a frame, plane by plane.

    Frames of one width keep their lines at one distance, so a band is a single run of bytes.
    """
    for whole, part in zip(frame.planes, band.planes, strict=True):
        used = part.line_size * part.height
        start = whole.line_size * (whole.height - part.height)
        memoryview(whole)[start : start + used] = memoryview(part)[:used]
