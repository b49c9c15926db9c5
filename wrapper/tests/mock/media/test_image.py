"""An image is a PNG of exactly the requested size that shows the request."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from tests.examples import examples
from wanflow.mock.files.media import ImageSpec, render_png

if TYPE_CHECKING:
    from collections.abc import Callable

PICTURE = ImageSpec(480, 320, "A serene lake", "model-a", "task-unified-1-abc", index=0, seed=0)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200)
HARD_PROMPTS = [
    "",
    " \n\t ",
    "\0",
    "\ud800 lone \udfff",
    "日本語のプロンプト 한국어 العربية עברית हिन्दी",
    "👩‍👩‍👧‍👦 \u202e\u200b\ufeff",
    "a\u0301" * 400,
    "w" * 2000,
    "word " * 400,
]


@st.composite
def allowed_sizes(draw: Callable[[st.SearchStrategy[int]], int]) -> tuple[int, int]:
    """Draw a size of 768·768 to 1440·1440 pixels, its ratio from 1/4 to 4."""
    width = draw(st.integers(384, 2880))
    least = max(-(-768 * 768 // width), -(-width // 4))
    most = min(1440 * 1440 // width, 4 * width)
    return width, draw(st.integers(least, most))


def opened(data: bytes) -> Image.Image:
    """Decode a whole PNG."""
    image = Image.open(BytesIO(data), formats=["PNG"])
    image.load()
    return image


@settings(max_examples=examples(25))
@given(size=allowed_sizes(), prompt=ANY_TEXT)
def test_an_image_has_the_requested_size(size: tuple[int, int], prompt: str) -> None:
    """Any size that the documents allow, with any prompt, gives a picture of that size."""
    image = opened(render_png(ImageSpec(*size, prompt, "model-a", "task-unified-1-abc")))
    assert image.size == size
    assert image.mode == "RGB"


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (7, 5), (384, 1536), (1536, 384)])
def test_an_extreme_size_is_drawn(size: tuple[int, int]) -> None:
    """Sizes far from the usual ones are drawn too, since a later document may allow them."""
    assert opened(render_png(ImageSpec(*size, "A lake", "model-a", "task"))).size == size


@pytest.mark.parametrize("prompt", HARD_PROMPTS, ids=range(len(HARD_PROMPTS)))
def test_any_prompt_is_drawn(prompt: str) -> None:
    """Text that a font can't draw, or that is too long, causes no error."""
    drawn = attrs.evolve(PICTURE, prompt=prompt, model=prompt, task_id=prompt)
    assert opened(render_png(drawn)).size == (480, 320)


@given(picture=st.just(PICTURE), seed=st.integers())
@settings(max_examples=examples(10))
def test_the_same_request_gives_the_same_bytes(picture: ImageSpec, seed: int) -> None:
    """Equal values make equal files, whatever the seed."""
    picture = attrs.evolve(picture, seed=seed)
    assert render_png(picture) == render_png(picture)


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "A serene lakf"},
        {"model": "model-b"},
        {"task_id": "task-unified-1-abd"},
        {"index": 1},
        {"seed": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_value_of_the_request_is_visible(change: dict[str, str | int]) -> None:
    """A change of any value of the request changes the image."""
    before = opened(render_png(PICTURE))
    after = opened(render_png(attrs.evolve(PICTURE, **change)))
    assert ImageChops.difference(before, after).getbbox() is not None


def test_a_prompt_is_drawn_in_the_picture_and_nowhere_else() -> None:
    """Two prompts differ in letters between head and foot; model, task and pattern stay."""
    before = opened(render_png(PICTURE))
    after = opened(render_png(attrs.evolve(PICTURE, prompt="Quite another thing")))
    box = ImageChops.difference(before, after).getbbox()
    assert box is not None
    left, top, right, bottom = box
    assert left > 0
    assert right < 480
    assert top > 320 // 16 + 10
    assert bottom < 320 * 4 // 5


def test_models_differ_in_colour() -> None:
    """Twelve models give at least ten clearly different background colours."""
    means = [
        tuple(round(mean / 16) for mean in ImageStat.Stat(opened(render_png(picture))).mean)
        for picture in (attrs.evolve(PICTURE, model=f"model-{number}") for number in range(12))
    ]
    assert len(set(means)) >= 10


def test_text_is_legible() -> None:
    """The background behind white letters is always darker than mid-grey."""
    for number in range(24):
        image = opened(
            render_png(attrs.evolve(PICTURE, prompt=" ", seed=number, model=f"{number}"))
        )
        ground = image.crop((0, 100, 480, 200)).convert("L")
        assert ImageStat.Stat(ground).mean[0] < 140


@pytest.mark.parametrize("change", [{"width": 0}, {"height": -1}])
def test_a_size_without_pixels_is_rejected(change: dict[str, int]) -> None:
    """A side of less than one pixel is an error."""
    with pytest.raises(ValueError, match="must be >= 1"):
        attrs.evolve(PICTURE, **change)
