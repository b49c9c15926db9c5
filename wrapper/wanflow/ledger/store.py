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
from wanflow.ledger import rows as selecting
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

    from wanflow._core.recorder import File
    from wanflow.ledger.group_commit import Added, Write
    from wanflow.ledger.job import Job
    from wanflow.ledger.refs import Changes, JobRef
    from wanflow.ledger.write_buffer import Updates

T = TypeVar("T")


class JobStore:
    """Keeps jobs in the file at `path`, which is made, readable to its owner alone, if need be."""

    def __init__(self, path: Path) -> None:
        # SQLite puts its files beside the real one, and so does everybody who shares it.
        path = self._path = Path(os.path.realpath(path))
        self._process = os.getpid()
        self._reader_lock = Lock()
        self._registering = Lock()
        self._owner_lock = OwnerLock(path)
        self._owner_id: int | None = None
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
        # What was noted and is being written by a thread that is inside `together`.
        self._in_transaction_updates: dict[int, list[tuple[JobRef, Updates]]] = {}

    def run_in_transaction(self, functions: Sequence[Callable[[], Any]]) -> list[Outcome]:
        """Call functions that use this store, all that they write in one durable commit.

        Where that fails, each is called by itself: what then fails, fails alone.
        """
        try:
            with self._guarded():
                # What follows must wait for no other thread that writes.
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
        """Connect to the file; on a full disk, what was kept is there to read, in the room kept."""
        try:
            return database.connect(self._path)
        except sqlite3.Error as error:
            if not (is_disk_full(error) and self._disk_reserve.release()):
                raise
            return database.connect(self._path)

    def add(self, job: Changes) -> Job | None:
        """Keep a new job, durably; return the one in its way where its key or name is taken."""
        with self._guarded():
            self._identity.check()
            self._disk_reserve.restore()
            holder = self._register_owner()
            values = {**job, "owned": holder}
            self._intern_strings(job)

            def write(connection: sqlite3.Connection) -> bool:
                return rows.insert(connection, values)

            if self._writer.write(write, durable=True, essential=False):
                return None
        found = self.find(KeyRef(job["key"]))
        if found is None and job.get("name") is not None:
            attempts = self.find_named([job["name"]])
            found = next((one for one in attempts if one.attempt == job["attempt"]), None)
        if found is None:
            raise LedgerError(f"ledger {self._path}: the job can't be kept", path=str(self._path))
        return found

    def adopt(self, task: TaskRef, now: float) -> None:
        """Keep a job for a task that was submitted elsewhere, if there is none, and hold it."""
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
        """Change a job that is in one of the states; False where there is none."""
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
        """Change a job with its next write, at once; half a second later at most."""
        self._buffer.add(which, Update(self._with_owner(changes), only))

    def acquire(self, job: Job, state: JobState) -> bool:
        """Hold a job that still is as it was read, durably in another state; False where not."""
        if job.owner is not None and self._owner_lock.is_alive(job.owner.token):
            return False
        with self._guarded():
            self._identity.check()
            self._disk_reserve.restore()
            self._flush()
            values = {"state": state, "owned": self._register_owner()}

            def write(connection: sqlite3.Connection) -> bool:
                found = selecting.read(connection, "WHERE job.id = ?", [job.id])
                if not found or found[0].owner != job.owner or found[0].state != job.state:
                    return False
                return rows.change(connection, IdRef(job.id), (Update(values),))

            return self._writer.write(write, durable=True, essential=False)

    def claim(self, selection: JobFilter) -> ClaimedJobs:
        """Hold the selected jobs that no living process holds."""
        with self._guarded():
            self._flush()
            holder = self._register_owner()

            def write(connection: sqlite3.Connection) -> ClaimedJobs:
                self._release_dead(connection)
                found = selecting.select(connection, selection)
                free = [job for job in found if job.owner is None]
                for job in free:
                    rows.change(connection, IdRef(job.id), (Update({"owned": holder}),))
                return ClaimedJobs(tuple(free), len(found) - len(free))

            return self._writer.write(write)

    def find(self, which: JobRef) -> Job | None:
        """Read one job."""
        where, named = rows.ref_condition(which)
        with self._read() as connection:
            found = selecting.read(connection, f"WHERE {where}", named)
        return found[0] if found else None

    def find_named(self, names: Sequence[str]) -> list[Job]:
        """Read all attempts at named jobs, the first one at each first."""
        with self._read() as connection:
            return selecting.read_named(connection, names)

    def output_dirs(self) -> list[Path]:
        """Read the folders of named jobs."""
        with self._read() as connection:
            return selecting.read_output_dirs(connection)

    def jobs(self, selection: JobFilter) -> list[Job]:
        """Read jobs."""
        with self._read() as connection:
            return selecting.select(connection, selection)

    def is_owned(self, job: Job) -> bool:
        """Tell whether a living process, this one or another, holds a job."""
        return job.owner is not None and self._owner_lock.is_alive(job.owner.token)

    def delete(self, jobs: Iterable[Job]) -> int:
        """Remove jobs that still are as they were read, and return how many."""
        chosen = [(job.id, str(job.state)) for job in jobs]

        def write(connection: sqlite3.Connection) -> int:
            query = "DELETE FROM job WHERE id = ? AND state = ?"
            return connection.executemany(query, chosen).rowcount if chosen else 0

        with self._guarded():
            self._flush()
            return self._writer.write(write)

    def close(self) -> None:
        """Write what is noted, give up what is held, and close."""
        try:
            if os.getpid() == self._process:
                self._release_all()
        finally:
            self._connection.close()
            self._reader.close()
            # On a disk that is full still, the room that was given away comes back as far as it is.
            with suppress(OSError):
                self._disk_reserve.restore()

    def _release_all(self) -> None:
        with translate_errors(self._path):
            self._buffer.close()
            if self._owner_id is not None:
                self._writer.write(unregister_owner(self._owner_lock.token))
            self._owner_lock.release()

    def _register_owner(self) -> int:
        """Return the number that this process holds jobs by."""
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
        """Have the texts in the file that many jobs share, before the first job that has them."""
        for name in ("server", "output_dir"):
            text = rows.path_to_text(changes[name]) if changes.get(name) is not None else None
            if text is not None and text not in self._interned:
                self._writer.write(_add_string(text))
                self._interned.add(text)

    def _flush(self) -> None:
        """Write what is noted."""
        noted = self._buffer.pop_all()
        written: list[tuple[JobRef, Updates, Added | None]] = []
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
        """Keep what was noted and is written by `together`, for the case that it is undone."""
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
        """Take all jobs out of the hands of dead processes."""
        for (token,) in connection.execute("SELECT token FROM holder").fetchall():
            if not self._owner_lock.is_alive(token):
                connection.execute("DELETE FROM holder WHERE token = ?", [token])
                self._owner_lock.remove_stale(token)

    @contextmanager
    def _read(self) -> Generator[sqlite3.Connection]:
        """Lend the connection that sees all that was written, and what is noted, too."""
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
                "a ledger can't be used in a process that was forked off after it was opened; "
                "open it again there",
                path=str(self._path),
            )
        with translate_errors(self._path):
            yield


def _change_write(which: JobRef, steps: Updates) -> Write[bool]:
    return lambda connection: rows.change(connection, which, steps)


def _add_string(text: str) -> Write[None]:
    def write(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO place (text) VALUES (?) ON CONFLICT DO NOTHING", [text])

    return write
