"""An API that hangs: each call ends in time all the same."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from tests.mcp.raw import raw_agent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.mcp.conftest import Setup

pytestmark = pytest.mark.processes

TASK = "task-unified-1-abcdefgh"
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10000\r\n\r\n"


@contextmanager
def hanging(scheme: str, slowly: bytes) -> Iterator[str]:
    """Accept connections, and answer each with one byte a second, or with none."""
    stopped = threading.Event()

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            for byte in slowly:
                if stopped.wait(1):
                    return
                connection.sendall(bytes([byte]))
            stopped.wait()

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while not stopped.is_set():
                threading.Thread(target=answer, args=[listener.accept()[0]], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=[listener], daemon=True).start()
        try:
            yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stopped.set()
            with suppress(OSError):  # some systems can't shut down a listener
                listener.shutdown(socket.SHUT_RDWR)  # ends `accept`, which `close` doesn't


@pytest.mark.parametrize(
    ("scheme", "slowly"),
    [  # the slow ones each start a process, too
        ("http", b""),
        pytest.param("http", _HEAD, marks=pytest.mark.slow),
        pytest.param("https", b"", marks=pytest.mark.slow),
    ],
    ids=["silent", "slow", "tls"],
)
@pytest.mark.parametrize(
    ("limit", "most"),
    # The slow ones wait as long as calls last by default.
    [("0.5", 10.0), pytest.param("25", 30.0, marks=pytest.mark.slow)],
)
def test_no_call_outlasts_its_time(
    setup: Setup, request_body: dict[str, Any], scheme: str, slowly: bytes, limit: str, most: float
) -> None:
    """Over connections that are accepted only, over TLS, and with one byte a second."""
    with hanging(scheme, slowly) as url:
        own = evolve(setup, base_url=url, options=(*setup.options, "--call-timeout", limit))
        with raw_agent(own) as agent:
            agent.result("models")  # from here on, everything is imported
            start = time.monotonic()
            calls = [
                agent.call("submit", request=request_body),
                agent.call("submit", request=request_body, variation="2"),
                *(agent.call(name, task_id=TASK) for name in ("status", "wait", "download")),
                agent.call("estimate", request=request_body),
                agent.call("list"),
                agent.call("resume"),
            ]
            results = [agent.answer(number, most)["result"] for number in calls]
            assert time.monotonic() - start < most
        hung = [one for one in results if one["structuredContent"].get("still_running")]
        # The client's own timeout of a connection ends some calls before 25 s, as an error.
        assert len(hung) >= (3 if limit == "0.5" else 1)
