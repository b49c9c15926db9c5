"""What is to be drawn: a picture or a clip, with all that its file shows of the request."""

from __future__ import annotations

from attrs import field, frozen
from attrs.validators import ge, gt


def _even(side: int) -> int:
    return side + side % 2


@frozen
class ImageSpec:
    """A picture of `width` x `height` pixels, odd numbers included.

    `index` distinguishes the pictures of one task; the same values give the same bytes.
    """

    width: int = field(validator=ge(1))
    height: int = field(validator=ge(1))
    prompt: str
    model: str
    task_id: str
    index: int = 0
    seed: int = 0

    @property
    def facts(self) -> str:
        """The line under the prompt."""
        return f"{self.width} x {self.height} · index {self.index} · seed {self.seed}"


@frozen
class VideoSpec:
    """A clip of `seconds` and `width` x `height` pixels; an odd side gets one pixel more.

    `sound` adds a quiet tone; `aspect_ratio` is the request's own word, shown beside the size.
    """

    width: int = field(validator=ge(1), converter=_even)
    height: int = field(validator=ge(1), converter=_even)
    seconds: float = field(validator=gt(0))
    prompt: str
    model: str
    task_id: str
    index: int = 0
    seed: int = 0
    sound: bool = False
    aspect_ratio: str | None = None

    @property
    def facts(self) -> str:
        """The line under the prompt."""
        said = [f"{self.width} x {self.height}", self.aspect_ratio, f"{self.seconds:g} s"]
        said += ["sound" if self.sound else None, f"index {self.index}", f"seed {self.seed}"]
        return " · ".join(word for word in said if word)


Subject = ImageSpec | VideoSpec
