"""The lines of stdin, read by a thread that doesn't keep the process from ending."""

from __future__ import annotations

import asyncio
import math
import os
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, cast

import anyio
from attrs import define, field

from wanflow._core.snapshot import storable_json

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream


@define(eq=False)
class StdinLines:
    """Iterates over the lines of stdin, and can be cancelled.

    A thread of anyio can't be cancelled while it reads: the process would end only with stdin.
    """

    _send: MemoryObjectSendStream[str] = field(init=False)
    _lines: MemoryObjectReceiveStream[str] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Begin to read."""
        self._send, self._lines = anyio.create_memory_object_stream[str](math.inf)
        loop = asyncio.get_running_loop()
        Thread(target=self._read, args=[loop], name="wanflow-stdin", daemon=True).start()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        # Not sys.stdin: Python aborts at its end while a thread holds the lock of that.
        file = os.fdopen(os.dup(0), "rb")
        with suppress(RuntimeError):  # the event loop is closed
            try:
                for line in file:
                    # The SDK answers nothing to a line with half of a surrogate pair.
                    text = storable_json(line.decode(errors="replace"))
                    loop.call_soon_threadsafe(self._put, text)
            except OSError:
                pass
            loop.call_soon_threadsafe(self._send.close)

    def _put(self, line: str) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            self._send.send_nowait(line)

    def __aiter__(self) -> MemoryObjectReceiveStream[str]:
        """Return what iterates over the lines."""
        return self._lines


def stdin_lines() -> anyio.AsyncFile[str]:
    """Return the lines of stdin, for the SDK, which only iterates over them."""
    return cast("anyio.AsyncFile[str]", StdinLines())
