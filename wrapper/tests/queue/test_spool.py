"""A database that is lost: an outcome is kept on the disk, and nothing is paid twice."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.any_model import model_name
from tests.queue.manual_worker import ManualWorker, enqueue
from tests.queue_crash.processes import environment
from wanflow._core.effects import TimePoint
from wanflow._core.snapshot import Snapshot
from wanflow.errors import LedgerError
from wanflow.queue.database import DatabaseLost
from wanflow.queue.engine import StepKind
from wanflow.queue.recorder import StepRecorder
from wanflow.queue.spool import Spool
from wanflow.queue.submission_outcome import Accepted, NotAccepted, Uncertain, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.postgres import PostgresServer
    from wanflow.mock import MockServer
    from wanflow.mock.gateway.accounts import Account
    from wanflow.queue.handle import QueuedBatch

MODEL = model_name("image")
NOW = TimePoint(1.8e9, 1.8e9)


class TestALostDatabase:
    def test_keeps_the_task_of_a_submission_and_writes_it_when_it_is_back(
        self,
        own_queue: tuple[PostgresServer, str],
        server: MockServer,
        api_key: str,
        account: Account,
        tmp_path: Path,
    ) -> None:
        postgres, url = own_queue
        enqueue(url, server, api_key, [{"model": MODEL, "prompt": "a cat"}], tmp_path / "out")
        worker = ManualWorker(url, server, api_key, tmp_path)
        (work,) = worker.take([StepKind.SUBMIT])
        write = worker.stalled_submission(work)
        postgres.stop("immediate")
        assert isinstance(write().error, DatabaseLost)
        recorder = worker.recorder(work)
        recorder.record_accepted_later(work.key, Snapshot("task-unified-1-abc", "pending"))
        with pytest.raises(DatabaseLost):
            worker.spool.replay(worker.writes, NOW)
        worker.close()
        postgres.start()
        # The next process that has the folder.
        other = ManualWorker(url, server, api_key, tmp_path)
        assert other.spool.replay(other.writes, NOW) == 1
        assert other.states() == {"accepted": 1}
        assert other.column("task") == ["task-unified-1-abc"]
        assert other.rows() >= 1
        assert other.spool.paths() == []
        assert account.submitted == 1
        other.close()

    def test_between_a_submission_and_its_record_spools_the_task_by_itself(
        self,
        own_queue: tuple[PostgresServer, str],
        server: MockServer,
        api_key: str,
        account: Account,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        postgres, url = own_queue
        enqueue(url, server, api_key, [{"model": MODEL, "prompt": "a cat"}], tmp_path / "out")
        worker = ManualWorker(url, server, api_key, tmp_path)
        works = worker.take()
        record = StepRecorder.record_accepted

        def stop_and_record(*arguments: Any, **more: Any) -> None:
            if (postgres.data / "postmaster.pid").exists():
                postgres.stop("immediate")
            record(*arguments, **more)

        monkeypatch.setattr(StepRecorder, "record_accepted", stop_and_record)
        worker.run(works)
        assert len(worker.spool.paths()) == worker.metrics.value("outcomes_spooled") == 1
        monkeypatch.undo()
        postgres.start()
        worker.database.close()
        assert worker.states() == {"intent": 1}
        assert worker.spool.replay(worker.writes, NOW) == 1
        assert worker.states() == {"accepted": 1}
        worker.drain()
        assert worker.states() == {"saved": 1}
        assert account.submitted == 1
        worker.close()

    def test_before_an_intent_sends_nothing(
        self,
        own_queue: tuple[PostgresServer, str],
        server: MockServer,
        api_key: str,
        account: Account,
        tmp_path: Path,
    ) -> None:
        postgres, url = own_queue
        enqueue(url, server, api_key, [{"model": MODEL, "prompt": "a cat"}], tmp_path / "out")
        worker = ManualWorker(url, server, api_key, tmp_path)
        works = worker.take()
        postgres.stop("immediate")
        worker.run(works)
        assert account.submitted == 0
        postgres.start()
        worker.database.close()
        worker.die()
        worker.spool.replay(worker.writes, NOW)
        worker.drain()
        assert worker.states() == {"saved": 1}
        assert account.submitted == 1
        worker.close()


class TestAnOutcome:
    @pytest.mark.parametrize(
        "outcome",
        [
            Accepted(1, "k", Snapshot("task-unified-1-a", "pending", usage={"x": 1}), reason="r"),
            NotAccepted(1, "k", 7, "busy", 2.0),
            NotAccepted(1, "k", 7, "no credits", halted="no credits"),
            Uncertain(1, "k", 7, "lost"),
        ],
        ids=lambda one: type(one).__name__,
    )
    def test_is_read_as_it_was_written(self, outcome: Accepted | NotAccepted | Uncertain) -> None:
        assert from_json(json.loads(json.dumps(to_json(outcome)))) == outcome

    def test_of_a_long_response_is_read_again(
        self, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker
    ) -> None:
        """Its task is paid for, however much the server says of it."""
        add_jobs(1)
        (work,) = worker.take()
        worker.intend(work)
        long = Snapshot("task-unified-1-a", "pending", usage={"text": "\x7f\u2028" * 2**19})
        worker.spool.store(Accepted(work.id, work.key, long))
        assert worker.spool.replay(worker.writes, NOW) == 1
        assert worker.column("task") == ["task-unified-1-a"]

    def test_that_is_applied_twice_changes_nothing(
        self, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker
    ) -> None:
        add_jobs(1)
        (work,) = worker.take()
        worker.intend(work)
        outcome = Accepted(work.id, work.key, Snapshot("task-unified-1-a", "pending"))
        for _ in range(3):
            worker.spool.store(outcome)
        assert worker.spool.replay(worker.writes, NOW) == 3
        assert worker.column("task") == ["task-unified-1-a"]

    def test_of_another_database_is_kept(
        self, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker
    ) -> None:
        add_jobs(1)
        worker.spool.store(NotAccepted(1, "a key of another database", 7, "busy"))
        before = worker.execute("SELECT * FROM wanflow.job")
        assert worker.spool.replay(worker.writes, NOW) == 0
        assert len(worker.spool.paths()) == 1
        assert worker.execute("SELECT * FROM wanflow.job") == before

    def test_of_an_earlier_intent_does_not_take_back_a_later_one(
        self,
        add_jobs: Callable[..., QueuedBatch],
        new_worker: Callable[..., ManualWorker],
    ) -> None:
        """Its commit was never known: another worker may have won the same step since."""
        add_jobs(1)
        late, other = new_worker(), new_worker()
        (work,) = late.take()
        lost = late.recorder(work)
        other.intend(work)
        late.spool.store(NotAccepted(work.id, work.key, lost.token, "not sent", 0.0))
        late.spool.replay(late.writes, NOW)
        assert other.states() == {"intent": 1}

    def test_with_a_second_task_of_a_job_is_a_job_of_its_own(
        self, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker
    ) -> None:
        add_jobs(1)
        (work,) = worker.take()
        worker.intend(work)
        for task in ("task-unified-1-a", "task-unified-1-b"):
            worker.spool.store(Accepted(work.id, work.key, Snapshot(task, "pending")))
        assert worker.spool.replay(worker.writes, NOW) == 2
        assert sorted(worker.column("task")) == ["task-unified-1-a", "task-unified-1-b"]
        assert worker.states() == {"accepted": 2}
        assert worker.sweep() == 0


class TestALostIntent:
    """A failover to a standby that lacks the last commits: what was sent is planned again."""

    @pytest.fixture
    def sent(self, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker) -> StepRecorder:
        """A submission in flight, whose intent the database has lost."""
        add_jobs(1)
        (work,) = worker.take()
        before = "SELECT state, step, token FROM wanflow.job"
        values = worker.execute(before)[0]
        recorder = worker.intend(work)
        worker.execute("UPDATE wanflow.job SET state = %s, step = %s, token = %s", *values)
        return recorder

    def test_with_a_task_is_not_sent_again(
        self, sent: StepRecorder, worker: ManualWorker, account: Account
    ) -> None:
        worker.spool.store(
            Accepted(sent.work.id, sent.work.key, Snapshot("task-unified-1-a", "pending"))
        )
        worker.spool.replay(worker.writes, NOW)
        assert worker.states() == {"accepted": 1}
        worker.turn([StepKind.SUBMIT])
        assert account.submitted == 0

    def test_that_is_uncertain_is_not_sent_again(
        self, sent: StepRecorder, worker: ManualWorker, account: Account
    ) -> None:
        worker.spool.store(Uncertain(sent.work.id, sent.work.key, sent.token, "lost"))
        worker.spool.replay(worker.writes, NOW)
        assert worker.states() == {"uncertain": 1}
        worker.turn([StepKind.SUBMIT])
        assert account.submitted == 0

    def test_is_not_taken_for_one_that_the_database_knows(
        self, add_jobs: Callable[..., QueuedBatch], worker: ManualWorker
    ) -> None:
        """It was taken back since: the job waits to be sent again."""
        add_jobs(1)
        (work,) = worker.take()
        token = worker.intend(work).token
        worker.spool.store(NotAccepted(work.id, work.key, token, "busy", 0.0))
        worker.spool.replay(worker.writes, NOW)
        worker.spool.store(Uncertain(work.id, work.key, token, "lost"))
        worker.spool.replay(worker.writes, NOW)
        assert worker.states() == {"planned": 1}


class TestTheFolder:
    def test_that_cannot_be_written_is_an_error_at_the_start(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(LedgerError, match=r"the spool folder .* can't be written"):
            Spool(tmp_path / "file" / "spool")

    def test_that_cannot_be_written_any_more_keeps_outcomes_in_memory(
        self,
        add_jobs: Callable[..., QueuedBatch],
        worker: ManualWorker,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        add_jobs(1)
        (work,) = worker.take()
        recorder, folder = worker.intend(work), worker.spool.folder
        shutil.rmtree(folder)
        folder.touch()
        recorder.record_accepted_later(work.key, Snapshot("task-unified-1-a", "pending"))
        assert "task task-unified-1-a of job" in caplog.text
        assert worker.spool.count() == 1
        assert worker.spool.replay(worker.writes, NOW) == 1
        assert worker.column("task") == ["task-unified-1-a"]
        assert worker.spool.count() == 0

    def test_that_can_be_written_again_gets_the_outcomes_in_memory(self, tmp_path: Path) -> None:
        spool = Spool(tmp_path / "spool")
        spool.folder.rmdir()
        spool.folder.touch()
        spool.store(NotAccepted(1, "k", 7, "busy"))
        spool.store(Uncertain(2, "k", 7, "lost"))
        assert spool.count() == 2
        spool.folder.unlink()
        assert spool.count() == 2
        assert len(Spool(spool.folder).paths()) == 2
        assert spool.count() == 2

    @pytest.mark.processes
    def test_that_is_full_is_an_error_at_the_start(self, tmp_path: Path) -> None:
        """No file may get longer in that process."""
        program = f"""
