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
from wanflow.ledger.sqlite_errors import is_disk_full, is_of_the_file, translate_errors
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
        self._reading = Lock()
        self._holding = Lock()
        self._liveness = OwnerLock(path)
        self._holder: int | None = None
        self._ballast = DiskReserve(path.with_name(f"{path.name}-reserve"))
        with translate_errors(path):
            database.create_file(path)
            self._connection = self._connect()
            try:
                self._reader = database.connect(path)
            except BaseException:
                self._connection.close()
                raise
        self._identity = database.Identity(path)
        self._commits = GroupCommitWriter(self._connection, self._ballast)
        self._notes = WriteBuffer(self._flush_told)
        self._places: set[str] = set()
        # What was noted and is being written by a thread that is inside `together`.
        self._lent: dict[int, list[tuple[JobRef, Updates]]] = {}

    def together(self, functions: Sequence[Callable[[], Any]]) -> list[Outcome]:
        """Call functions that use this store, all that they write in one durable commit.

        Where that fails, each is called by itself: what then fails, fails alone.
        """
        try:
            with self._guarded():
                # What follows must wait for no other thread that writes.
                self._register_owner()
                ends = self._together(functions)
        except LedgerError as error:
            return [Outcome(error=error) for _ in functions]
        if ends is None:
            ends = [_ended(function) for function in functions]
        return ends

    def _together(self, functions: Sequence[Callable[[], Any]]) -> list[Outcome] | None:
        lent = self._lent[get_ident()] = list[tuple["JobRef", "Updates"]]()
        ends = None
        try:
            ends = self._commits.transaction(functions)
        finally:
            self._lent.pop(get_ident(), None)
            if ends is None:
                self._places.clear()
                for which, steps in reversed(lent):
                    self._notes.put_back(which, steps)
        return ends

    def _connect(self) -> sqlite3.Connection:
        """Connect to the file; on a full disk, what was kept is there to read, in the room kept."""
        try:
            return database.connect(self._path)
        except sqlite3.Error as error:
            if not (is_disk_full(error) and self._ballast.release()):
                raise
            return database.connect(self._path)

    def add(self, job: Changes) -> Job | None:
        """Keep a new job, durably; return the one in its way where its key or name is taken."""
        with self._guarded():
            self._identity.check()
            self._ballast.restore()
            holder = self._register_owner()
            values = {**job, "held": holder}
            self._keep_places(job)

            def write(connection: sqlite3.Connection) -> bool:
                return rows.insert(connection, values)

            if self._commits.write(write, durable=True, essential=False):
                return None
        found = self.find(KeyRef(job["key"]))
        if found is None and job.get("name") is not None:
            attempts = self.named([job["name"]])
            found = next((one for one in attempts if one.attempt == job["attempt"]), None)
        if found is None:
            raise LedgerError(f"ledger {self._path}: the job can't be kept", path=str(self._path))
        return found

    def adopt(self, task: TaskRef, now: float) -> None:
        """Keep a job for a task that was submitted elsewhere, if there is none, and hold it."""
        fresh = {"server": task.server, "task_id": task.task_id, "state": JobState.ACCEPTED}

        def write(connection: sqlite3.Connection) -> None:
            if not rows.change(connection, task, (Update({"held": holder}),)):
                rows.insert(connection, {**fresh, "intended": now, "held": holder})

        with self._guarded():
            holder = self._register_owner()
            self._keep_places(fresh)
            self._commits.write(write)

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
            self._keep_places(changes)
            step = Update(self._with_holder(changes), only)
            noted = self._notes.pop(which)
            steps = (*noted, step)

            def write(connection: sqlite3.Connection) -> bool:
                found = rows.change(connection, which, steps)
                if found and files:
                    rows.replace_files(connection, which, files)
                return found

            try:
                done = self._commits.write(write, durable=durable)
            except BaseException:
                self._give_back(which, noted)
                raise
            self._lend(which, noted)
            return done

    def update_later(
        self, which: JobRef, changes: Changes, *, only: frozenset[JobState] | None = None
    ) -> None:
        """Change a job with its next write, at once; half a second later at most."""
        self._notes.add(which, Update(self._with_holder(changes), only))

    def take(self, job: Job, state: JobState) -> bool:
        """Hold a job that still is as it was read, durably in another state; False where not."""
        if job.owner is not None and self._liveness.is_alive(job.owner.token):
            return False
        with self._guarded():
            self._identity.check()
            self._ballast.restore()
            self._flush()
            values = {"state": state, "held": self._register_owner()}

            def write(connection: sqlite3.Connection) -> bool:
                found = selecting.read(connection, "WHERE job.id = ?", [job.id])
                if not found or found[0].owner != job.owner or found[0].state != job.state:
                    return False
                return rows.change(connection, IdRef(job.id), (Update(values),))

            return self._commits.write(write, durable=True, essential=False)

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
                    rows.change(connection, IdRef(job.id), (Update({"held": holder}),))
                return ClaimedJobs(tuple(free), len(found) - len(free))

            return self._commits.write(write)

    def find(self, which: JobRef) -> Job | None:
        """Read one job."""
        where, named = rows.ref_condition(which)
        with self._read() as connection:
            found = selecting.read(connection, f"WHERE {where}", named)
        return found[0] if found else None

    def named(self, names: Sequence[str]) -> list[Job]:
        """Read all attempts at named jobs, the first one at each first."""
        with self._read() as connection:
            return selecting.named(connection, names)

    def folders(self) -> list[Path]:
        """Read the folders of named jobs."""
        with self._read() as connection:
            return selecting.folders(connection)

    def jobs(self, selection: JobFilter) -> list[Job]:
        """Read jobs."""
        with self._read() as connection:
            return selecting.select(connection, selection)

    def living(self, job: Job) -> bool:
        """Tell whether a living process, this one or another, holds a job."""
        return job.owner is not None and self._liveness.is_alive(job.owner.token)

    def forget(self, jobs: Iterable[Job]) -> int:
        """Remove jobs that still are as they were read, and return how many."""
        chosen = [(job.id, str(job.state)) for job in jobs]

        def write(connection: sqlite3.Connection) -> int:
            query = "DELETE FROM job WHERE id = ? AND state = ?"
            return connection.executemany(query, chosen).rowcount if chosen else 0

        with self._guarded():
            self._flush()
            return self._commits.write(write)

    def close(self) -> None:
        """Write what is noted, give up what is held, and close."""
        try:
            if os.getpid() == self._process:
                self._give_up()
        finally:
            self._connection.close()
            self._reader.close()
            # On a disk that is full still, the room that was given away comes back as far as it is.
            with suppress(OSError):
                self._ballast.restore()

    def _give_up(self) -> None:
        with translate_errors(self._path):
            self._notes.close()
            if self._holder is not None:
                self._commits.write(unregister_owner(self._liveness.token))
            self._liveness.release()

    def _register_owner(self) -> int:
        """Return the number that this process holds jobs by."""
        if self._holder is not None:
            return self._holder
        with self._holding:
            if self._holder is None:
                self._ballast.allocate()
                self._liveness.acquire()
                self._holder = self._commits.write(
                    register_owner(self._liveness.token, self._process)
                )
            return self._holder

    def _keep_places(self, changes: Changes) -> None:
        """Have the texts in the file that many jobs share, before the first job that has them."""
        for name in ("server", "folder"):
            text = rows.place_of(changes[name]) if changes.get(name) is not None else None
            if text is not None and text not in self._places:
                self._commits.write(_add_place(text))
                self._places.add(text)

    def _flush(self) -> None:
        """Write what is noted."""
        noted = self._notes.pop_all()
        written: list[tuple[JobRef, Updates, Added | None]] = []
        try:
            for which, steps in noted.items():
                written.append((which, steps, self._commits.enqueue(_changing(which, steps))))
                self._lend(which, steps)
            self._commits.flush()
        finally:
            for which, steps, added in written:
                if added is not None and added.error is not None and is_of_the_file(added.error):
                    self._notes.put_back(which, steps)

    def _lend(self, which: JobRef, steps: Updates) -> None:
        """Keep what was noted and is written by `together`, for the case that it is undone."""
        lent = self._lent.get(get_ident())
        if lent is not None and steps:
            lent.append((which, steps))

    def _flush_told(self) -> None:
        with translate_errors(self._path):
            self._flush()

    def _with_holder(self, changes: Changes) -> Changes:
        if "held" not in changes:
            return changes
        return {**changes, "held": self._holder if changes["held"] else None}

    def _release_dead(self, connection: sqlite3.Connection) -> None:
        """Take all jobs out of the hands of dead processes."""
        for (token,) in connection.execute("SELECT token FROM holder").fetchall():
            if not self._liveness.is_alive(token):
                connection.execute("DELETE FROM holder WHERE token = ?", [token])
                self._liveness.remove_stale(token)

    @contextmanager
    def _read(self) -> Generator[sqlite3.Connection]:
        """Lend the connection that sees all that was written, and what is noted, too."""
        with self._guarded():
            if self._commits.in_transaction:
                self._flush()
                yield self._connection
                return
            with self._reading:
                self._flush()
                yield self._reader

    def _give_back(self, which: JobRef, noted: Updates) -> None:
        if noted:
            self._notes.put_back(which, noted)

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


def _ended(function: Callable[[], Any]) -> Outcome:
    try:
        return Outcome(function())
    except Exception as error:
        return Outcome(error=error)


def _changing(which: JobRef, steps: Updates) -> Write[bool]:
    return lambda connection: rows.change(connection, which, steps)


def _add_place(text: str) -> Write[None]:
    def write(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO place (text) VALUES (?) ON CONFLICT DO NOTHING", [text])

    return write
