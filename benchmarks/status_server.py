"""A minimal task server on asyncio, in its own process, so that it isn't measured.

`python -m benchmarks.status_server POLLS [STATUS]` prints its port, responds to every task query,
and ends each task at its poll number POLLS with a status, `completed` if none is given.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter

polls: Counter[bytes] = Counter()


class Connection(asyncio.Protocol):
    """Responds to each GET, and each POST without a body, immediately."""

    def __init__(self, ended_at: int, status: str) -> None:
        self._ended_at, self._status = ended_at, status

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._left = b""

    def data_received(self, data: bytes) -> None:
        self._left += data
        while b"\r\n\r\n" in self._left:
            head, _, self._left = self._left.partition(b"\r\n\r\n")
            task_id = head.split(b" ", 2)[1].rpartition(b"/")[2]
            self._transport.write(self._response(task_id))  # type: ignore[attr-defined]

    def _response(self, task_id: bytes) -> bytes:
        polls[task_id] += 1
        done = polls[task_id] >= self._ended_at
        body = json.dumps(
            {
                "created": 1760000000,
                "id": task_id.decode(),
                "model": "a-model",
                "object": "video.generation.task",
                "progress": 100 if done else 0,
                "status": self._status if done else "processing",
                "task_info": {"can_cancel": False},
                "type": "video",
                **({"results": ["https://files.example/a.mp4"]} if done else {}),
            }
        ).encode()
        return (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )


async def main() -> None:
    loop = asyncio.get_running_loop()
    ended_at, status = int(sys.argv[1]), (sys.argv[2:] or ["completed"])[0]
    server = await loop.create_server(
        lambda: Connection(ended_at, status), "127.0.0.1", 0, backlog=512
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
