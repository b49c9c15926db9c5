"""Fixtures of the packaging tests: the checkout, its files, and the built distributions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[3]


class Built(NamedTuple):
    """The two files that `make build` writes."""

    sdist: Path
    wheel: Path


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The directory that `git clone` creates."""
    return ROOT


@pytest.fixture(scope="session")
def committed(checkout: Path) -> list[str]:
    """The paths of the project's files, including those not committed yet."""
    if not (checkout / ".git").exists():
        pytest.skip("this is not a git checkout: nothing is committed here")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=checkout, check=True, capture_output=True, text=True)
    paths = sorted(p for p in listed.stdout.split("\0") if p and (checkout / p).is_file())
    assert len(paths) > 20, "git lists too few files: these tests would have nothing to check"
    return paths


@pytest.fixture(scope="session")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Sdist and wheel, built as `make build` does; the wheel is built from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)]
    made = subprocess.run(command, cwd=checkout, check=False, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Built(sdist, wheel)
