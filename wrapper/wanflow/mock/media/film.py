"""A clip, drawn picture by picture and written as MP4."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from wanflow.mock.media.band import band_of
from wanflow.mock.media.card import card
from wanflow.mock.media.encoder import FRAME_RATE, Recording, recording, yuv
from wanflow.mock.media.tone import SAMPLE_RATE, Tone

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from wanflow.mock.media.subject import Clip


def mp4(clip: Clip) -> bytes:
    """Draw a clip of 24 pictures a second and return its MP4 file.

    It is written by way of a temporary file, since putting the index first means to read back what
    was written.
    """
    with TemporaryDirectory(prefix="wanflow-clip-") as folder:
        path = Path(folder) / "clip.mp4"
        with recording(path, clip) as tape:
            _play(clip, tape)
        return path.read_bytes()


def _play(clip: Clip, tape: Recording) -> None:
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
