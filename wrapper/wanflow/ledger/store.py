"""Jobs in a database, shared by the threads of this process and by other processes."""

from __future__ import annotations

import logging
import os
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from weakref import finalize

from attrs import frozen

from wanflow._core.effects import Outcome
from wanflow.errors import LedgerError
from wanflow.ledger import rows
from wanflow.ledger.budget import read_budget
from wanflow.ledger.job import JobState
from wanflow.ledger.refs import ClaimedJobs, IdRef, JobFilter, KeyRef, TaskRef
from wanflow.ledger.write_buffer import Update, WriteBuffer
from wanflow.ledger.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from wanflow._core.effects import Deliver
    from wanflow._core.prices import PriceRecord
    from wanflow._core.recorder import Budget, File
    from wanflow.ledger.budget import BudgetState
    from wanflow.ledger.connection import Check, Connection, Database
    from wanflow.ledger.job import Job
    from wanflow.ledger.refs import Changes, JobRef
    from wanflow.ledger.write_buffer import Updates


T = TypeVar("T")

_log = logging.getLogger("wanflow")
_ADD_STRING = "INSERT INTO place (text) VALUES (?) ON CONFLICT DO NOTHING"


class JobStore:
    """Stores jobs in a database: writes share transactions in the thread of the writer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._process = os.getpid()
        self._closed = False
        self._buffer = WriteBuffer()
        self._writer = Writer(database, partial(_write_buffered, self._buffer))
        # A ledger that nobody closes ends its thread when it is deleted, or with the program.
        self._stop = finalize(self, self._writer.stop)
        self._interned: set[str] = set()

    def submit(self, function: Callable[[], T], deliver: Deliver) -> None:
        """Call a function that uses this store, in a durable transaction shared with others.

        `deliver` gets its outcome, in another thread. The function may be called again.
        """

        def pass_on(outcome: Outcome) -> Callable[[], object] | None:
            if outcome.error is not None:
                outcome = Outcome(error=self._database.translate(outcome.error))
            return deliver(outcome)

        with self._guarded():
            self._writer.submit(function, pass_on)

    def transact(self, function: Callable[[], T], lock: str) -> T:
        """Call a function that uses this store, in a durable transaction; it may be called again.

        Until the commit, no other process calls one with this lock.
        """

        def call(_: Connection) -> T:
            self._database.lock(lock)
            return function()

        with self._guarded():
            return self._writer.write(call, durable=True, essential=False)

    def add(self, job: Changes, check: Check | None = None) -> Job | None:
        """Add a job, durably; return the existing one if its key or name is taken.

        What `check` raises undoes the addition.
        """
        with self._guarded():
            self._database.prepare()

            def write(connection: Connection) -> bool:
                self._database.check()
                self._intern_strings(connection, job)
                values = {**job, "owned": self._register_owner()}
                return rows.insert(connection, values) and self._passed(check, connection)

            if self._writer.write(write, durable=True, essential=False):
                return None
        found = self.find(KeyRef(job["key"]))
        if found is None and job.get("name") is not None:
            attempts = self.find_named([job["name"]])
            found = next((one for one in attempts if one.attempt == job["attempt"]), None)
        if found is None:
            raise LedgerError(f"ledger {self._name}: the job can't be recorded", path=self._name)
        return found

    def adopt(self, task: TaskRef, now: float) -> None:
        """Own the job of a task; add one if the task was submitted by another program."""
        fresh = {"server": task.server, "task_id": task.task_id, "state": JobState.ACCEPTED}

        def write(connection: Connection) -> None:
            owned = {"owned": self._register_owner()}
            self._intern_strings(connection, fresh)
            change = (Update(owned),)
            if not rows.change(connection, task, change) and not rows.insert(
                connection, {**fresh, "recorded_at": now, **owned}
            ):
                # Another process has just added it.
                rows.change(connection, task, change)

        with self._guarded():
            self._writer.write(write)

    def change(
        self,
        which: JobRef,
        changes: Changes,
        *,
        only: frozenset[JobState] | None = None,
        durable: bool = False,
        files: Sequence[File] = (),
    ) -> bool:
        """Change a job that is in one of the states; False if there is none."""

        def write(connection: Connection) -> bool:
            self._intern_strings(connection, changes)
            noted = self._buffer.pop(which)
            if noted:
                self._writer.on_rollback(lambda: self._put_back(which, noted))
            step = Update(self._with_owner(changes), only)
            found = rows.change(connection, which, (*noted, step))
            if found and files:
                rows.replace_files(connection, which, files)
            return found

        with self._guarded():
            return self._writer.write(write, durable=durable)

    def update_later(
        self, which: JobRef, changes: Changes, *, only: frozenset[JobState] | None = None
    ) -> None:
        """Buffer a change, written with the job's next write or half a second later.

        It may release the job, but not own it.
        """
        assert not changes.get("owned"), "a transaction is needed to own a job"
        if "owned" in changes:
            changes = {**changes, "owned": None}
        self._buffer.add(which, Update(changes, only))
        self._writer.flush_later()

    def acquire(
        self,
        job: Job,
        state: JobState,
        *,
        resend: bool = False,
        name: str | None = None,
        check: Check | None = None,
    ) -> bool:
        """Own a job, durably in another state; False if it changed since it was read.

        With `resend`, count that it is sent again; with `name`, rename it. What `check` raises
        undoes the change.
        """
        with self._guarded():
            self._database.prepare()
            sends = job.sends + resend

            def write(connection: Connection) -> bool:
                self._database.check()
                self._flush()
                if self.is_owned(job):
                    return False
                if self._is_queued(job.id):
                    return False
                values = {
                    "state": state,
                    "owned": self._register_owner(),
                    "sends": sends,
                }
                values |= {} if name is None else {"name": name}
                found = rows.read(connection, "WHERE job.id = ?", [job.id])
                if not found or found[0].owner != job.owner or found[0].state != job.state:
                    return False
                changed = rows.change(connection, IdRef(job.id), (Update(values),))
                return changed and self._passed(check, connection)

            return self._writer.write(write, durable=True, essential=False)

    def resend(self, number: int, check: Check | None = None) -> bool:
        """Count, durably, that an uncertain job is sent again; False if it isn't uncertain.

        What `check` raises undoes the change.
        """
        with self._guarded():

            def write(connection: Connection) -> bool:
                self._database.check()
                self._flush()
                if self._is_queued(number):
                    return False
                found = rows.read(connection, "WHERE job.id = ?", [number])
                if not found or not found[0].uncertain:
                    return False
                changes = {"state": JobState.UNCERTAIN, "sends": found[0].sends + 1}
                rows.change(connection, IdRef(number), (Update(changes),))
                return self._passed(check, connection)

            return self._writer.write(write, durable=True, essential=False)

    def claim(self, selection: JobFilter) -> ClaimedJobs:
        """Own the selected jobs that no living process owns."""
        with self._guarded():

            def write(connection: Connection) -> ClaimedJobs:
                self._flush()
                holder = self._register_owner()
                self._database.release_dead()
                found = rows.select(connection, selection)
                free = [job for job in found if job.owner is None]
                unlocked = self._database.lock_jobs([job.id for job in free])
                if unlocked is not None:
                    read = rows.select(connection, selection)
                    free = [job for job in read if job.id in unlocked and job.owner is None]
                rows.set_owner(connection, [job.id for job in free], holder)
                return ClaimedJobs(tuple(free), len(found) - len(free))

            return self._writer.write(write)

    def _is_queued(self, number: int) -> bool:
        """Lock a job; return whether it is in a queue, whose workers alone submit it."""
        unlocked = self._database.lock_jobs([number])
        return unlocked is not None and number not in unlocked

    def find(self, which: JobRef) -> Job | None:
        """Return one job."""
        where, named = rows.ref_condition(which)
        found = self._read(lambda connection: rows.read(connection, f"WHERE {where}", named))
        return found[0] if found else None

    def find_named(self, names: Sequence[str]) -> list[Job]:
        """Return all attempts of named jobs, ordered by attempt."""
        return self._read(lambda connection: rows.read_named(connection, names))

    def output_dirs(self) -> list[Path]:
        """Return the output directories of named jobs."""
        return self._read(rows.read_output_dirs)

    def prices(self, server: str, model: str) -> list[PriceRecord]:
        """Return what the jobs of a model cost on a server."""
        return self._read(lambda connection: rows.read_prices(connection, server, model))

    def budget(self, server: str, budget: Budget) -> BudgetState:
        """Return what the submissions of a budget cost, or may have cost."""
        return self._read(lambda connection: read_budget(connection, server, budget))

    def jobs(self, selection: JobFilter) -> list[Job]:
        """Return the selected jobs."""
        return self._read(lambda connection: rows.select(connection, selection))

    def is_owned(self, job: Job) -> bool:
        """Return whether a living process, this one or another, owns a job."""
        if job.owner is None:
            return False
        is_alive = partial(self._database.is_alive, token=job.owner.token, uncertain=job.uncertain)
        return self._read(is_alive)

    def is_queued(self, job: Job) -> bool:
        """Return whether a job is in a queue."""
        with self._guarded():
            return self._writer.write(lambda _: self._is_queued(job.id))

    def delete(self, jobs: Iterable[Job]) -> int:
        """Delete jobs whose state is unchanged since they were read, and return how many."""
        chosen = [(job.id, str(job.state)) for job in jobs]

        def write(connection: Connection) -> int:
            self._flush()
            query = "DELETE FROM job WHERE id = ? AND state = ?"
            return sum(connection.execute(query, one).rowcount for one in chosen)

        with self._guarded():
            return self._writer.write(write)

    def close(self) -> None:
        """Write buffered changes, release all jobs, and close; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            if os.getpid() == self._process:
                self._release_all()
        finally:
            self._database.close()

    def _release_all(self) -> None:
        def write(_: Connection) -> None:
            self._flush()
            if self._database.owner_id is not None:
                # Another thread's task that comes now is recorded without an owner.
                self._writer.on_rollback(self._database.unregister_owner())

        try:
            with _Translated(self._database):
                self._writer.write(write)
        finally:
            self._stop()

    def _register_owner(self) -> int:
        """Return the owner id of this process, registering it first."""
        if self._database.owner_id is not None:
            return self._database.owner_id
        self._writer.on_rollback(self._database.forget_owner)
        return self._database.register_owner()

    def _intern_strings(self, connection: Connection, changes: Changes) -> None:
        """Store the strings that many jobs share, before the first job that uses them."""
        # Also where they were stored before: the database may have been restored to an older state.
        self._writer.on_rollback(self._interned.clear)
        for name in ("server", "output_dir", "price_class"):
            text = rows.path_to_text(changes[name]) if changes.get(name) is not None else None
            if text is not None and text not in self._interned:
                connection.execute(_ADD_STRING, [text])
                self._interned.add(text)

    def _flush(self) -> None:
        """Write the buffered changes."""
        if self._buffer or self._writer.busy:
            self._writer.write(lambda _: _write_buffered(self._buffer, self._writer))

    def _with_owner(self, changes: Changes) -> Changes:
        if "owned" not in changes:
            return changes
        owned = changes["owned"] and not self._closed
        return {**changes, "owned": self._register_owner() if owned else None}

    def _read(self, read: Callable[[Connection], T]) -> T:
        """Call a function that only reads; it sees all writes, buffered ones included."""
        with self._guarded():
            self._flush()
            if self._writer.in_transaction:
                return self._writer.write(read)
            return self._database.read(read)

    def _put_back(self, which: JobRef, noted: Updates) -> None:
        self._buffer.put_back(which, noted)
        self._writer.flush_later()

    def _guarded(self) -> _Translated:
        if os.getpid() != self._process:
            raise LedgerError(
                "a ledger can't be used in a forked child process; open it again there",
                path=self._name,
            )
        return _Translated(self._database)

    def _passed(self, check: Check | None, connection: Connection) -> bool:
        if check is not None:
            self._database.lock(check.lock)
            check(connection)
        return True

    @property
    def _name(self) -> str:
        return self._database.name


@frozen
class _Translated:
    """Turns what a database raises into LedgerError. As a generator, it would cost five times."""

    database: Database

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None and isinstance(error, Exception):
            translated = self.database.translate(error)
            if translated is not error:
                raise translated from translated.__cause__


def _write_buffered(buffer: WriteBuffer, writer: Writer) -> None:
    """Write the buffered changes, in the transaction of the writer."""
    noted = buffer.pop_all()
    for which, steps in noted.items():
        writer.on_rollback(partial(buffer.put_back, which, steps))
    for which, steps in noted.items():
        try:
            writer.write(partial(rows.change, which=which, steps=steps))
        except Exception as error:
            if writer.transactions.fails_all(error):
                raise
            _log.warning("a change could not be written to the ledger: %s", error)
