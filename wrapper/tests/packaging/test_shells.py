"""`.ci/shells` installs zsh and fish where it can, and says loudly where it can't."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.packaging.test_browser import Machine

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.processes

SHELL = "#!/bin/sh\n"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with root, without apt and the shells."""
    return Machine(tmp_path)


def test_installed_shells_are_left_alone(machine: Machine, checkout: Path) -> None:
    """Nothing is said or installed."""
    for name in ("zsh", "fish"):
        machine.add(name, SHELL)
    machine.add("apt-get", "#!/bin/sh\necho called >&2\n")
    assert not machine.run(checkout, "shells")


def test_without_apt_or_root_the_shells_without_tests_are_named(
    machine: Machine, checkout: Path
) -> None:
    """And nothing is installed by another user."""
    machine.add("zsh", SHELL)
    assert "COMPLETION IS NOT TESTED IN: fish" in machine.run(checkout, "shells")
    machine.add("apt-get", "#!/bin/sh\necho called >&2\n")
    machine.add("id", "#!/bin/sh\necho 1000\n")
    said = machine.run(checkout, "shells")
    assert "COMPLETION IS NOT TESTED IN: fish" in said
    assert "called" not in said


def test_missing_ones_are_installed_after_the_list_of_packages_was_fetched(
    machine: Machine, checkout: Path
) -> None:
    """The first try fails because the list is old; the second one succeeds."""
    lists = machine.folder / "lists"
    add = f"{shutil.which('cp')} {machine.folder / 'id'} {machine.folder}"
    machine.add(
        "apt-get",
        f"#!/bin/sh\ncase $* in update*) : > {lists} ;; *) [ -e {lists} ] || exit 100\n"
        f"{add}/zsh; {add}/fish ;; esac\n",
    )
    assert machine.run(checkout, "shells") == "shells: installing zsh fish \n"
