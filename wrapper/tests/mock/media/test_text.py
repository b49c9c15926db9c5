"""Text of every script is legible in an image, though the font has few letters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageFont

from wanflow.mock.files.media import ImageSpec, render_png
from wanflow.mock.files.media.text import transliterate

NOT_THERE = ImageFont.load_default(20).getmask("\uffff")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a cat, “Éole” · …", "a cat, “Eole” · …"),
        ("一只猫", "YiZhiMao"),
        ("Привет", "Privet"),
        ("e\u0301t\u00e9", "ete"),
        ("\x00\uffff", "??"),
    ],
)
def test_other_scripts_are_spelt_in_latin(text, shown) -> None:
    """Characters of other scripts are transliterated; those of the font are kept."""
    assert transliterate(text) == shown


@given(text=st.text(st.characters(), max_size=30))
def test_no_letter_is_a_box(text) -> None:
    """The font has a glyph for every transliterated character."""
    font = ImageFont.load_default(20)
    for letter in transliterate(text):
        mask = font.getmask(letter)
        assert letter.isspace() or (mask.size, bytes(mask)) != (NOT_THERE.size, bytes(NOT_THERE))


def test_two_prompts_of_one_length_differ() -> None:
    """Two words that the font lacks make different images."""
    one, other = (ImageSpec(400, 400, text, "m", "t") for text in ("猫猫", "狗狗"))
    assert render_png(one) != render_png(other)
