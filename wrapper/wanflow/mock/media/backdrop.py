"""The ground of a file: four corner colours that run into each other, and three soft lights."""

# pyright: reportUnknownMemberType=false
# Pillow's types name numpy's, which need not be installed.

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from wanflow.mock.media.palette import numbers_of

if TYPE_CHECKING:
    from wanflow.mock.media.palette import Palette
    from wanflow.mock.media.subject import Subject

# Everything here is smooth: drawn small and enlarged, it looks the same at a hundredth of the cost.
_SKETCH = 160

# A gradient of Pillow's has the level 181 where its circle touches the sides of its square.
_RIM, _STRONGEST = 181, 215
_FADING = [round(_STRONGEST * max(0.0, 1 - level / _RIM) ** 1.4) for level in range(256)]


def backdrop(subject: Subject, palette: Palette) -> Image.Image:
    """Paint the ground of a subject in its full size; where the lights are, the task decides."""
    longer = max(subject.width, subject.height)
    size = (
        max(1, _SKETCH * subject.width // longer),
        max(1, _SKETCH * subject.height // longer),
    )
    corners = Image.new("RGB", (2, 2))
    for place, colour in zip(((0, 0), (1, 0), (0, 1), (1, 1)), palette.corners, strict=True):
        corners.putpixel(place, colour)
    sketch = corners.resize(size, Image.Resampling.BICUBIC)
    places = numbers_of(subject.task_id, subject.index, subject.seed)
    for number, colour in enumerate(palette.glows):
        x, y, reach = places[3 * number : 3 * number + 3]
        _light(sketch, colour, (x * size[0] // 255, y * size[1] // 255), 60 + reach // 4)
    return sketch.resize((subject.width, subject.height), Image.Resampling.BICUBIC)


def _light(
    sketch: Image.Image, colour: tuple[int, int, int], centre: tuple[int, int], reach: int
) -> None:
    distance = Image.radial_gradient("L").resize((2 * reach, 2 * reach))
    sketch.paste(colour, (centre[0] - reach, centre[1] - reach), distance.point(_FADING))
