"""Jobs in one SQLite file, shared by the threads of this process and by other processes."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, get_ident
from typing import TYPE_CHECKING, TypeVar

from wanflow._core.effects import Ended
from wanflow.errors import LedgerError
from wanflow.ledger import database, rows
from wanflow.ledger import rows as selecting
from wanflow.ledger.disk_reserve import Ballast
from wanflow.ledger.group_commit import Commits
from wanflow.ledger.job import State
from wanflow.ledger.owner_locks import Liveness, add_holder, remove_holder
from wanflow.ledger.refs import ById, ByKey, ByTask, Claim, Selection
from wanflow.ledger.sqlite_errors import is_full, is_of_the_file, told
from wanflow.ledger.write_buffer import Notes, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from typing import Any

    from wanflow._core.recorder import File
    from wanflow.ledger.group_commit import Added, Write
    from wanflow.ledger.job import Job
    from wanflow.ledger.refs import Changes, Which
    from wanflow.ledger.write_buffer import Steps

T = TypeVar("T")


class SqliteStore:
    """Keeps jobs in the file at `path`, which is made, readable to its owner alone, if need be."""

    def __init__(self, path: Path) -> None:
        # SQLite puts its files beside the real one, and so does everybody who shares it.
        path = self._path = Path(os.path.realpath(path))
        self._process = os.getpid()
        self._reading = Lock()
        self._holding = Lock()
        self._liveness = Liveness(path)
        self._holder: int | None = None
        self._ballast = Ballast(path.with_name(f"{path.name}-reserve"))
        with told(path):
            database.make(path)
            self._connection = self._connect()
            try:
                self._reader = database.connect(path)
            except BaseException:
                self._connection.close()
                raise
        self._identity = database.Identity(path)
        self._commits = Commits(self._connection, self._ballast)
        self._notes = Notes(self._flush_told)
        self._places: set[str] = set()
        # What was noted and is being written by a thread that is inside `together`.
        self._lent: dict[int, list[tuple[Which, Steps]]] = {}

    def together(self, functions: Sequence[Callable[[], Any]]) -> list[Ended]:
        """Call functions that use this store, all that they write in one durable commit.

        Where that fails, each is called by itself: what then fails, fails alone.
        """
        try:
            with self._told():
                # What follows must wait for no other thread that writes.
                self._hold()
                ends = self._together(functions)
        except LedgerError as error:
            return [Ended(error=error) for _ in functions]
        if ends is None:
            ends = [_ended(function) for function in functions]
        return ends

    def _together(self, functions: Sequence[Callable[[], Any]]) -> list[Ended] | None:
        lent = self._lent[get_ident()] = list[tuple["Which", "Steps"]]()
        ends = None
        try:
            ends = self._commits.together(functions)
        finally:
            self._lent.pop(get_ident(), None)
            if ends is None:
                self._places.clear()
                for which, steps in reversed(lent):
                    self._notes.give_back(which, steps)
        return ends

    def _connect(self) -> sqlite3.Connection:
        """Connect to the file; on a full disk, what was kept is there to read, in the room kept."""
        try:
            return database.connect(self._path)
        except sqlite3.Error as error:
            if not (is_full(error) and self._ballast.drop()):
                raise
            return database.connect(self._path)

    def add(self, job: Changes) -> Job | None:
        """Keep a new job, durably; return the one in its way where its key or name is taken."""
        with self._told():
            self._identity.check()
            self._ballast.restore()
            holder = self._hold()
            values = {**job, "held": holder}
            self._keep_places(job)

            def write(connection: sqlite3.Connection) -> bool:
                return rows.insert(connection, values)

            if self._commits.now(write, durable=True, essential=False):
                return None
        found = self.find(ByKey(job["key"]))
        if found is None and job.get("name") is not None:
            attempts = self.named([job["name"]])
            found = next((one for one in attempts if one.attempt == job["attempt"]), None)
        if found is None:
            raise LedgerError(f"ledger {self._path}: the job can't be kept", path=str(self._path))
        return found

    def adopt(self, task: ByTask, now: float) -> None:
        """Keep a job for a task that was submitted elsewhere, if there is none, and hold it."""
        fresh = {"server": task.server, "task_id": task.task_id, "state": State.ACCEPTED}

        def write(connection: sqlite3.Connection) -> None:
            if not rows.change(connection, task, (Step({"held": holder}),)):
                rows.insert(connection, {**fresh, "intended": now, "held": holder})

        with self._told():
            holder = self._hold()
            self._keep_places(fresh)
            self._commits.now(write)

    def change(
        self,
        which: Which,
        changes: Changes,
        *,
        only: frozenset[State] | None = None,
        durable: bool = False,
        files: Sequence[File] = (),
    ) -> bool:
        """Change a job that is in one of the states; False where there is none."""
        with self._told():
            self._keep_places(changes)
            step = Step(self._with_holder(changes), only)
            noted = self._notes.take(which)
            steps = (*noted, step)

            def write(connection: sqlite3.Connection) -> bool:
                found = rows.change(connection, which, steps)
                if found and files:
                    rows.put_files(connection, which, files)
                return found

            try:
                done = self._commits.now(write, durable=durable)
            except BaseException:
                self._give_back(which, noted)
                raise
            self._lend(which, noted)
            return done

    def note(self, which: Which, changes: Changes, *, only: frozenset[State] | None = None) -> None:
        """Change a job with its next write, at once; half a second later at most."""
        self._notes.add(which, Step(self._with_holder(changes), only))

    def take(self, job: Job, state: State) -> bool:
        """Hold a job that still is as it was read, durably in another state; False where not."""
        if job.holder is not None and self._liveness.alive(job.holder.token):
            return False
        with self._told():
            self._identity.check()
            self._ballast.restore()
            self._flush()
            values = {"state": state, "held": self._hold()}

            def write(connection: sqlite3.Connection) -> bool:
                found = selecting.read(connection, "WHERE job.id = ?", [job.id])
                if not found or found[0].holder != job.holder or found[0].state != job.state:
                    return False
                return rows.change(connection, ById(job.id), (Step(values),))

            return self._commits.now(write, durable=True, essential=False)

    def claim(self, selection: Selection) -> Claim:
        """Hold the selected jobs that no living process holds."""
        with self._told():
            self._flush()
            holder = self._hold()

            def write(connection: sqlite3.Connection) -> Claim:
                self._bury(connection)
                found = selecting.select(connection, selection)
                free = [job for job in found if job.holder is None]
                for job in free:
                    rows.change(connection, ById(job.id), (Step({"held": holder}),))
                return Claim(tuple(free), len(found) - len(free))

            return self._commits.now(write)

    def find(self, which: Which) -> Job | None:
        """Read one job."""
        where, named = rows.condition(which)
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

    def jobs(self, selection: Selection) -> list[Job]:
        """Read jobs."""
        with self._read() as connection:
            return selecting.select(connection, selection)

    def living(self, job: Job) -> bool:
        """Tell whether a living process, this one or another, holds a job."""
        return job.holder is not None and self._liveness.alive(job.holder.token)

    def forget(self, jobs: Iterable[Job]) -> int:
        """Remove jobs that still are as they were read, and return how many."""
        chosen = [(job.id, str(job.state)) for job in jobs]

        def write(connection: sqlite3.Connection) -> int:
            query = "DELETE FROM job WHERE id = ? AND state = ?"
            return connection.executemany(query, chosen).rowcount if chosen else 0

        with self._told():
            self._flush()
            return self._commits.now(write)

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
        with told(self._path):
            self._notes.close()
            if self._holder is not None:
                self._commits.now(remove_holder(self._liveness.token))
            self._liveness.end()

    def _hold(self) -> int:
        """Return the number that this process holds jobs by."""
        if self._holder is not None:
            return self._holder
        with self._holding:
            if self._holder is None:
                self._ballast.lay()
                self._liveness.begin()
                self._holder = self._commits.now(add_holder(self._liveness.token, self._process))
            return self._holder

    def _keep_places(self, changes: Changes) -> None:
        """Have the texts in the file that many jobs share, before the first job that has them."""
        for name in ("server", "folder"):
            text = rows.place_of(changes[name]) if changes.get(name) is not None else None
            if text is not None and text not in self._places:
                self._commits.now(_add_place(text))
                self._places.add(text)

    def _flush(self) -> None:
        """Write what is noted."""
        noted = self._notes.take_all()
        written: list[tuple[Which, Steps, Added | None]] = []
        try:
            for which, steps in noted.items():
                written.append((which, steps, self._commits.later(_changing(which, steps))))
                self._lend(which, steps)
            self._commits.flush()
        finally:
            for which, steps, added in written:
                if added is not None and added.error is not None and is_of_the_file(added.error):
                    self._notes.give_back(which, steps)

    def _lend(self, which: Which, steps: Steps) -> None:
        """Keep what was noted and is written by `together`, for the case that it is undone."""
        lent = self._lent.get(get_ident())
        if lent is not None and steps:
            lent.append((which, steps))

    def _flush_told(self) -> None:
        with told(self._path):
            self._flush()

    def _with_holder(self, changes: Changes) -> Changes:
        if "held" not in changes:
            return changes
        return {**changes, "held": self._holder if changes["held"] else None}

    def _bury(self, connection: sqlite3.Connection) -> None:
        """Take all jobs out of the hands of dead processes."""
        for (token,) in connection.execute("SELECT token FROM holder").fetchall():
            if not self._liveness.alive(token):
                connection.execute("DELETE FROM holder WHERE token = ?", [token])
                self._liveness.bury(token)

    @contextmanager
    def _read(self) -> Generator[sqlite3.Connection]:
        """Lend the connection that sees all that was written, and what is noted, too."""
        with self._told():
            if self._commits.shared:
                self._flush()
                yield self._connection
                return
            with self._reading:
                self._flush()
                yield self._reader

    def _give_back(self, which: Which, noted: Steps) -> None:
        if noted:
            self._notes.give_back(which, noted)

    @contextmanager
    def _told(self) -> Generator[None]:
        if os.getpid() != self._process:
            raise LedgerError(
                "a ledger can't be used in a process that was forked off after it was opened; "
                "open it again there",
                path=str(self._path),
            )
        with told(self._path):
            yield


def _ended(function: Callable[[], Any]) -> Ended:
    try:
        return Ended(function())
    except Exception as error:
        return Ended(error=error)


def _changing(which: Which, steps: Steps) -> Write[bool]:
    return lambda connection: rows.change(connection, which, steps)


def _add_place(text: str) -> Write[None]:
    def write(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO place (text) VALUES (?) ON CONFLICT DO NOTHING", [text])

    return write
