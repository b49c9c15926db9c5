"""Progress notifications, and local files: only from directories that the user allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.mcp.conftest import charged, facts
from tests.uploads.conftest import image
from wanflow.catalog.catalog import packaged_catalog

if TYPE_CHECKING:
    from tests.mcp.conftest import Setup
    from wanflow.mock import MockServer

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_client_that_asks_for_progress_is_notified(
    setup: Setup, mock_server: MockServer, request_body: dict[str, Any]
) -> None:
    """With percentages that only grow."""
    mock_server.gateway.progression = type(mock_server.gateway.progression)(3)
    shown: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        shown.append(progress)

    async with setup.client() as client:
        task = facts(await client.call_tool("submit", {"request": request_body}))["task_id"]
        done = facts(
            await client.call_tool("wait", {"task_id": task}, progress_callback=on_progress)
        )
    assert done["succeeded"]
    assert shown
    assert shown == sorted(set(shown))


async def test_local_files_are_sent_only_from_allowed_directories(
    setup: Setup, mock_server: MockServer
) -> None:
    """A link that leaves such a directory is refused, too."""
    models = packaged_catalog().models.values()
    name = next(one.name for one in models if "image_urls" in one.required)
    allowed, other = setup.folder / "allowed", setup.folder / "other"
    allowed.mkdir()
    other.mkdir()
    inside, outside = image(allowed), image(other)
    link = allowed / "link.png"
    link.symlink_to(outside)
    given = setup.with_options(*setup.options, "--uploader", "mock", "--input-dir", str(allowed))
    async with given.client() as client:
        for path in (outside, link, "../other/" + outside.name):
            body = {"model": name, "prompt": "x", "image_urls": [str(path)]}
            result = await client.call_tool("submit", {"request": body})
            assert result.is_error
            assert "--input-dir" in result.content[0].text
        assert not charged(mock_server)
        body = {"model": name, "prompt": "x", "image_urls": [str(inside)]}
        first = facts(await client.call_tool("submit", {"request": body}))
        again = facts(await client.call_tool("submit", {"request": body}))
    assert charged(mock_server) == [first["task_id"]] == [again["task_id"]]
