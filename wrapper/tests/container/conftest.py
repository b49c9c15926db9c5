"""Fixtures of the tests of the image: the engine, the image, and containers of it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.container.containers import Container, Containers
from tests.container.engine import Engine, NoEngine, find_engine

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Docker or Podman; what Podman stores is removed in the end."""
    # Not in pytest's own directory, which outlives the session: this takes half a gigabyte.
    folder = Path(tempfile.mkdtemp(prefix="wanflow-image-"))
    try:
        found = find_engine(folder)
    except NoEngine as error:
        shutil.rmtree(folder)
        pytest.skip(f"THE IMAGE IS NOT TESTED: {error}")
    yield found
    found.remove()


@pytest.fixture(scope="session")
def containers(engine: Engine) -> Containers:
    """Containers of the image, which is built first."""
    engine.build()
    return Containers(engine)


@pytest.fixture(scope="module")
def running(containers: Containers) -> Iterator[Container]:
    """A mock in a container with nothing that it doesn't need."""
    with containers.start() as container:
        container.answers()
        yield container
