"""A wait ends at its timeout, whatever the server does with its requests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.transport.misbehaving_server import ID, OK, MisbehavingServer, drips, hangs, task
from tests.transport.test_guarantees import KEY, body
from tests.waiting import TIME_LIMIT
from wanflow import errors
from wanflow.ledger import Ledger

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

TIMEOUT = 1.0
LONG = 10 * TIME_LIMIT
"""The timeout of a request, which no wait may take."""


def outcome_of(task: Any) -> Any:
    """Return the result of a task, or its error."""
    try:
        return task.result()
    except errors.WanflowError as error:
        return error


WAITS: dict[str, Callable[[Any, Any], Any]] = {
    "wait": lambda runner, client: runner.do(client.task(ID).wait, TIMEOUT),
    "iter_updates": lambda runner, client: runner.items(client.task(ID).iter_updates(TIMEOUT)),
    "wait_all": lambda runner, client: runner.do(client.wait_all, [ID, ID + "2"], timeout=TIMEOUT),
    "as_completed": lambda runner, client: [
        outcome_of(task) for task in runner.items(client.as_completed([ID], timeout=TIMEOUT))
    ],
    "run": lambda runner, client: runner.do(client.run, body(), timeout=TIMEOUT),
}


def never_finish_polls(server: MisbehavingServer, does: str) -> None:
    """Make a server never finish a response to a poll."""
    dripped = drips(OK if does == "drips a header" else b" " * 99, server.done, 0.2)

    def begin_a_body(connection: socket.socket) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
        return dripped(connection)

    acts = {"drips a header": dripped, "drips a body": begin_a_body}
    server._acts["GET"].append(acts.get(does, hangs(server.done)))


BEHAVIOURS = ["sends nothing", "drips a header", "drips a body"]


@pytest.mark.parametrize("does", BEHAVIOURS)
def test_a_batch_ends_at_its_timeout(does: str, runner: Any, tmp_path: Path) -> None:
    """Its jobs are resumable; the next run resumes them, submits nothing, and ends in time too."""
    with (
        MisbehavingServer(post=[task("pending", created=1)]) as server,
        Ledger(tmp_path / "l.db") as ledger,
    ):
        never_finish_polls(server, does)
        client = runner.client(api_key=KEY, base_url=server.url, timeout=LONG, ledger=ledger)
        for _ in range(2):
            begun = time.monotonic()
            report = runner.do(client.batch, [body()], tmp_path / "out", timeout=TIMEOUT)
            took = time.monotonic() - begun
            assert report.counts == {"resumable": 1}
            assert TIMEOUT * 0.9 < took < TIME_LIMIT
        assert server.count("POST") == 1
        assert server.count("GET") >= 2


@pytest.mark.parametrize("does", BEHAVIOURS)
@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS.keys())
def test_a_wait_ends_at_its_timeout(does: str, wait: Any, runner: Any) -> None:
    """A poll may take only the time that is left of the wait."""
    with MisbehavingServer(post=[task("pending", created=1)]) as server:
        never_finish_polls(server, does)
        client = runner.client(api_key=KEY, base_url=server.url, timeout=LONG, retry_timeout=0)
        begun = time.monotonic()
        try:
            ended = wait(runner, client)
        except errors.WaitTimeout:
            ended = []
        took = time.monotonic() - begun
        assert all(isinstance(end, errors.WaitTimeout) for end in ended)
        assert TIMEOUT * 0.9 < took < TIME_LIMIT
        assert server.count("GET") > 0
