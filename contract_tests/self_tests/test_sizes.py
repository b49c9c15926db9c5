"""The sizes that are requested: also at a limit of the pixels and of the ratio together."""

from __future__ import annotations

import re
from itertools import product
from math import gcd

import pytest

from wanflow.catalog.keywords import PIXEL_SIZE
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.sizes import corners, sizes

RULES = [
    rule[PIXEL_SIZE]
    for model in packaged_contract().catalog.models.values()
    for rule in model.parameters.values()
    if PIXEL_SIZE in rule
]


@pytest.mark.parametrize("rule", RULES)
def test_a_size_is_at_each_two_limits_together(rule) -> None:
    """The shortest and the longest sides are there, and a server that refuses them is found."""
    seen = [
        tuple(map(int, text.split("x")))
        for _, text in sizes(rule)
        if re.fullmatch("[0-9]+x[0-9]+", text)
    ]
    for pixels, ratio in product(
        ("minimumPixels", "maximumPixels"), ("minimumRatio", "maximumRatio")
    ):
        assert any(
            width * height == rule[pixels] and width / height == rule[ratio]
            for width, height in seen
        ), (pixels, ratio)


@pytest.mark.parametrize("rule", RULES)
def test_corners_are_valid_and_far_apart(rule) -> None:
    """Different ones, all within the limits, and one whose sides have no common factor."""
    found = [tuple(map(int, text.split("x"))) for text in corners(rule)]
    assert len(set(found)) == 5
    assert any(gcd(*one) == 1 for one in found)
    for width, height in found:
        assert rule["minimumPixels"] <= width * height <= rule["maximumPixels"]
        assert rule["minimumRatio"] <= width / height <= rule["maximumRatio"]
