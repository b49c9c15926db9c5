"""Letters of every script say something in a picture, though the font has few of them."""

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
    """What the font has stays as it is."""
    assert transliterate(text) == shown


@given(text=st.text(st.characters(), max_size=30))
def test_no_letter_is_a_box(text) -> None:
    """Whatever is written, the font has a shape for all that is drawn of it."""
    font = ImageFont.load_default(20)
    for letter in transliterate(text):
        mask = font.getmask(letter)
        assert letter.isspace() or (mask.size, bytes(mask)) != (NOT_THERE.size, bytes(NOT_THERE))


def test_two_prompts_of_one_length_are_told_apart() -> None:
    """Two words that would be the same boxes make different pictures."""
    one, other = (ImageSpec(400, 400, text, "m", "t") for text in ("猫猫", "狗狗"))
    assert render_png(one) != render_png(other)
