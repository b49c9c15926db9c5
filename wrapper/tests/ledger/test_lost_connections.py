"""A ledger in PostgreSQL loses and repeats nothing if its connection is lost at any message.

Whether a commit succeeded is known afterwards: the server says what became of the transaction.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.ledger.cutting_proxy import COMMIT, CuttingProxy
from tests.ledger.together import run_together
from tests.ledgers import execute
from wanflow._core.recorder import File, SubmissionIntent
from wanflow._core.snapshot import Snapshot
from wanflow.errors import JobLocked, LedgerError, SubmitUncertain
from wanflow.ledger import JobState, Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.ledger.cutting_proxy import Cut
    from tests.postgres import PostgresServer

SERVER = "http://api.example/v1"
OWNS = """
import sys
from wanflow._core.recorder import SubmissionIntent
from wanflow.ledger import Ledger
ledger = Ledger(sys.argv[1])
ledger.record_intent(SubmissionIntent(sys.argv[2], "key-of-another-process", "m", {}, b"{}"))
print("ready", flush=True)
sys.stdin.read()
"""


def key(number: int) -> str:
    return f"key-of-a-job-{number:06d}"


def intent(number: int, **more: object) -> SubmissionIntent:
    return SubmissionIntent(SERVER, key(number), "m", {"prompt": "x"}, b"{}", **more)


def accepted(ledger: Ledger, number: int) -> None:
    ledger.record_accepted(key(number), Snapshot(f"task-{number}", "pending"), hold=True)


def record_job(ledger: Ledger, number: int) -> None:
    """Record a job from its intent to its files."""
    assert ledger.record_intent(intent(number, folder=Path("/files"))) is None
    accepted(ledger, number)
    ledger.record_done(SERVER, Snapshot(f"task-{number}", "completed", urls=("http://h/1.png",)))
    ledger.record_files(SERVER, f"task-{number}", [File(0, Path("/files/1.png"), 3, "ab" * 32)])


class Nth:
    """Cuts at one part of what the client sends, of those that contain `only`."""

    def __init__(self, chosen: int, cut: Cut, *, only: bytes = b"") -> None:
        self._left, self._cut, self._only = chosen, cut, only
        self.reached = False

    def __call__(self, data: bytes) -> Cut | None:
        self._left -= self._only in data
        if self._left or self.reached:
            return None
        self.reached = True
        return self._cut


@pytest.fixture
def ledger(postgres_url: str) -> Iterator[Ledger]:
    with Ledger(postgres_url) as opened:
        yield opened


@pytest.fixture
def proxy(postgres_server: PostgresServer, postgres_url: str) -> Iterator[CuttingProxy]:
    made = CuttingProxy(postgres_server.folder / ".s.PGSQL.5432")
    made.url = postgres_url.replace(str(postgres_server.folder), str(made.folder))
    yield made
    made.close()


@pytest.fixture
def near(proxy: CuttingProxy) -> Iterator[Ledger]:
    """A ledger behind the proxy."""
    with Ledger(proxy.url) as ledger:
        yield ledger


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_connection_may_be_lost_at_any_message(
    near: Ledger, proxy: CuttingProxy, cut: Cut
) -> None:
    """The caller notices nothing, and each job is recorded once, as it would be otherwise."""
    jobs = 0
    reached = True
    while reached:
        jobs += 1
        at = Nth(jobs, cut)
        proxy.cut = at
        record_job(near, jobs)
        reached = at.reached
    assert jobs > 10, "a job takes more messages: some were not cut"
    assert [job.state for job in near.jobs()] == [JobState.SAVED] * jobs
    assert {job.task_id for job in near.jobs()} == {f"task-{n}" for n in range(1, jobs + 1)}


@pytest.mark.parametrize("cut", ["before", "after"])
def test_an_intent_whose_commit_was_cut_is_recorded_once(
    near: Ledger, proxy: CuttingProxy, cut: Cut
) -> None:
    """Committed or not, `record_intent` allows one submission, and the job is this process's."""
    proxy.cut = Nth(1, cut, only=COMMIT)
    assert near.record_intent(intent(1)) is None
    [job] = near.jobs()
    assert (job.state, near.is_owned(job)) == (JobState.INTENT, True)
    with pytest.raises(JobLocked):
        near.record_intent(intent(1))


def test_a_commit_whose_end_is_unknown_allows_no_submission(
    near: Ledger, proxy: CuttingProxy, postgres_url: str
) -> None:
    """The error says so; the key is found again, and an accepted task is written later."""
    near._store._database._retry_timeout = 0.1

    def cut(data: bytes) -> Cut | None:
        proxy.refusing = COMMIT in data
        return "after" if proxy.refusing else None

    near.record_intent(intent(2))
    proxy.cut = cut
    with pytest.raises(LedgerError, match="lost during a commit"):
        near.record_intent(intent(1))
    proxy.cut, proxy.refusing = (lambda _: None), False
    with pytest.raises(JobLocked):
        near.record_intent(intent(1))
    proxy.cut = cut
    with pytest.raises(LedgerError, match="lost during a commit"):
        accepted(near, 2)
    near.record_accepted_later(key(2), Snapshot("task-2", "pending"))
    proxy.cut, proxy.refusing = (lambda _: None), False
    near.close()
    with Ledger(postgres_url) as other:
        assert other.find("task-2").key == key(2)
        with pytest.raises(SubmitUncertain):
            other.record_intent(intent(1))


