"""Jobs in one SQLite file, shared by the threads of this process and by other processes."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, get_ident
from typing import TYPE_CHECKING, TypeVar

from wanflow._core.effects import Outcome
from wanflow.errors import LedgerError
from wanflow.ledger import database, rows
from wanflow.ledger.budget import read_budget
from wanflow.ledger.disk_reserve import DiskReserve
from wanflow.ledger.group_commit import GroupCommitWriter
from wanflow.ledger.job import JobState
from wanflow.ledger.owner_locks import OwnerLock, register_owner, unregister_owner
from wanflow.ledger.refs import ClaimedJobs, IdRef, JobFilter, KeyRef, TaskRef
from wanflow.ledger.sqlite_errors import is_disk_full, is_file_error, translate_errors
from wanflow.ledger.write_buffer import Update, WriteBuffer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from typing import Any

    from wanflow._core.prices import PriceRecord
    from wanflow._core.recorder import Budget, File
    from wanflow.ledger.budget import BudgetState
    from wanflow.ledger.group_commit import PendingWrite, Write
    from wanflow.ledger.job import Job
    from wanflow.ledger.refs import Changes, JobRef
    from wanflow.ledger.write_buffer import Updates

    Check = Callable[[sqlite3.Connection], None] | None

T = TypeVar("T")


class JobStore:
    """Stores jobs in the file at `path`, created if needed and readable only to its owner."""

    def __init__(self, path: Path) -> None:
        # SQLite puts its files beside the real file, so every process must use the real path.
        path = self._path = Path(os.path.realpath(path))
        self._process = os.getpid()
        self._reader_lock = Lock()
        self._registering = Lock()
        self._owner_lock = OwnerLock(path)
        self._owner_id: int | None = None
        self._closed = False
        self._disk_reserve = DiskReserve(path.with_name(f"{path.name}-reserve"))
        with translate_errors(path):
            database.create_file(path)
            self._connection = self._connect()
            try:
                self._reader = database.connect(path)
            except BaseException:
                self._connection.close()
                raise
        self._identity = database.FileIdentity(path)
        self._writer = GroupCommitWriter(self._connection, self._disk_reserve)
        self._buffer = WriteBuffer(self._flush_from_buffer)
        self._interned: set[str] = set()
        # Buffered updates that a thread inside `run_in_transaction` is writing.
        self._in_transaction_updates: dict[int, list[tuple[JobRef, Updates]]] = {}

    def run_in_transaction(self, functions: Sequence[Callable[[], Any]]) -> list[Outcome]:
        """Call functions that use this store; all their writes share one durable commit.

        If it fails, each function is called again by itself, so that only its own failure counts.
        """
        try:
            with self._guarded():
                # Inside the transaction, nothing may wait for another thread that writes.
                self._register_owner()
                ends = self._run_in_transaction(functions)
        except LedgerError as error:
            return [Outcome(error=error) for _ in functions]
        if ends is None:
            ends = [Outcome.capture(function) for function in functions]
        return ends

    def _run_in_transaction(self, functions: Sequence[Callable[[], Any]]) -> list[Outcome] | None:
        lent = self._in_transaction_updates[get_ident()] = list[tuple["JobRef", "Updates"]]()
        ends = None
        try:
            ends = self._writer.transaction(functions)
        finally:
            self._in_transaction_updates.pop(get_ident(), None)
            if ends is None:
                self._interned.clear()
                for which, steps in reversed(lent):
                    self._buffer.put_back(which, steps)
        return ends

    def _connect(self) -> sqlite3.Connection:
        """Connect to the file; on a full disk, release the reserve so that it can be read."""
        try:
            return database.connect(self._path)
        except sqlite3.Error as error:
            if not (is_disk_full(error) and self._disk_reserve.release()):
                raise
            return database.connect(self._path)

    def add(self, job: Changes, check: Check = None) -> Job | None:
        """Add a job, durably; return the existing one if its key or name is taken.

        What `check` raises undoes the addition.
        """
        with self._guarded():
            self._identity.check()
            self._disk_reserve.restore()
            holder = self._register_owner()
            values = {**job, "owned": holder}
            self._intern_strings(job)

            def write(connection: sqlite3.Connection) -> bool:
                return rows.insert(connection, values) and _passed(check, connection)

            if self._writer.write(write, durable=True, essential=False):
                return None
        found = self.find(KeyRef(job["key"]))
        if found is None and job.get("name") is not None:
            attempts = self.find_named([job["name"]])
            found = next((one for one in attempts if one.attempt == job["attempt"]), None)
        if found is None:
            raise LedgerError(
                f"ledger {self._path}: the job can't be recorded", path=str(self._path)
            )
        return found

    def adopt(self, task: TaskRef, now: float) -> None:
        """Own the job of a task; add one if the task was submitted by another program."""
        fresh = {"server": task.server, "task_id": task.task_id, "state": JobState.ACCEPTED}

        def write(connection: sqlite3.Connection) -> None:
            if not rows.change(connection, task, (Update({"owned": holder}),)):
                rows.insert(connection, {**fresh, "recorded_at": now, "owned": holder})

        with self._guarded():
            holder = self._register_owner()
            self._intern_strings(fresh)
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
        with self._guarded():
            self._intern_strings(changes)
            step = Update(self._with_owner(changes), only)
            noted = self._buffer.pop(which)
            steps = (*noted, step)

            def write(connection: sqlite3.Connection) -> bool:
                found = rows.change(connection, which, steps)
                if found and files:
                    rows.replace_files(connection, which, files)
                return found

            try:
                done = self._writer.write(write, durable=durable)
            except BaseException:
                self._put_back(which, noted)
                raise
            self._remember_updates(which, noted)
            return done

    def update_later(
        self, which: JobRef, changes: Changes, *, only: frozenset[JobState] | None = None
    ) -> None:
        """Buffer a change, written with the job's next write or half a second later."""
        self._buffer.add(which, Update(self._with_owner(changes), only))

    def acquire(
        self, job: Job, state: JobState, *, resend: bool = False, check: Check = None
    ) -> bool:
        """Own a job, durably in another state; False if it changed since it was read.

        With `resend`, count that it is sent again. What `check` raises undoes the change.
        """
        if job.owner is not None and self._owner_lock.is_alive(job.owner.token):
            return False
        with self._guarded():
            self._identity.check()
            self._disk_reserve.restore()
            self._flush()
            sends = job.sends + resend
            values = {"state": state, "owned": self._register_owner(), "sends": sends}

            def write(connection: sqlite3.Connection) -> bool:
                found = rows.read(connection, "WHERE job.id = ?", [job.id])
                if not found or found[0].owner != job.owner or found[0].state != job.state:
                    return False
                changed = rows.change(connection, IdRef(job.id), (Update(values),))
                return changed and _passed(check, connection)

            return self._writer.write(write, durable=True, essential=False)

    def claim(self, selection: JobFilter) -> ClaimedJobs:
        """Own the selected jobs that no living process owns."""
        with self._guarded():
            self._flush()
            holder = self._register_owner()

            def write(connection: sqlite3.Connection) -> ClaimedJobs:
                self._release_dead(connection)
                found = rows.select(connection, selection)
                free = [job for job in found if job.owner is None]
                for job in free:
                    rows.change(connection, IdRef(job.id), (Update({"owned": holder}),))
                return ClaimedJobs(tuple(free), len(found) - len(free))

            return self._writer.write(write)

    def find(self, which: JobRef) -> Job | None:
        """Return one job."""
        where, named = rows.ref_condition(which)
        with self._read() as connection:
            found = rows.read(connection, f"WHERE {where}", named)
        return found[0] if found else None

    def find_named(self, names: Sequence[str]) -> list[Job]:
        """Return all attempts of named jobs, ordered by attempt."""
        with self._read() as connection:
            return rows.read_named(connection, names)

    def output_dirs(self) -> list[Path]:
        """Return the output directories of named jobs."""
        with self._read() as connection:
            return rows.read_output_dirs(connection)

    def prices(self, server: str, model: str) -> list[PriceRecord]:
        """Return what the jobs of a model cost on a server."""
        with self._read() as connection:
            return rows.read_prices(connection, server, model)

    def budget(self, server: str, budget: Budget) -> BudgetState:
        """Return what the submissions of a budget cost, or may have cost."""
        with self._read() as connection:
            return read_budget(connection, server, budget)

    def jobs(self, selection: JobFilter) -> list[Job]:
        """Return the selected jobs."""
        with self._read() as connection:
            return rows.select(connection, selection)

    def is_owned(self, job: Job) -> bool:
        """Return whether a living process, this one or another, owns a job."""
        return job.owner is not None and self._owner_lock.is_alive(job.owner.token)

    def delete(self, jobs: Iterable[Job]) -> int:
        """Delete jobs whose state is unchanged since they were read, and return how many."""
        chosen = [(job.id, str(job.state)) for job in jobs]

        def write(connection: sqlite3.Connection) -> int:
            query = "DELETE FROM job WHERE id = ? AND state = ?"
            return connection.executemany(query, chosen).rowcount if chosen else 0

        with self._guarded():
            self._flush()
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
            self._connection.close()
            self._reader.close()
            # If the disk is still full, the reserve can't be restored now.
            with suppress(OSError):
                self._disk_reserve.restore()

    def _release_all(self) -> None:
        with translate_errors(self._path):
            self._buffer.close()
            if self._owner_id is not None:
                self._writer.write(unregister_owner(self._owner_lock.token))
            self._owner_lock.release()

    def _register_owner(self) -> int:
        """Return the owner id of this process, registering it first."""
        if self._owner_id is not None:
            return self._owner_id
        with self._registering:
            if self._owner_id is None:
                self._disk_reserve.allocate()
                self._owner_lock.acquire()
                self._owner_id = self._writer.write(
                    register_owner(self._owner_lock.token, self._process)
                )
            return self._owner_id

    def _intern_strings(self, changes: Changes) -> None:
        """Store the strings that many jobs share, before the first job that uses them."""
        for name in ("server", "output_dir", "price_class"):
            text = rows.path_to_text(changes[name]) if changes.get(name) is not None else None
            if text is not None and text not in self._interned:
                self._writer.write(_add_string(text))
                self._interned.add(text)

    def _flush(self) -> None:
        """Write the buffered changes."""
        noted = self._buffer.pop_all()
        written: list[tuple[JobRef, Updates, PendingWrite[Any] | None]] = []
        try:
            for which, steps in noted.items():
                written.append((which, steps, self._writer.enqueue(_change_write(which, steps))))
                self._remember_updates(which, steps)
            self._writer.flush()
        finally:
            for which, steps, added in written:
                if added is not None and added.error is not None and is_file_error(added.error):
                    self._buffer.put_back(which, steps)

    def _remember_updates(self, which: JobRef, steps: Updates) -> None:
        """Remember updates written inside a transaction, for the case that it is rolled back."""
        lent = self._in_transaction_updates.get(get_ident())
        if lent is not None and steps:
            lent.append((which, steps))

    def _flush_from_buffer(self) -> None:
        with translate_errors(self._path):
            self._flush()

    def _with_owner(self, changes: Changes) -> Changes:
        if "owned" not in changes:
            return changes
        return {**changes, "owned": self._owner_id if changes["owned"] else None}

    def _release_dead(self, connection: sqlite3.Connection) -> None:
        """Release all jobs of dead processes."""
        for (token,) in connection.execute("SELECT token FROM holder").fetchall():
            if not self._owner_lock.is_alive(token):
                connection.execute("DELETE FROM holder WHERE token = ?", [token])
                self._owner_lock.remove_stale(token)

    @contextmanager
    def _read(self) -> Generator[sqlite3.Connection]:
        """Yield a connection that sees all writes, buffered ones included."""
        with self._guarded():
            if self._writer.in_transaction:
                self._flush()
                yield self._connection
                return
            with self._reader_lock:
                self._flush()
                yield self._reader

    def _put_back(self, which: JobRef, noted: Updates) -> None:
        if noted:
            self._buffer.put_back(which, noted)

    @contextmanager
    def _guarded(self) -> Generator[None]:
        if os.getpid() != self._process:
            raise LedgerError(
                "a ledger can't be used in a forked child process; open it again there",
                path=str(self._path),
            )
        with translate_errors(self._path):
            yield


def _passed(check: Check, connection: sqlite3.Connection) -> bool:
    if check is not None:
        check(connection)
    return True


def _change_write(which: JobRef, steps: Updates) -> Write[bool]:
    return lambda connection: rows.change(connection, which, steps)


def _add_string(text: str) -> Write[None]:
    def write(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO place (text) VALUES (?) ON CONFLICT DO NOTHING", [text])

    return write
