"""`--state FILE`: tasks and accounts are kept after a restart."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import httpx
import pytest

from tests.plain_http import PLAIN
from tests.waiting import wait_until
from wanflow.catalog.catalog import packaged_catalog
from wanflow.mock import MockServer, VirtualClock
from wanflow.mock.gateway.lifecycle import AfterPolls
from wanflow.mock.gateway.state_file import InvalidStateFile

CATALOG = packaged_catalog()
MODEL = next(model for model in CATALOG.models.values() if model.kind == "image")
KEY = "the-key-of-this-test"
REPEATABLE = {"Idempotency-Key": "0123456789abcdef"}


def client_for(server: MockServer, key: str = KEY) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=server.base_url, headers=headers, **PLAIN)


def submit(http, prompt="a cat", **headers) -> httpx.Response:
    return http.post(MODEL.path, json={**MODEL.example, "prompt": prompt}, headers=headers)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.sqlite"


def test_a_task_continues_after_a_restart(path) -> None:
    """Polls before the restart count; the result URLs have the new port."""
    with MockServer(state=path, polls=3) as server, client_for(server) as http:
        task = submit(http).json()["id"]
        before = http.get(f"/v1/tasks/{task}").json()
    with MockServer(state=path) as server, client_for(server) as http:
        after = [http.get(f"/v1/tasks/{task}").json() for _ in range(2)]
        assert (before["progress"], after[0]["progress"]) == (33, 66)
        assert after[1]["status"] == "completed"
        assert after[1]["created"] == before["created"]
        assert httpx.head(after[1]["results"][0], **PLAIN).status_code == 200


def test_an_account_is_kept(path) -> None:
    """Limits, credits and responses that may be replayed are kept."""
    with MockServer(state=path) as server, client_for(server) as http:
        url = f"{server.url}/_mock/account"
        http.patch(url, json={"credits": 50, "forbidden": ["x"], "rate": "100/60"})
        receipt = submit(http, **REPEATABLE)
        for _ in range(2):
            http.get(f"/v1/tasks/{receipt.json()['id']}")
        before = http.get(url).json()
    with MockServer(state=path) as server, client_for(server) as http:
        assert http.get(f"{server.url}/_mock/account").json() == before
        again = submit(http, **REPEATABLE)
        assert again.headers["idempotency-replayed"] == "true"
        assert again.json() == receipt.json()


def test_the_time_of_a_key_is_kept(path) -> None:
    """A restart doesn't make an idempotency key live longer, nor keeps more than are wanted."""
    again = []
    for seconds in (60, 60, 60):
        clock = VirtualClock()
        with (
            MockServer(state=path, idempotency_seconds=seconds, clock=clock) as server,
            client_for(server) as http,
        ):
            again.append(submit(http, **REPEATABLE).json()["id"])
            clock.advance(30)
    assert again[0] == again[1] != again[2]
    with MockServer(state=path, idempotency_keys=0) as server, client_for(server) as http:
        assert submit(http, **REPEATABLE).json()["id"] not in again


def test_another_key_does_not_find_a_task(path) -> None:
    """After a restart a task still belongs to its key."""
    with MockServer(state=path) as server, client_for(server) as http:
        task = submit(http).json()["id"]
    with MockServer(state=path) as server, client_for(server, "another") as http:
        assert http.get(f"/v1/tasks/{task}").status_code == 404


def test_a_task_that_was_due_meanwhile_has_ended(path) -> None:
    """It ended at its time, and is charged after the restart."""
    clock = VirtualClock()
    with MockServer(state=path, clock=clock, seconds=60) as server, client_for(server) as http:
        receipt = submit(http).json()
    later = VirtualClock(clock.now() + 100)
    with MockServer(state=path, clock=later) as server, client_for(server) as http:
        account = http.get(f"{server.url}/_mock/account").json()
        assert (account["reserved"], account["spent"]) == (0, receipt["usage"]["credits_reserved"])
        assert http.get(f"/v1/tasks/{receipt['id']}").json()["status"] == "completed"


def test_a_file_of_the_first_version_is_read(path) -> None:
    """Records with the names of version 1 become tasks with the same state."""
    prompt = "a cat [mock:status-fault=regress] [mock:progression=polls=3]"
    with MockServer(state=path) as server, client_for(server) as http:
        task = submit(http, prompt).json()["id"]
        before = [http.get(f"/v1/tasks/{task}").json() for _ in range(2)]
    names = {
        "polls": "looks",
        "progression": "pace",
        "output": "order",
        "status_faults": "query",
        "download_faults": "file",
    }
    with sqlite3.connect(path) as db:
        (record,) = db.execute("SELECT record FROM tasks").fetchone()
        old = {names.get(name, name): value for name, value in json.loads(record).items()}
        old |= {"pace": "looks=3", "query": "backwards,latency=0", "file": "lost-answer"}
        db.execute("UPDATE tasks SET record = ?", (json.dumps(old),))
        db.execute("PRAGMA user_version = 1")
    db.close()
    with MockServer(state=path) as server, client_for(server) as http:
        (found,) = server.gateway.tasks
        assert (found.polls, found.progression) == (2, AfterPolls(3))
        assert str(found.status_faults) == "regress,latency=0"
        assert str(found.download_faults) == "lost-response"
        assert http.get(f"/v1/tasks/{task}").json()["status"] == "processing"
    assert {one["status"] for one in before} == {"pending"}
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)
    db.close()


