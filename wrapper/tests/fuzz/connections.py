"""The fuzz target of a listener: bytes on a connection, before its HTTP is parsed."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

from uvicorn.server import ServerState

from wanflow.webhooks.asgi import CallbackApp
from wanflow.webhooks.receiver import Receiver
from wanflow.webhooks.server import _bounded_connections, _config

SECRET = "a secret of the fuzzed listener"


class Sent(asyncio.Transport):
    """A connection without a socket, which keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 9), "sockname": ("127.0.0.1", 8)})
        self.written, self.closed = bytearray(), False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Read on: there is no more than the input."""

    resume_reading = pause_reading


@cache
def listener() -> tuple[asyncio.AbstractEventLoop, Any, str]:
    """An event loop, the settings of a listener, and a path that it accepts."""
    receiver = Receiver(SECRET, "https://callbacks.example.com")
    config = _config(CallbackApp(receiver, None, blocks=False), _bounded_connections(10.0, 4))
    config.load()
    return asyncio.new_event_loop(), config, receiver.url("job").partition(".com")[2]


def connections(data: bytes) -> None:
    """What a listener is sent: bytes, in two pieces, of which each request is answered."""
    loop, config, path = listener()
    middle = data[0] * len(data) // 256 if data else 0
    loop.run_until_complete(_connection(config, data[1:].replace(b"PATH", path.encode()), middle))


async def _connection(config: Any, data: bytes, middle: int) -> None:
    state, transport = ServerState(), Sent()
    protocol = config.http_protocol_class(config, state, {})
    protocol.connection_made(transport)
    for piece in (data[:middle], data[middle:]):
        if not transport.closed:
            protocol.data_received(piece)
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    async with asyncio.timeout(5):
        await asyncio.gather(*state.tasks)
    for line in bytes(transport.written).split(b"HTTP/1.1 ")[1:]:
        assert 100 <= int(line[:3]) < 500 or line.startswith(b"503 "), line
