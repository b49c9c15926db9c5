"""`.ci/browser` installs Chromium where it can, and says loudly where it can't."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.processes

NEEDED = ("sh", "timeout", "mktemp", "rm", "tail", "cat", "env")
CHROMIUM = "#!/bin/sh\necho Chromium 1.2.3\n"


class Machine:
    """A PATH with a few real programs, and others that a test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in NEEDED:
            (folder / name).symlink_to(str(shutil.which(name)))
        self.add("id", "#!/bin/sh\necho 0\n")

    def add(self, name: str, text: str) -> None:
        """Write a program."""
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def run(self, checkout: Path, script: str = "browser") -> str:
        """Run a script of `.ci`, which must succeed, and return what it says."""
        done = subprocess.run(
            [shutil.which("sh"), str(checkout / ".ci" / script)],
            env={**os.environ, "PATH": str(self.folder), "TMPDIR": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert not done.stdout
        return done.stderr


@pytest.fixture
def machine(tmp_path) -> Machine:
    """A machine with apt's absence, and root."""
    return Machine(tmp_path)


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome"])
def test_an_installed_browser_is_left_alone(machine, checkout, name) -> None:
    """Nothing is said or installed."""
    machine.add(name, CHROMIUM)
    machine.add("apt-get", "#!/bin/sh\necho called >&2\nexit 1\n")
    assert not machine.run(checkout)


def test_without_apt_or_root_the_skipped_tests_are_named(machine, checkout) -> None:
    """A machine where nothing can be installed says so in capitals."""
    assert "THE TESTS OF THE PAGES ARE SKIPPED" in machine.run(checkout)
    machine.add("apt-get", "#!/bin/sh\necho called >&2\nexit 1\n")
    machine.add("id", "#!/bin/sh\necho 1000\n")
    said = machine.run(checkout)
    assert "THE TESTS OF THE PAGES ARE SKIPPED" in said
    assert "called" not in said


def test_a_failed_installation_is_shown_with_its_reason(machine, checkout) -> None:
    """The end of apt's output is shown, and the skipped tests are named."""
    machine.add("apt-get", "#!/bin/sh\necho E: no such package $*\nexit 100\n")
    said = machine.run(checkout)
    assert "E: no such package" in said
    assert "COULD NOT BE INSTALLED: THE TESTS OF THE PAGES ARE SKIPPED" in said


def test_it_is_installed_after_the_list_of_packages_was_fetched(machine, checkout) -> None:
    """The first try fails because the list is old; the second one succeeds."""
    program, lists, made = (machine.folder / name for name in ("chromium", "lists", "made"))
    made.write_text(CHROMIUM)
    chmod = shutil.which("chmod")
    machine.add(
        "apt-get",
        f"#!/bin/sh\ncase $* in update*) : > {lists} ;; *) [ -e {lists} ] || exit 100\n"
        f"cat {made} > {program}; {chmod} +x {program} ;; esac\n",
    )
    said = machine.run(checkout)
    assert said.splitlines() == ["browser: installing Chromium", "browser: Chromium 1.2.3"]
