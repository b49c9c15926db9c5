"""A cancelled call gives its connection back, at whatever point it is cancelled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.clients import without
from tests.transport.misbehaving_server import ID, MisbehavingServer, http, responds, task
from wanflow import AsyncClient

if TYPE_CHECKING:
    from pathlib import Path

BACKENDS = {"httpx": "wanflow._transport.aiohttp_backend", "aiohttp": "wanflow.no_such_module"}
PNG = b"\x89PNG\r\n\x1a\n" + b"a" * 1000


def occupied(client: AsyncClient) -> list[str]:
    """Return the connections of a client's pools that serve a request, and the closing ones."""
    transport: Any = client._driver._transport
    pools = [*transport._api._loop_pools, *transport._files._loop_pools]
    found = [f"{one.limiter.borrowed_tokens} lent" for one in pools if one.limiter.borrowed_tokens]
    for one in pools:
        assert not one.replaced, "a backend was replaced"
        if hasattr(one.backend, "_http"):
            shown = map(repr, one.backend._http._transport._pool.connections)
            found += [text for text in shown if "ACTIVE" in text]
    return found


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_download_that_its_own_progress_cancels_frees_its_connection(
    backend: str, tmp_path: Path
) -> None:
    """However many are cancelled at a chunk, also the last one, the next download succeeds."""
    links = [task("completed", results=["http://127.0.0.1:1/a.png"])]

    def cancels(_: Any) -> None:
        task_of_download = asyncio.current_task()
        assert task_of_download is not None
        task_of_download.cancel()

    async def main(server: MisbehavingServer) -> None:
        link = f"{server.url}/a.png"
        async with AsyncClient("sk-key", server.url, max_connections=3) as client:
            for number in range(9):
                server._acts["GET"].clear()
                server._acts["GET"].extend([task("completed", results=[link]), image])
                result = await client.task(ID).wait()
                folder = tmp_path / str(number)
                work = asyncio.ensure_future(result.download(folder, on_progress=cancels))
                await asyncio.wait([work])
                assert work.cancelled()
            assert not occupied(client)
            await result.download(tmp_path / "whole")

    image = responds(http(200, PNG, "content-type: image/png"))
    with without(BACKENDS[backend]), MisbehavingServer(get=links) as server:
        asyncio.run(asyncio.wait_for(main(server), 20))
    assert [one.name for one in (tmp_path / "whole").iterdir()]
