"""The lively part of every file: a band of bars at the foot, and a clip's running seconds."""

from __future__ import annotations

from math import pi, sin

from attrs import frozen
from PIL import Image, ImageDraw

from wanflow.mock.files.media.palette import INK, Palette, mixed, numbers_of, palette_of
from wanflow.mock.files.media.subject import Subject, VideoSpec
from wanflow.mock.files.media.text import one_line

_SHARE = 5


@frozen
class Band:
    """A band over the whole width of a subject, `height` pixels tall, an even number of them.

    The bars' lengths are the task's fingerprint; with time they swell and sink in a wave.
    """

    width: int
    height: int
    margin: int
    palette: Palette
    lengths: tuple[float, ...]
    seconds: float | None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height

    def at(self, time: float) -> Image.Image:
        """Draw the band as it is `time` seconds after the start."""
        image = Image.new("RGB", self.size, self.palette.band)
        canvas = ImageDraw.Draw(image)
        left = self.margin if self.seconds is None else self._clock(canvas, time)
        self._bars(canvas, left, time)
        if self.seconds is not None:
            reached = round(self.width * min(1.0, time / self.seconds))
            thickness = max(1, self.height // 24)
            canvas.rectangle((0, 0, reached, thickness), fill=self.palette.bright)
        return image

    def _clock(self, canvas: ImageDraw.ImageDraw, time: float) -> int:
        share = max(1, self.width // 5)
        running = one_line(f"{time:.1f} s", share, self.height // 3)
        running.draw(canvas, self.margin, self.height * 11 // 20 - running.pitch, INK)
        whole = one_line(f"of {self.seconds:g} s", share, self.height // 6)
        whole.draw(canvas, self.margin, self.height * 3 // 5, mixed(INK, self.palette.band, 0.3))
        return 2 * self.margin + share

    def _bars(self, canvas: ImageDraw.ImageDraw, left: int, time: float) -> None:
        step = (self.width - left - self.margin) / len(self.lengths)
        for number, length in enumerate(self.lengths):
            wave = 0.62 + 0.38 * sin(2 * pi * (time / 2 - number / 16))
            reach = self.height * 0.36 * length * wave
            x = left + number * step
            top, bottom = round(self.height / 2 - reach), round(self.height / 2 + reach)
            colour = mixed(self.palette.bright, self.palette.soft, number / len(self.lengths))
            right = max(round(x), round(x + step * 0.62) - 1)
            canvas.rectangle((round(x), top, right, bottom), fill=colour)


def band_of(subject: Subject) -> Band:
    """Return the band of a subject: a fifth of its height."""
    numbers = numbers_of(subject.task_id, subject.index, subject.seed)
    return Band(
        width=subject.width,
        height=max(2, subject.height // _SHARE // 2 * 2),
        margin=min(subject.width, subject.height) // 16,
        palette=palette_of(subject),
        lengths=tuple(0.25 + 0.75 * number / 255 for number in numbers),
        seconds=subject.seconds if isinstance(subject, VideoSpec) else None,
    )
