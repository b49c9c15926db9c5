"""A sound file that needs no encoder: a soft note at each second, as plain WAV."""

from __future__ import annotations

import sys
import wave
from array import array
from functools import cache
from hashlib import sha256
from io import BytesIO
from math import exp, pi, sin

_RATE = 16_000
NOTES = (262, 294, 330, 392, 440, 523, 587, 659)
_LOUDEST = 3000
_DECAY = 4.0


def wav(seconds: int, name: str) -> bytes:
    """Write so many seconds of sound, whose pitch and rhythm are those of a name (mono, 16 kHz)."""
    notes = [NOTES[byte % len(NOTES)] for byte in sha256(name.encode()).digest()]
    file = BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(_RATE)
        for second in range(seconds):
            sound.writeframes(_note(notes[second % len(notes)]))
    return file.getvalue()


@cache
def _note(pitch: int) -> bytes:
    times = (number / _RATE for number in range(_RATE))
    levels = array("h", (int(_LOUDEST * exp(-_DECAY * t) * sin(2 * pi * pitch * t)) for t in times))
    if sys.byteorder == "big":
        levels.byteswap()
    return levels.tobytes()
