"""`wanflow worker` as a process: its signals, its port, and what its output shows."""

from __future__ import annotations

import signal
import socket
from contextlib import closing
from functools import partial
from threading import Event
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.queue.test_steps import SUBMIT
from tests.queue.test_worker import wait_until
from tests.queue_crash.processes import commands
from tests.sockets import reserved_port

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.ledger.cutting_proxy import CuttingProxy
    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch

    Fault = Callable[..., AbstractContextManager[None]]
    Start = Callable[..., subprocess.Popen[str]]

PROMPT, PASSWORD = "words-of-a-prompt", "password-of-the-database"
OPEN = """
    SELECT 1 FROM wanflow.job WHERE parked IS NULL
        AND state IN ('planned', 'intent', 'accepted', 'completed')
"""
pytestmark = pytest.mark.slow  # processes are started


@pytest.fixture
def start(queue: str, server: MockServer, api_key: str, tmp_path: Path) -> Iterator[Start]:
    """Start workers, and kill those that are left."""
    variables = {
        "WANFLOW_API_KEY": api_key,
        "WANFLOW_BASE_URL": server.base_url,
        "WANFLOW_QUEUE": f"{queue}&password={PASSWORD}",
    }
    with commands(tmp_path, **variables) as begin:
        yield partial(begin, "-m", "wanflow", "worker", "--spool", "spool")


@pytest.fixture
def port() -> Iterator[int]:
    """A port for metrics, which no other process gets."""
    with reserved_port() as number:
        yield number


def test_a_second_sigterm_does_not_wait_and_pays_nothing_twice(
    start: Start,
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    account: Account,
    fault: Fault,
) -> None:
    """The first one waits for a request that gets no response."""
    add_jobs(1)
    with fault("stall", operation=SUBMIT):
        process = start()
        wait_until(lambda: worker.states() == {"intent": 1})
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
            Event().wait(0.3)
    assert process.returncode == 128 + signal.SIGTERM
    assert worker.states() == {"intent": 1}
    worker.execute("UPDATE wanflow.job SET sending_until = 0")
    worker.die()
    worker.drain()
    assert worker.states() == {"uncertain": 1}
    assert account.submitted <= 1


def test_a_sigterm_while_the_database_is_silent_ends_it_and_no_response_is_lost(
    start: Start,
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    account: Account,
    fault: Fault,
    proxy: CuttingProxy,
    proxied_queue: str,
    port: int,
    tmp_path: Path,
) -> None:
    """No connection breaks, so only the time shows that the database is lost."""
    add_jobs(4)
    with fault("latency=8", operation=SUBMIT):
        process = start("--queue", proxied_queue, "--lease", "3", "--metrics-port", str(port))
        wait_until(lambda: worker.states() == {"intent": 4})
        proxy.passing.clear()
        wait_until(lambda: _get(port, "/healthz").startswith("no database"))
        process.terminate()
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    assert "Traceback" not in out
    assert len(list((tmp_path / "spool").glob("*.outcome.json"))) == 4
    assert worker.states() == {"intent": 4}
    proxy.passing.set()
    other = start("--lease", "3")
    wait_until(lambda: worker.states() == {"saved": 4})
    other.terminate()
    other.communicate()
    assert account.submitted == 4


def test_with_a_slow_database_holds_its_leases_and_drains(
    start: Start,
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    account: Account,
    fault: Fault,
    proxy: CuttingProxy,
    proxied_queue: str,
) -> None:
    """Each of its statements lasts a second: a live worker isn't taken for dead."""
    add_jobs(4)
    proxy.delay = 1.0
    with fault("latency=20", operation=SUBMIT):
        process = start("--queue", proxied_queue, "--lease", "6")
        wait_until(lambda: worker.states() == {"intent": 4})
        seen = set[int]()
        while worker.states() == {"intent": 4}:
            seen |= {count for (count,) in worker.execute("SELECT attempts FROM wanflow.queue")}
            Event().wait(0.2)
    wait_until(lambda: bool(worker.states().get("saved")))
    process.terminate()
    assert process.wait(120) == 0
    assert seen == {0}
    assert worker.execute("SELECT 1 FROM wanflow.queue WHERE status = 'picked'") == []
    assert set(worker.states()) <= {"saved", "completed", "accepted"}
    assert account.submitted == 4


def test_a_port_in_use_ends_it_in_one_sentence_before_it_takes_a_step(
    start: Start, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker
) -> None:
    add_jobs(1)
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        process = start("--metrics-port", str(port))
        out, _ = process.communicate()
    assert process.returncode == 3
    assert f"metrics can't be served at 127.0.0.1:{port}" in out
    assert "Traceback" not in out
    assert worker.states() == {"planned": 1}
    assert worker.execute("SELECT 1 FROM wanflow.queue WHERE status = 'picked'") == []


def test_neither_the_key_nor_a_prompt_nor_a_password_is_in_what_it_shows(
    start: Start,
    add_jobs: Callable[..., QueuedBatch],
    worker: ManualWorker,
    server: MockServer,
    account: Account,
    api_key: str,
    port: int,
) -> None:
    """In its log, its metrics and its health, whatever goes wrong."""
    add_jobs(12, PROMPT)
    worker.execute(
        "UPDATE wanflow.job SET body = body || '{' WHERE id = %s", worker.column("id")[0]
    )
    texts = ("status=500", "reset", "garbled", "truncated", "status=400")
    # A download itself waits the minute that a 429 asks for.
    rejections = {SUBMIT: "status=429", "getTaskDetail": "status=429", "files": "status=502"}
    rules = [
        server.faults.add(text, operation=operation, account=account, count=1)
        for operation, rejection in rejections.items()
        for text in (rejection, *texts)
    ]
    process = start("--metrics-port", str(port), "--lease", "1")
    while worker.execute(OPEN):
        # What failed is tried again after minutes, and a 429 stops all calls for one.
        worker.make_due()
        worker.execute("UPDATE wanflow.rate SET paused_until = 0")
        Event().wait(0.1)
    worker.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND datname = current_database()"
    )
    shown = [_get(port, path) for path in ("/metrics", "/healthz", f"/{api_key}")]
    process.terminate()
    out, _ = process.communicate()
    for rule in rules:
        server.faults.remove(rule.id)
    assert process.returncode == 0
    assert "wanflow_worker_polls_total" in shown[0]
    assert "failed" in out
    for text in (out, *shown):
        for secret in (api_key, PROMPT, PASSWORD):
            assert secret not in text, text


def _get(port: int, path: str) -> str:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}") as response:
            return str(response.read().decode()) + str(response.headers)
    except HTTPError as error:
        return error.read().decode() + str(error.headers)