def test_the_clock_does_not_go_back(path) -> None:
    """After a restart the clock is not behind its tasks."""
    with MockServer(state=path, clock=VirtualClock(1000.0)) as server, client_for(server) as http:
        server.clock.advance(500)
        submit(http)
    with MockServer(state=path, clock=VirtualClock(1000.0)) as server:
        assert server.clock.now() == 1500


def test_no_key_is_in_the_file(path) -> None:
    """Only a digest of a key is stored."""
    with MockServer(state=path) as server, client_for(server) as http:
        submit(http)
    content = path.read_bytes()
    assert MODEL.name.encode() in content
    assert KEY.encode() not in content


def test_the_file_is_bounded(path) -> None:
    """It has as many tasks as the mock keeps."""
    with MockServer(state=path) as server, client_for(server) as http:
        server.gateway.tasks.max_tasks = 3
        ids = [submit(http).json()["id"] for _ in range(6)]
    with MockServer(state=path) as server, client_for(server) as http:
        found = [http.get(f"/v1/tasks/{task}").status_code for task in ids]
    assert found.count(200) == 3


def test_expired_entries_are_removed_from_the_file(path) -> None:
    """Tasks expire after a week, unused accounts after four weeks."""
    with MockServer(state=path, clock=VirtualClock()) as server:
        with client_for(server, "unused") as http:
            submit(http)
        for _ in range(5):
            server.clock.advance(7 * 24 * 3600 + 1)
            with client_for(server, "used") as http:
                submit(http)
        server.accounts.for_key("another")
    with sqlite3.connect(path) as db:
        kept = {
            name: db.execute(f"SELECT * FROM {name}").fetchall() for name in ("tasks", "accounts")
        }
    db.close()
    assert {name: len(rows) for name, rows in kept.items()} == {"tasks": 1, "accounts": 2}
    with MockServer(state=path, clock=VirtualClock()) as server:
        assert len(server.gateway.tasks) == 1


def test_a_failed_write_is_repeated(path, monkeypatch) -> None:
    """A temporary write error loses nothing."""
    with MockServer(state=path) as server, client_for(server) as http:
        state = server.app.state
        assert state is not None
        with monkeypatch.context() as patch:
            patch.setattr(state, "path", path / "nowhere")
            task = submit(http).json()["id"]
            wait_until(lambda: http.get("/nothing") and state.problem)
            assert "unable to open" in state.problem
    with MockServer(state=path) as server, client_for(server) as http:
        assert http.get(f"/v1/tasks/{task}").status_code == 200


@pytest.mark.processes
def test_a_killed_server_has_written_recent_tasks(path) -> None:
    """After SIGKILL almost nothing is lost."""
    command = [sys.executable, "-u", "-m", "wanflow", "mock", "--port", "0", "--state", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ})
    assert process.stdout is not None
    base_url = process.stdout.readline().split()[-1]
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=base_url, headers=headers, **PLAIN) as http:
        task = submit(http).json()["id"]

        def is_written() -> bool:
            http.get("/nothing")
            with closing(sqlite3.connect(path)) as db:
                return bool(db.execute("SELECT count(*) FROM tasks").fetchone()[0])

        wait_until(is_written)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with MockServer(state=path) as server, client_for(server) as http:
        assert http.get(f"/v1/tasks/{task}").status_code == 200


class TestInvalidFiles:
    """Files that can't be used."""

    def test_another_kind_of_file_is_rejected(self, path) -> None:
        """A file that isn't SQLite is an error, and not changed."""
        path.write_text("hello, this is no database at all, however long it may be")
        with pytest.raises(InvalidStateFile, match="can't be used"):
            MockServer(state=path)
        assert path.read_text().startswith("hello")

    def test_another_version_is_rejected(self, path) -> None:
        """A file of a later version is not changed."""
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
        with pytest.raises(InvalidStateFile, match="version 99"):
            MockServer(state=path)

    def test_a_missing_directory_is_an_error(self, tmp_path) -> None:
        """A file that can't be made is an error at the start."""
        with pytest.raises(InvalidStateFile, match="can't be used"):
            MockServer(state=tmp_path / "nowhere" / "state.sqlite")
