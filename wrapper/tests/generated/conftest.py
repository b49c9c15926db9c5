"""Copies of the checkout, for tests that write."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from wanflow.spec.project import Checkout, find_project


@pytest.fixture(scope="session")
def project() -> Checkout:
    return find_project(Path(__file__).parent)


@pytest.fixture
def checkout(tmp_path: Path, project: Checkout) -> Checkout:
    """A separate copy for each test."""
    return copy_checkout(project, tmp_path / "check out")


def copy_checkout(project: Checkout, root: Path) -> Checkout:
    """Copy what the pipeline reads and writes: specs, generated, changelog, pyproject."""
    for name in ("specs", "generated"):
        shutil.copytree(
            project.root / name, root / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("CHANGELOG.md", "pyproject.toml"):
        shutil.copy(project.root / name, root)
    return Checkout(root)
