"""Laws of forked processes: each gets the responses to its own requests, and no other's."""

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

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can't fork")

SCRIPT = Path(__file__).with_name("forking.py")


class Named(MisbehavingServer):
    """Answers each submission with an id made of its own key."""

    def __init__(self, **acts: Any) -> None:
        super().__init__(**acts)
        self.used = defaultdict[str, set[str]](set)
        """The connections that each process used, by the beginning of its keys."""

    def _next(self, whole: bytes) -> Any:
        super()._next(whole)
        if whole.startswith(b"GET"):
            return lambda _: not self.done.wait(60)
        key = self._key(whole)
        # Each connection is served in a thread of its own.
        self.used[key.partition("-")[0]].add(threading.current_thread().name)
        return responds(http(200, json.dumps({"id": key, "status": "pending"}).encode()))

    @staticmethod
    def _key(whole: bytes) -> str:
        for line in whole.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"idempotency-key":
                return value.strip().decode()
        raise AssertionError


def run(kind: str, scene: str, url: str) -> list[dict[str, str]]:
    """Run the program → what each of its processes got."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", str(SCRIPT), kind, scene, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("kind", ["sync", "asyncio", "aiohttp", "trio"])
def test_each_process_gets_its_own_responses(kind: str) -> None:
    """A client used before the fork goes on in the parent and in all children, at the same time."""
    with Named(post=[responds(b"")], get=[responds(b"")]) as server:
        found = run(kind, "kept", server.url)
        assert len(found) == CHILDREN + 2 + (kind != "sync")
        for ids in found:
            assert len(ids) == EACH
            assert all(task_id == key for key, task_id in ids.items())
        assert server.count("POST") == EACH * (len(found) + 1)


@pytest.mark.parametrize("kind", ["asyncio", "aiohttp"])
def test_a_child_connects_anew_in_the_same_event_loop(kind: str) -> None:
    """It drops what it inherited without ending it: the parent goes on with what it has."""
    with Named(post=[responds(b"")], get=[responds(b"")]) as server:
        found = run(kind, "same loop", server.url)
        assert [len(ids) for ids in found] == [EACH] * 3
        assert all(task_id == key for ids in found for key, task_id in ids.items())
        assert server.used["child0"]
        assert not server.used["child0"] & (server.used["before"] | server.used["parentlater"])
        assert server.used["before"] & server.used["parentlater"]


def test_a_child_waits_for_no_lock_or_slot_of_its_parent() -> None:
    """What another thread held at the fork is free in the child: that thread isn't there."""
    with Named(post=[responds(b"")], get=[responds(b"")]) as server:
        (ids,) = run("sync", "busy", server.url)
        assert len(ids) == EACH
        assert all(task_id == key for key, task_id in ids.items())
