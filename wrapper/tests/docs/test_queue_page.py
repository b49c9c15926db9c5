"""docs/queue.md is true: its commands and programs run, its metrics exist, its restore is safe."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.docs.pages import blocks, commands, files, page, run
from tests.postgres import find_programs
from tests.queue import conftest as queues
from tests.uploads import conftest as storage
from tests.uploads.conftest import BUCKET, object_names
from wanflow import Client
from wanflow.mock import MockServer
from wanflow.queue import StopSignal
from wanflow.queue.admin import questionable, retry
from wanflow.queue.engine import Engine, StepKind
from wanflow.queue.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.queue.manual_worker import ManualWorker
    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch

TEXT = page("queue.md")
add_jobs, new_worker, queue, worker = (
    queues.add_jobs,
    queues.new_worker,
    queues.queue,
    queues.worker,
)
s3, s3_url = storage.s3, storage.s3_url
URL = "postgresql://wanflow@db.example.com/wanflow"


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    """A mock that honours idempotency keys."""
    with MockServer(polls=1) as mock:
        yield mock


@pytest.fixture
def account(server: MockServer, api_key: str) -> Account:
    """The test's account on the server."""
    return server.accounts.for_key(api_key)


@pytest.fixture
def place(
    server: MockServer,
    api_key: str,
    s3: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An empty directory, with the mock, the key and a storage in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANFLOW_API_KEY", api_key)
    monkeypatch.setenv("WANFLOW_BASE_URL", server.base_url)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def program(number: int) -> dict[str, Any]:
    """Return the names of a program of the page, with the bucket of the tests."""
    names: dict[str, Any] = {}
    code = blocks(TEXT, "python")[number].replace("s3://my-bucket", f"s3://{BUCKET}")
    exec(compile(code, "queue.md", "exec"), names)
    return names


@pytest.mark.usefixtures("place")
def test_the_five_minutes_enqueue_and_a_worker_saves_each_file_once(
    queue: str,
    s3: object,
    account: Account,
) -> None:
    for name, text in files(TEXT).items():
        Path(name).write_text(text)
    lines = [one for one in commands(TEXT)[:3] if not one.startswith("wanflow worker")]
    init, batch, status = (
        one.replace(URL, queue).replace("s3://my-bucket", f"s3://{BUCKET}") for one in lines
    )
    for line in (init, batch, batch):
        run(line, WANFLOW_QUEUE=queue)
    shown = run(status, WANFLOW_QUEUE=queue)
    assert status.split("# ")[1] in shown
    names, stop = program(0), StopSignal()
    thread = Thread(target=names["work"], args=[queue, stop])
    thread.start()
    try:
        with Client() as client:
            saved = names["pictures"](client, queue)
        run(batch.replace(" --no-wait", ""), WANFLOW_QUEUE=queue)
    finally:
        stop.set()
        thread.join()
    assert len(saved) == 2
    assert {name for name in object_names(s3) if name.endswith(".png")} >= {
        one.removeprefix(f"s3://{BUCKET}/") for one in saved
    }
    assert {"run1/report.json", "run1/index.html"} <= set(object_names(s3))
    assert account.submitted == 4


def test_two_workers_on_one_machine_run_as_pasted(
    server: MockServer, account: Account, api_key: str, postgres_url: str, tmp_path: Path
) -> None:
    """All but the database and the mock, which the tests have already."""
    (code,) = (code for code in blocks(TEXT, "sh") if "docker run" in code)
    own = re.compile(r"^(pip|docker|until|wanflow mock|export).*\n", re.MULTILINE)
    assert len(own.findall(code)) == 7
    (tmp_path / "jobs.jsonl").write_text(files(TEXT)["jobs.jsonl"])
    done = subprocess.run(
        ["bash", "-e", "-c", re.sub(r"940\d", "0", own.sub("", code))],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "WANFLOW_BASE_URL": server.base_url,
            "WANFLOW_API_KEY": api_key,
            "WANFLOW_QUEUE": postgres_url,
            "XDG_DATA_HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "trial 2 saved" in done.stdout
    assert len(list((tmp_path / "trial").glob("*.png"))) == 2
    assert account.submitted == 2


@pytest.mark.usefixtures("place")
def test_a_callback_of_the_example_brings_the_poll_forward_and_its_batch_can_be_enqueued_again(
    queue: str,
    worker: ManualWorker,
) -> None:
    names, secret = program(1), "a secret of sixteen bytes or more"
    with names["receiving"](secret, queue) as receiver:
        for _ in range(2):
            with Client() as client:
                names["enqueue"](client, receiver, queue)
        worker.turn([StepKind.SUBMIT])
        worker.execute("UPDATE wanflow.queue SET execute_after = now() + interval '1 hour'")
        assert worker.take() == []
        (task,) = worker.column("task")
        token = receiver.url("fox").rpartition("/")[2]
        body = f'{{"id": "{task}", "status": "completed"}}'.encode()
        assert receiver.handle_request(token, "application/json", body) == 202
    assert [work.task for work in worker.take()] == [task]


def test_the_table_of_metrics_has_each_one_and_no_other() -> None:
    served = re.findall(r"^# TYPE (\S+)", Metrics().text(), re.MULTILINE)
    assert sorted(re.findall(r"^\| `(wanflow_worker_\w+)` \|", TEXT, re.MULTILINE)) == sorted(
        served
    )


@pytest.mark.parametrize(
    ("way", "state", "sent"), [(1, "saved", 1), (2, "saved", 1), (3, "discarded", 1)]
)
def test_each_way_out_of_an_uncertain_job_of_a_queue_settles_it(
    queue: str,
    worker: ManualWorker,
    add_jobs: Callable[..., QueuedBatch],
    server: MockServer,
    account: Account,
    way: int,
    state: str,
    sent: int,
) -> None:
    """Those of docs/uncertain-steps.md; a batch that is enqueued again ends with it."""
    steps = blocks(page("uncertain-steps.md").partition("## A job of a queue")[2], "sh")
    add_jobs(1)
    rule = server.faults.add("lost-response", count=1, account=account)
    worker.turn()
    server.faults.remove(rule.id)
    (task,) = [one.id for one in server.gateway.tasks if one.account is account]
    shown = run(steps[0].strip(), WANFLOW_QUEUE=queue)
    number = str(worker.column("id")[0])
    assert shown.startswith(number)
    line = steps[way].partition("#")[0].replace(" 17", f" {number}")
    line = re.sub(r"task-unified-\S+", task, line)
    run(line, WANFLOW_QUEUE=queue)
    worker.drain()
    assert worker.states() == {state: 1}
    assert account.submitted == sent
    assert add_jobs(1).wait().complete


@pytest.mark.parametrize("limit", [None, 1000])
def test_after_the_restore_of_the_page_nothing_is_sent_until_a_user_names_a_job(
    queue: str,
    new_worker: Callable[..., ManualWorker],
    add_jobs: Callable[..., QueuedBatch],
    account: Account,
    tmp_path: Path,
    limit: float | None,
) -> None:
    """The backup knows all jobs as planned; then one of them was sent, and the backup restored."""
    add_jobs(3, max_credits=limit)
    backup = tmp_path / "backup.sql"
    postgres("pg_dump", "--schema=wanflow", f"--file={backup}", queue)
    new_worker().turn([StepKind.SUBMIT], limit=1)
    assert account.submitted == 1
    with psycopg.connect(queue, autocommit=True) as other:
        other.execute("DROP SCHEMA wanflow CASCADE")
    postgres("psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={backup}", queue)
    assert "`wanflow queue restored`" in TEXT
    run("wanflow queue restored", WANFLOW_QUEUE=queue)
    restored = new_worker()
    assert restored.states() == {"uncertain": 3}
    restored.sweep()
    restored.drain()
    assert account.submitted == 1
    jobs = questionable(restored.database)
    assert len({job.key for job in jobs}) == 3
    assert {job.reason for job in jobs} == {"restored from a backup"}
    unsent = [job.id for job in jobs[1:]]
    assert retry(restored.database, Engine(), jobs=unsent, uncertain=True) == 2
    restored.drain()
    assert restored.states() == {"saved": 2, "uncertain": 1}
    assert account.submitted == 3
    assert retry(restored.database, Engine(), jobs=[jobs[0].id], uncertain=True) == 1
    restored.drain()
    assert restored.states() == {"saved": 3}
    assert account.submitted == 3, "the gateway remembers its key"


def postgres(program: str, *arguments: str) -> None:
    """Run a program of PostgreSQL."""
    programs = find_programs()
    assert programs is not None
    subprocess.run([programs / program, *arguments], check=True, stdout=subprocess.DEVNULL)