def test_a_server_that_is_gone_is_an_error_in_time(near: Ledger, proxy: CuttingProxy) -> None:
    """Nothing is submitted then; reads and writes work when it is back."""
    near._store._database._retry_timeout = 0.1
    near.record_intent(intent(1))
    proxy.refusing = True
    proxy.cut_all()
    with pytest.raises(LedgerError, match="can't be reached"):
        near.record_intent(intent(2))
    with pytest.raises(LedgerError, match="can't be reached"):
        near.jobs()
    proxy.refusing = False
    near._store._database._retry_timeout = 30
    assert near.record_intent(intent(2)) is None
    assert len(near.jobs()) == 2


def test_a_session_that_the_server_ends_is_replaced(
    ledger: Ledger, postgres_server: PostgresServer, postgres_url: str
) -> None:
    """What this process owns it owns in its new session, too."""
    record_job(ledger, 1)
    ledger.record_intent(intent(2))
    accepted(ledger, 2)
    end_sessions(postgres_server, postgres_url)
    assert len(ledger.jobs()) == 2
    ledger.record_intent(intent(3))
    with Ledger(postgres_url) as other:
        assert other.claim(SERVER).locked == 2
        assert all(other.is_owned(job) for job in other.jobs()[1:])


def end_sessions(server: PostgresServer, url: str) -> None:
    """End all sessions of a database, as an administrator may."""
    database = url.partition("?")[0].rpartition("/")[2]
    server.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    )


def test_a_process_without_a_session_owns_only_what_it_may_be_sending(
    ledger: Ledger, postgres_server: PostgresServer, postgres_url: str
) -> None:
    """Its tasks may be claimed immediately, but a submission in flight only after ten minutes."""
    ledger.record_intent(intent(1))
    accepted(ledger, 1)
    ledger.record_intent(intent(2))
    end_sessions(postgres_server, postgres_url)
    with Ledger(postgres_url) as other:
        claim = other.claim(SERVER)
        assert ([job.key for job in claim.jobs], claim.locked) == ([key(1)], 1)
        with pytest.raises(JobLocked):
            other.record_intent(intent(2, resend=True))
        execute(postgres_url, "UPDATE holder SET lost = lost - interval '5 minutes'")
        assert not other.claim(SERVER).jobs
        execute(postgres_url, "UPDATE holder SET lost = lost - interval '6 minutes'")
        assert [job.key for job in other.claim(SERVER).jobs] == [key(2)]


def test_a_claim_and_a_submission_share_a_transaction(
    ledger: Ledger, postgres_server: PostgresServer, postgres_url: str
) -> None:
    """Neither waits for what the other has locked."""
    ledger.record_intent(intent(1))
    end_sessions(postgres_server, postgres_url)
    with Ledger(postgres_url) as other:
        submit = partial(other.record_intent, intent(1, resend=True))
        claimed, submitted = run_together(other, [partial(other.claim, SERVER), submit])
        assert claimed.value.locked == 1
        assert isinstance(submitted.error, JobLocked)


def test_a_process_that_is_known_to_be_dead_owns_nothing(postgres_url: str) -> None:
    """After a kill on the same machine, its submission is uncertain immediately."""
    words = [sys.executable, "-c", OWNS, postgres_url, SERVER]
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) as process,
        Ledger(postgres_url) as ledger,
    ):
        assert process.stdout.readline() == "ready\n"
        assert ledger.claim(SERVER).locked == 1
        process.kill()
        process.wait()
        while not ledger.claim(SERVER).jobs:  # until the server notices
            pass
        [job] = ledger.jobs()
        assert job.uncertain


@pytest.mark.slow  # a server is started twice
def test_a_server_that_is_killed_while_many_threads_write_loses_nothing(
    own_postgres_server: PostgresServer,
) -> None:
    """What was recorded is recorded after its recovery, and no key was allowed twice."""
    url = own_postgres_server.create_database()
    allowed: list[int] = []
    written: list[int] = []
    enough = threading.Event()

    def record(number: int) -> None:
        if ledger.record_intent(intent(number)) is None:
            allowed.append(number)
            accepted(ledger, number)
            written.append(number)
            if len(written) == 50:
                enough.set()

    with Ledger(url) as ledger:
        ledger._store._database._retry_timeout = 300
        with ThreadPoolExecutor(16) as pool:
            done = [pool.submit(record, number) for number in range(1000)]
            assert enough.wait(120)
            own_postgres_server.stop("immediate")
            own_postgres_server.start()
            for one in done:
                one.result()
        assert sorted(allowed) == sorted(written) == list(range(1000))
        assert {job.task_id for job in ledger.jobs([JobState.ACCEPTED])} == {
            f"task-{number}" for number in range(1000)
        }
        assert len(ledger.jobs()) == 1000
