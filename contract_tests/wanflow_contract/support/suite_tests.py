"""Which tests of a pytest run belong to the suite, and what they are called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

SUITE = Path(__file__).parents[1]


def is_ours(item: pytest.Item) -> bool:
    """Return whether a test belongs to the suite."""
    return SUITE in item.path.parents


def is_of_suite(nodeid: str) -> bool:
    """Return whether the id of a test names a file of the suite."""
    return "wanflow_contract/" in nodeid.partition("::")[0]


def test_name(nodeid: str) -> str:
    """Return the name of a test without its file."""
    return nodeid.partition("::")[2]
