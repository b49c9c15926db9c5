"""`.ci/podman` says loudly where the image can't be tested, and never fails."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.processes


def run(checkout: Path, folder: Path, **programs: str) -> str:
    """Run it on a machine with these programs and root; it must succeed. Return what it says."""
    for name in ("sh", "timeout", "mktemp", "rm", "tail", "env"):
        (folder / name).symlink_to(str(shutil.which(name)))
    for name, text in {"id": "echo 0", **programs}.items():
        (folder / name.replace("_", "-")).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name.replace("_", "-")).chmod(0o755)
    done = subprocess.run(
        [str(shutil.which("sh")), str(checkout / ".ci/podman")],
        env={**os.environ, "PATH": str(folder), "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert not done.stdout
    return done.stderr


def test_where_docker_runs_nothing_is_installed(checkout: Path, tmp_path: Path) -> None:
    """Its engine is asked, since the program alone may be there without one."""
    apt = "echo called >&2; exit 1"
    assert not run(checkout, tmp_path, docker="exit 0", apt_get=apt)


@pytest.mark.parametrize("programs", [{}, {"id": "echo 1000", "apt_get": "echo called >&2"}])
def test_without_apt_or_root_the_skipped_tests_are_named(
    checkout: Path, tmp_path: Path, programs: dict[str, str]
) -> None:
    """Also where Docker's program is there, and no engine."""
    said = run(checkout, tmp_path, docker="exit 1", **programs)
    assert "THE TESTS OF THE IMAGE ARE SKIPPED" in said
    assert "called" not in said


def test_a_failed_installation_is_shown_with_its_reason(checkout: Path, tmp_path: Path) -> None:
    """The end of apt's output is shown, and the skipped tests are named."""
    said = run(checkout, tmp_path, apt_get="echo E: no such package; exit 100")
    assert "E: no such package" in said
    assert "COULD NOT BE INSTALLED: THE TESTS OF THE IMAGE ARE SKIPPED" in said
