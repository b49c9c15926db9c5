"""What the laws of packaging are read from: the checkout, its files, and what is built of it."""

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
    """The folder that a newcomer has after `git clone`."""
    return ROOT


@pytest.fixture(scope="session")
def committed(checkout: Path) -> list[str]:
    """Paths of the files that belong to the project, those not yet committed among them."""
    if not (checkout / ".git").exists():
        pytest.skip("this is no git checkout: nothing is committed here")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=checkout, check=True, capture_output=True, text=True)
    paths = sorted(p for p in listed.stdout.split("\0") if p and (checkout / p).is_file())
    assert len(paths) > 20, "git lists hardly any file: these laws have nothing to check"
    return paths


@pytest.fixture(scope="session")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Sdist and wheel, built as `make build` does; the wheel is made from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)]
    made = subprocess.run(command, cwd=checkout, check=False, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Built(sdist, wheel)
