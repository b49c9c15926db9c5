"""Laws of time: a wait ends when its time is up, whatever the server does with its requests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.transport.misbehaving_server import ID, OK, MisbehavingServer, drips, hangs, task
from tests.transport.test_guarantees import KEY, body
from wanflow import errors
from wanflow.ledger import Ledger

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

TIMEOUT = 1.0
LATE = 1.5
"""Seconds that a busy machine may take longer: far less than the client grants a request."""


def end_of(task: Any) -> Any:
    """What a task came to."""
    try:
        return task.result()
    except errors.WanflowError as error:
        return error


WAITS: dict[str, Callable[[Any, Any], Any]] = {
    "wait": lambda runner, client: runner.do(client.task(ID).wait, TIMEOUT),
    "watch": lambda runner, client: runner.items(client.task(ID).iter_updates(TIMEOUT)),
    "wait_all": lambda runner, client: runner.do(client.wait_all, [ID, ID + "2"], timeout=TIMEOUT),
    "as_completed": lambda runner, client: [
        end_of(task) for task in runner.items(client.as_completed([ID], timeout=TIMEOUT))
    ],
    "run": lambda runner, client: runner.do(client.run, body(), timeout=TIMEOUT),
}


def hinders(server: MisbehavingServer, does: str) -> None:
    """Let a server end no response to a poll."""
    dripped = drips(OK if does == "drips a header" else b" " * 99, server.done, 0.2)

    def begin_a_body(connection: socket.socket) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
        return dripped(connection)

    acts = {"drips a header": dripped, "drips a body": begin_a_body}
    server._acts["GET"].append(acts.get(does, hangs(server.done)))


HINDRANCES = ["says nothing", "drips a header", "drips a body"]


@pytest.mark.parametrize("does", HINDRANCES)
def test_a_batch_ends_when_the_time_of_its_waits_is_up(
    does: str, runner: Any, tmp_path: Path
) -> None:
    """Its jobs are open, and the next run takes them up, submits nothing, and ends on time too."""
    with (
        MisbehavingServer(post=[task("pending", created=1)]) as server,
        Ledger(tmp_path / "l.db") as kept,
    ):
        hinders(server, does)
        client = runner.client(api_key=KEY, base_url=server.url, timeout=30, ledger=kept)
        for _ in range(2):
            begun = time.monotonic()
            report = runner.do(client.batch, [body()], tmp_path / "out", timeout=TIMEOUT)
            took = time.monotonic() - begun
            assert report.counts == {"resumable": 1}
            assert TIMEOUT * 0.9 < took < TIMEOUT + LATE
        assert server.count("POST") == 1
        assert server.count("GET") == 2


@pytest.mark.parametrize("does", HINDRANCES)
@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS.keys())
def test_a_wait_ends_when_its_time_is_up(does: str, wait: Any, runner: Any) -> None:
    """Each poll is given what is left of the wait, and not all that the client grants."""
    with MisbehavingServer(post=[task("pending", created=1)]) as server:
        hinders(server, does)
        client = runner.client(api_key=KEY, base_url=server.url, timeout=30, retry_timeout=0)
        begun = time.monotonic()
        try:
            ended = wait(runner, client)
        except errors.WaitTimeout:
            ended = []
        took = time.monotonic() - begun
        assert all(isinstance(end, errors.WaitTimeout) for end in ended)
        assert TIMEOUT * 0.9 < took < TIMEOUT + LATE
        assert server.count("GET") > 0
