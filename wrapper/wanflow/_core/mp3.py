"""How long an MP3 file plays, from the heads of its frames."""

from __future__ import annotations

# MPEG audio layer III. Bit rates in kbit/s, by the version's column of the standard's table.
_RATES = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_FEWEST_FRAMES = 3


class NotAnMp3(ValueError):
    """The bytes are no MP3."""


def mp3_seconds(content: bytes) -> float:
    """Return how many seconds an MP3 plays, frame by frame, so that any bit rate is right.

    Raises:
        NoSound: it has no run of frames.
    """
    offset, seconds, frames = _after_tag(content), 0.0, 0
    while offset + 4 <= len(content):
        frame = _frame(int.from_bytes(content[offset : offset + 4], "big"))
        if frame is None:
            if frames >= _FEWEST_FRAMES:
                break
            offset, seconds, frames = offset + 1, 0.0, 0
            continue
        length, plays = frame
        offset, seconds, frames = offset + length, seconds + plays, frames + 1
    if frames < _FEWEST_FRAMES:
        raise NotAnMp3("it is no MP3")
    return seconds


def _after_tag(content: bytes) -> int:
    if content[:3] != b"ID3" or len(content) < 10:  # noqa: PLR2004
        return 0
    size = 0
    for byte in content[6:10]:
        size = size << 7 | byte & 0x7F
    return size + 10


def _frame(head: int) -> tuple[int, float] | None:
    """Read a frame's head → its bytes and its seconds."""
    version, layer = head >> 19 & 3, head >> 17 & 3
    rate_index, sample_index, padding = head >> 12 & 15, head >> 10 & 3, head >> 9 & 1
    synced = head >> 21 == 0x7FF  # noqa: PLR2004
    if not synced or version == 1 or layer != 1 or rate_index in {0, 15} or sample_index == 3:  # noqa: PLR2004
        return None
    kbits = _RATES[3 if version == 3 else 2][rate_index]  # noqa: PLR2004
    samples = _SAMPLES[version][sample_index]
    per_frame = 1152 if version == 3 else 576  # noqa: PLR2004
    return per_frame // 8 * kbits * 1000 // samples + padding, per_frame / samples
