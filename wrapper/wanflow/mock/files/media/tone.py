"""The sound of a clip: a soft note at each full second, the model's own."""

from __future__ import annotations

from array import array
from fractions import Fraction
from math import exp, pi, sin

from av.audio.frame import AudioFrame

from wanflow.mock.files.media.audio import NOTES
from wanflow.mock.files.media.palette import numbers_of

SAMPLE_RATE = 48_000

_LOUDNESS = 0.1
_ATTACK = 0.01
_DECAY = 4.0


class Tone:
    """A second of sound, made once and repeated; -20 dB at its loudest."""

    def __init__(self, model: str) -> None:
        pitch = NOTES[numbers_of(model)[1] % len(NOTES)]
        self._second = array(
            "f", (_level(number / SAMPLE_RATE, pitch) for number in range(SAMPLE_RATE))
        )

    def frame(self, second: int, samples: int) -> AudioFrame:
        """Return the first `samples` of the note that begins at a full second of the clip."""
        frame = AudioFrame("fltp", "mono", samples)
        frame.planes[0].update(self._second[:samples].tobytes())
        frame.sample_rate = SAMPLE_RATE
        frame.pts, frame.time_base = second * SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
        return frame


def _level(time: float, pitch: int) -> float:
    return _LOUDNESS * min(1.0, time / _ATTACK) * exp(-_DECAY * time) * sin(2 * pi * pitch * time)
