"""The still part of every file: its ground, and what it shows of the request."""

# pyright: reportUnknownMemberType=false
# Pillow's types name numpy's, which need not be installed.

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from wanflow.mock.files.media.palette import INK, mixed, numbers_of
from wanflow.mock.files.media.text import fitted, one_line

if TYPE_CHECKING:
    from wanflow.mock.files.media.palette import Palette
    from wanflow.mock.files.media.subject import Subject

# Everything here is smooth: drawn small and enlarged, it is the same picture at 1% of the cost.
# Of equal squares too small to be seen, it is also written as PNG in a third of the time.
_SKETCH = 160
_SQUARE = 4

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
    whole = (subject.width, subject.height)
    squares = (-(-subject.width // _SQUARE), -(-subject.height // _SQUARE))
    smooth = sketch.resize(squares, Image.Resampling.BICUBIC)
    return smooth.resize(whole, Image.Resampling.NEAREST)


def _light(
    sketch: Image.Image, colour: tuple[int, int, int], centre: tuple[int, int], reach: int
) -> None:
    distance = Image.radial_gradient("L").resize((2 * reach, 2 * reach))
    sketch.paste(colour, (centre[0] - reach, centre[1] - reach), distance.point(_FADING))


_NO_PROMPT = "(no prompt)"


def card(subject: Subject, palette: Palette, height: int) -> Image.Image:
    """Draw model, prompt, task and facts into the upper `height` pixels of a subject's ground."""
    image = backdrop(subject, palette)
    canvas = ImageDraw.Draw(image)
    shorter = min(subject.width, subject.height)
    margin, label = shorter // 16, shorter // 26
    inner = max(1, subject.width - 2 * margin)

    bottom_of_head = _head(canvas, subject.model, palette, (margin, inner, label))
    facts = one_line(subject.facts, inner, label)
    task = one_line(subject.task_id, inner, label)
    top_of_foot = height - margin - facts.height - task.height
    task.draw(canvas, margin, top_of_foot, INK)
    facts.draw(canvas, margin, top_of_foot + task.height, mixed(INK, palette.band, 0.25))

    room = top_of_foot - bottom_of_head - margin
    prompt = fitted(subject.prompt or _NO_PROMPT, inner, max(1, room), shorter // 9)
    prompt.draw(canvas, margin, bottom_of_head + (margin + room - prompt.height) // 2, INK)
    return image


def _head(
    canvas: ImageDraw.ImageDraw, model: str, palette: Palette, place: tuple[int, int, int]
) -> int:
    margin, inner, label = place
    padding = label // 2
    name = one_line(model, max(1, inner - 2 * padding), label * 5 // 4)
    bottom = margin + name.height + padding
    right = margin + name.width + 2 * padding
    canvas.rounded_rectangle((margin, margin, right, bottom), label // 2, fill=palette.bright)
    name.draw(canvas, margin + padding, margin + padding // 2, palette.band)
    return bottom
