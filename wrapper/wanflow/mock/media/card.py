"""The still part of every file: its ground, and what it shows of the request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import ImageDraw

from wanflow.mock.media.backdrop import backdrop
from wanflow.mock.media.lettering import fitted, one_line
from wanflow.mock.media.palette import INK, mixed

if TYPE_CHECKING:
    from PIL.Image import Image

    from wanflow.mock.media.palette import Palette
    from wanflow.mock.media.subject import Subject

_NO_PROMPT = "(no prompt)"


def card(subject: Subject, palette: Palette, height: int) -> Image:
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
