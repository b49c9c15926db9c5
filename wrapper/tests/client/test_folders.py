"""Folders are made for files, and none is left where no file came to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from wanflow import AsyncClient, Client, errors
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL = next(
    one.name
    for one in packaged_catalog().models.values()
    if one.kind == "image" and "image_urls" not in one.parameters
)


@pytest.fixture(scope="module")
def mock() -> Iterator[MockServer]:
    with MockServer(polls=0) as server:
        yield server


@pytest.fixture(params=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def run(mock: MockServer, colour: str, prompt: str, out: Path) -> Any:
    """Run one request with a client of either colour."""

    async def later() -> Any:
        async with AsyncClient(mock.api_key, mock.base_url) as client:
            return await client.run(model=MODEL, prompt=prompt, output_dir=out)

    if colour == "async":
        return anyio.run(later)
    with Client(mock.api_key, mock.base_url) as client:
        return client.run(model=MODEL, prompt=prompt, output_dir=out)


class TestRun:
    """`run(out=…)`."""

    def test_a_failed_task_leaves_no_folder(
        self, mock: MockServer, colour: str, tmp_path: Path
    ) -> None:
        """Neither the one that was asked for nor its parents."""
        with pytest.raises(errors.TaskFailed):
            run(mock, colour, "x [mock:fail=service_error]", tmp_path / "a" / "b")
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_was_there_stays(
        self, mock: MockServer, colour: str, tmp_path: Path
    ) -> None:
        """Whoever made it wants it; what lies there is nobody else's either."""
        (tmp_path / "a").mkdir()
        with pytest.raises(errors.TaskFailed):
            run(mock, colour, "x [mock:fail=service_error]", tmp_path / "a")
        assert (tmp_path / "a").is_dir()

    def test_a_folder_with_files_stays(self, mock: MockServer, colour: str, tmp_path: Path) -> None:
        """It was made for them."""
        assert run(mock, colour, "x", tmp_path / "a" / "b").paths[0].parent == tmp_path / "a" / "b"


class TestDownload:
    """`download(folder)`."""

    def test_a_dead_link_leaves_no_folder(self, mock: MockServer, tmp_path: Path) -> None:
        """A day later the file is gone."""
        with Client(mock.api_key, mock.base_url) as client:
            result = client.run(model=MODEL, prompt="x")
            mock.clock.advance(90_000)
            with pytest.raises(errors.DownloadFailed):
                result.download(tmp_path / "a" / "b")
        assert list(tmp_path.iterdir()) == []
