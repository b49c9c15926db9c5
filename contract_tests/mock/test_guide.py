"""The guide beside the mock says what the mock does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import wanflow.mock
from wanflow.mock.fault import KINDS
from wanflow.mock.paces import pace_of
from wanflow.mock.triggers import wishes_of

if TYPE_CHECKING:
    from wanflow.mock.admin import Admin

GUIDE = Path(wanflow.mock.__path__[0], "README.md").read_text()


def test_every_fault_is_in_it() -> None:
    """The table of faults is the mock's own, word for word."""
    told = dict(re.findall(r"^\| `([a-z-]+)[^`]*` \| ([^|]+) \|$", GUIDE, re.MULTILINE))
    effects = {name: kind.effect for name, kind in KINDS.items()}
    assert effects.items() <= told.items()


def test_every_magic_word_of_it_is_understood() -> None:
    """What it writes in brackets is read without a complaint."""
    words = re.findall(r"\[mock:[^\]]+\]", GUIDE)
    assert len(words) >= 6
    for word in words:
        assert wishes_of({"prompt": word}) != wishes_of({"prompt": "a cat"})


def test_its_paces_are_paces() -> None:
    """The plain ones are understood as they are written."""
    named = re.findall(r"`(immediately|never|looks=5)`", GUIDE)
    assert set(named) >= {"immediately", "never"}
    assert all(pace_of(text) for text in named)


def test_every_path_of_the_admin_api_is_in_it(mock) -> None:
    """No door is left unmentioned."""
    admin: Admin = mock.app.admin
    paths = {path for _, path in admin._handlers}
    assert paths
    assert not [path for path in paths if path not in GUIDE]
