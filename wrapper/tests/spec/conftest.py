"""The checkout of these tests and its specs, read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from wanflow.spec.build import BuildResult, build
from wanflow.spec.project import Checkout, find_project
from wanflow.spec.read.source import SourceSpec, read_sources


@pytest.fixture(scope="session")
def project() -> Checkout:
    return find_project(Path(__file__).parent)


@pytest.fixture(scope="session")
def sources(project: Checkout) -> list[SourceSpec]:
    return read_sources(project.sources)


@pytest.fixture(scope="session")
def built(project: Checkout) -> BuildResult:
    return build(project)
