"""Responses that the user's own transport returns completely, as `httpx.MockTransport` does."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.clients import httpx
from tests.client.fast_clock import with_fast_clock
from tests.transport.hostile_text import PNG
from tests.transport.misbehaving_server import ID
from tests.transport.test_guarantees import KEY, body

if TYPE_CHECKING:
    from pathlib import Path

LINK = "https://files.example/picture.png"


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
def test_a_task_goes_from_submission_to_file(runner: Any, compressed: bool, tmp_path: Path) -> None:
    """httpx has read and decoded such a response before the client gets it."""

    def response(content: bytes) -> httpx.Response:
        coding = {"content-encoding": "gzip"} if compressed else {}
        return httpx.Response(
            200, content=gzip.compress(content) if compressed else content, headers=coding
        )

    def respond(request: httpx.Request) -> httpx.Response:
        if str(request.url) == LINK:
            return response(PNG)
        status = "pending" if request.method == "POST" else "completed"
        return response(json.dumps({"id": ID, "status": status, "results": [LINK]}).encode())

    transport = httpx.MockTransport(respond)
    client = with_fast_clock(
        runner.client(api_key=KEY, base_url="http://127.0.0.1:9/v", transport=transport)
    )
    result = runner.do(client.run, body(), output_dir=tmp_path, timeout=60)
    assert [path.read_bytes() for path in result.paths] == [PNG]
    runner.do(client.close)
