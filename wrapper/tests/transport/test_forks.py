"""After a fork each process gets the responses to its own requests only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.transport.forking import CHILDREN, EACH
from tests.transport.misbehaving_server import MisbehavingServer, http, responds
from tests.waiting import TIME_LIMIT, wait_until

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can't fork")

SCRIPT = Path(__file__).with_name("forking.py")


class KeyAsTaskIdServer(MisbehavingServer):
    """Responds to each submission with its idempotency key as the task id."""

    def __init__(self, **acts: Any) -> None:
        super().__init__(**acts)
        self.used = defaultdict[str, set[str]](set)
        """The connections that each process used, by the prefix of its keys."""

    def _next(self, whole: bytes) -> Any:
        super()._next(whole)
        if whole.startswith(b"GET"):
            return lambda _: not self.done.wait(60)
        key = self._key(whole)
        # Each connection has its own thread.
        self.used[key.partition("-")[0]].add(threading.current_thread().name)
        return responds(http(200, json.dumps({"id": key, "status": "pending"}).encode()))

    @staticmethod
    def _key(whole: bytes) -> str:
        for line in whole.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"idempotency-key":
                return value.strip().decode()
        raise AssertionError


def run(kind: str, scene: str, server: MisbehavingServer) -> list[dict[str, str]]:
    """Run the program, and return the task ids of each of its processes."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", str(SCRIPT)]
    pipes: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([*command, kind, scene, server.url], **pipes, text=True) as process:
        if scene == "busy":
            wait_until(lambda: server.count("GET"))
        out, err = process.communicate("the request has arrived\n", timeout=2 * TIME_LIMIT)
    assert (process.returncode, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.processes
@pytest.mark.parametrize("kind", ["sync", "asyncio", "aiohttp", "trio"])
def test_each_process_gets_its_own_responses(kind: str) -> None:
    """A client that was used before the fork works in the parent and all children concurrently."""
    with KeyAsTaskIdServer(post=[responds(b"")], get=[responds(b"")]) as server:
        found = run(kind, "kept", server)
        assert len(found) == CHILDREN + 2 + (kind != "sync")
        for ids in found:
            assert len(ids) == EACH
            assert all(task_id == key for key, task_id in ids.items())
        assert server.count("POST") == EACH * (len(found) + 1)


@pytest.mark.processes
@pytest.mark.parametrize("kind", ["asyncio", "aiohttp"])
def test_a_child_opens_new_connections_in_the_same_event_loop(kind: str) -> None:
    """It doesn't close the inherited connections, which the parent still uses."""
    with KeyAsTaskIdServer(post=[responds(b"")], get=[responds(b"")]) as server:
        found = run(kind, "same loop", server)
        assert [len(ids) for ids in found] == [EACH] * 3
        assert all(task_id == key for ids in found for key, task_id in ids.items())
        assert server.used["child0"]
        assert not server.used["child0"] & (server.used["before"] | server.used["parentlater"])
        assert server.used["before"] & server.used["parentlater"]


@pytest.mark.processes
def test_a_child_waits_for_no_lock_or_slot_of_its_parent() -> None:
    """What another thread owned at the fork is free in the child, which lacks that thread."""
    with KeyAsTaskIdServer(post=[responds(b"")], get=[responds(b"")]) as server:
        (ids,) = run("sync", "busy", server)
        assert len(ids) == EACH
        assert all(task_id == key for key, task_id in ids.items())