import resource
from pathlib import Path
from wanflow.errors import LedgerError
from wanflow.queue.spool import Spool
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
try:
    Spool(Path({str(tmp_path)!r}))
except LedgerError as error:
    print(error)
"""
        command = [sys.executable, "-c", program]
        ended = subprocess.run(command, env=environment(), check=True, stdout=subprocess.PIPE)
        assert b"can't be written" in ended.stdout
        assert list(tmp_path.iterdir()) == []

    def test_from_which_nothing_can_be_removed_has_every_outcome_applied_once(
        self,
        add_jobs: Callable[..., QueuedBatch],
        worker: ManualWorker,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """A disk with errors is mounted again so that it can only be read."""
        add_jobs(2)
        for number, work in enumerate(worker.take()):
            worker.intend(work)
            task = Snapshot(f"task-unified-1-{number}", "pending")
            worker.spool.store(Accepted(work.id, work.key, task))

        def refuse(*_: Any, **__: Any) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(Path, "unlink", refuse)
        assert worker.spool.replay(worker.writes, NOW) == 2
        assert worker.states() == {"accepted": 2}
        assert (worker.spool.count(), worker.spool.replay(worker.writes, NOW)) == (0, 0)
        assert caplog.text.count("can't be removed") == 2
        monkeypatch.undo()
        assert Spool(worker.spool.folder).count() == 2

    def test_that_cannot_be_read_any_more_has_what_is_in_memory_applied(
        self,
        add_jobs: Callable[..., QueuedBatch],
        worker: ManualWorker,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        add_jobs(1)
        (work,) = worker.take()
        worker.intend(work)

        def refuse(*_: Any, **__: Any) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        for name in ("open", "listdir", "scandir"):
            monkeypatch.setattr(os, name, refuse)
        worker.spool.store(Accepted(work.id, work.key, Snapshot("task-unified-1-a", "pending")))
        assert worker.spool.count() == 1
        assert worker.spool.replay(worker.writes, NOW) == 1
        assert worker.spool.count() == 0
        monkeypatch.undo()
        assert worker.column("task") == ["task-unified-1-a"]
        assert caplog.text.count("can't be read") == 1

    def test_that_was_deleted_is_made_again(self, tmp_path: Path) -> None:
        spool = Spool(tmp_path / "spool")
        spool.folder.rmdir()
        spool.store(Uncertain(2, "k", 7, "lost"))
        assert len(Spool(spool.folder).paths()) == 1

    def test_has_an_outcome_on_the_disk_once_it_is_stored(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """First the file, and at last its name in the folder."""
        real, folders = os.fsync, list[bool]()

        def fsync(number: int) -> None:
            folders.append(stat.S_ISDIR(os.fstat(number).st_mode))
            real(number)

        monkeypatch.setattr(os, "fsync", fsync)
        Spool(tmp_path / "spool").store(NotAccepted(1, "k", 7, "busy"))
        assert (folders[0], folders[-1]) == (False, True)

    def test_is_readable_only_to_its_owner(self, tmp_path: Path) -> None:
        spool = Spool(tmp_path / "spool")
        spool.store(NotAccepted(1, "k", 7, "busy"))
        assert spool.folder.stat().st_mode & 0o077 == 0
