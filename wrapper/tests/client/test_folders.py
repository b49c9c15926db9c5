"""Directories are created for files, and removed again if no file was saved."""

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
def mode(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def run(mock: MockServer, mode: str, prompt: str, out: Path) -> Any:
    """Run one request with the sync or the async client."""

    async def run_async() -> Any:
        async with AsyncClient(mock.api_key, mock.base_url) as client:
            return await client.run(model=MODEL, prompt=prompt, output_dir=out)

    if mode == "async":
        return anyio.run(run_async)
    with Client(mock.api_key, mock.base_url) as client:
        return client.run(model=MODEL, prompt=prompt, output_dir=out)


class TestRun:
    """`run(output_dir=…)`."""

    def test_a_failed_task_leaves_no_directory(
        self, mock: MockServer, mode: str, tmp_path: Path
    ) -> None:
        """Neither the output directory nor its parents."""
        with pytest.raises(errors.TaskFailed):
            run(mock, mode, "x [mock:fail=service_error]", tmp_path / "a" / "b")
        assert list(tmp_path.iterdir()) == []

    def test_an_existing_directory_is_not_removed(
        self, mock: MockServer, mode: str, tmp_path: Path
    ) -> None:
        """It belongs to the user."""
        (tmp_path / "a").mkdir()
        with pytest.raises(errors.TaskFailed):
            run(mock, mode, "x [mock:fail=service_error]", tmp_path / "a")
        assert (tmp_path / "a").is_dir()

    def test_a_directory_with_files_is_not_removed(
        self, mock: MockServer, mode: str, tmp_path: Path
    ) -> None:
        """It was created for them."""
        assert run(mock, mode, "x", tmp_path / "a" / "b").paths[0].parent == tmp_path / "a" / "b"


class TestDownload:
    """`download(folder)`."""

    def test_an_expired_link_leaves_no_directory(self, mock: MockServer, tmp_path: Path) -> None:
        """A day later the file is no longer available."""
        with Client(mock.api_key, mock.base_url) as client:
            result = client.run(model=MODEL, prompt="x")
            mock.clock.advance(90_000)
            with pytest.raises(errors.DownloadFailed):
                result.download(tmp_path / "a" / "b")
        assert list(tmp_path.iterdir()) == []
