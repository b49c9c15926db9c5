"""Writes of many threads in few transactions, since each fsync costs milliseconds.

An interrupt may come between any two steps of a thread. So one thread leads at a time, which says
so in one whole step, gives that up twice over, and takes a write off the list only when it is done.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain, pairwise
from queue import Empty, SimpleQueue
from threading import get_ident
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from attrs import define, field

from wanflow._core.effects import Outcome
from wanflow.errors import LedgerError
from wanflow.ledger.sqlite_errors import is_disk_full, is_of_the_file

if TYPE_CHECKING:
    from wanflow.ledger.disk_reserve import DiskReserve

T = TypeVar("T")

_log = logging.getLogger("wanflow")
_PAUSE = 0.0002
"""Seconds that a commit waits for more writes, where several threads write: it pays for itself."""
_TURN = 0.5
"""Seconds after which a thread looks for itself whether its write is done; it is told before."""
Write = Callable[[sqlite3.Connection], T]


class Added(Protocol):
    """A write that nobody waits for, and what it failed by where it did."""

    error: Exception | None


@define(eq=False)
class _Waiting:
    """A thread that waits; `turn` is told when it is done, or is to lead."""

    turn: SimpleQueue[None] = field(factory=SimpleQueue[None], init=False)

    def sleep(self) -> None:
        """Wait for the turn, for a while."""
        with suppress(Empty):
            self.turn.get(timeout=_TURN)


@define(eq=False)
class _PendingWrite(_Waiting, Generic[T]):
    """One write that waits for its transaction."""

    write: Write[T]
    durable: bool
    essential: bool
    awaited: bool = True
    done: bool = False
    after: _PendingWrite[Any] | None = field(default=None, repr=False)
    result: T | None = None
    error: Exception | None = None

    def end(self, error: Exception) -> None:
        """Say that it can't be done, where it isn't."""
        if not self.done:
            self.done, self.error = True, error


@define(eq=False)
class GroupCommitWriter:
    """Writes to one connection: whoever comes first commits for all who have come by then.

    A durable write is on the disk when `now` returns; another one is in the file, and may be
    undone by a power failure, not by the end of the process.
    """

    connection: sqlite3.Connection
    ballast: DiskReserve
    # Appending and taking from the left are whole steps for all threads, and so is the setting of
    # the one entry of a dict: who leads.
    _pending: deque[_PendingWrite[Any]] = field(factory=deque[_PendingWrite[Any]], repr=False)
    _groups: deque[_Waiting] = field(factory=deque[_Waiting], repr=False)
    _leader: dict[None, _Waiting] = field(factory=dict[None, _Waiting], repr=False)
    _taken: list[_PendingWrite[Any]] = field(factory=list["_PendingWrite[Any]"], repr=False)
    _durable: bool | None = None
    _last_batch_size: int = 0
    # The thread whose functions share a transaction now, and what broke it.
    _writer: int | None = None
    _broken: sqlite3.Error | None = None

    @property
    def in_transaction(self) -> bool:
        """Whether the thread that asks is inside `together`."""
        return self._writer == get_ident()

    def transaction(self, functions: Sequence[Callable[[], Any]]) -> list[Outcome] | None:
        """Call functions that write, all in one durable transaction → what each came to.

        None where it was undone as a whole: none of their writes is kept.

        Raises:
            sqlite3.Error: it could not begin, and no function was called.
        """
        group = _Waiting()
        try:
            self._groups.append(group)
            while not self._leads(group):
                group.sleep()
            return self._share(group, functions)
        finally:
            with suppress(ValueError):
                self._groups.remove(group)
            self._give_up(group)

    def _share(
        self, group: _Waiting, functions: Sequence[Callable[[], Any]]
    ) -> list[Outcome] | None:
        try:
            self._set_synchronous(durable=True)
            self.connection.execute("BEGIN IMMEDIATE")
            self._writer, self._broken = get_ident(), None
            with suppress(sqlite3.Error):
                ends = [self._ended(function) for function in functions]
                self.connection.execute("COMMIT")
                return ends
            return None
        finally:
            self._give_up(group)

    def _ended(self, function: Callable[[], Any]) -> Outcome:
        try:
            ended = Outcome(function())
        except Exception as error:
            ended = Outcome(error=error)
        if self._broken is not None:
            raise self._broken
        return ended

    def _at_once(self, write: Write[T]) -> T:
        """Write in the transaction that is shared; what can't be done is undone alone."""
        try:
            return self._alone(write)
        except sqlite3.Error as error:
            if is_of_the_file(error):
                self._broken = error
            raise

    def _alone(self, write: Write[T]) -> T:
        """Write in a transaction so that the others of it are kept where this can't be done."""
        self.connection.execute("SAVEPOINT entry")
        try:
            result = write(self.connection)
        except Exception as error:
            if not is_of_the_file(error):
                self.connection.execute("ROLLBACK TO entry")
                self.connection.execute("RELEASE entry")
            raise
        self.connection.execute("RELEASE entry")
        return result

    def enqueue(self, write: Write[Any]) -> Added | None:
        """Add a write to the next commit, at once; None where it is done already."""
        if self.in_transaction:
            self._at_once(write)
            return None
        entry = _PendingWrite(write, durable=False, essential=True, awaited=False)
        self._pending.append(entry)
        return entry

    def write(self, write: Write[T], *, durable: bool = False, essential: bool = True) -> T:
        """Write, and return what the write returned once it is committed.

        An interrupt is raised when what is essential is written; a second one isn't held up.

        Args:
            write: what to do; it may be undone and done again.
            durable: whether to wait for the disk.
            essential: whether it may use the room that is kept for when the disk is full, and is
                wanted though the caller is interrupted.

        Raises:
            sqlite3.Error: the write or the commit failed.
            Exception: what the write raised itself.
        """
        if self.in_transaction:
            return self._at_once(write)
        entry = _PendingWrite(write, durable, essential)
        try:
            self._pending.append(entry)
            self._finish(entry)
        except BaseException:
            if essential:
                # Whether it is on the list isn't known; twice is as once.
                self._pending.append(entry)
                self._finish(entry)
            raise
        finally:
            entry.end(LedgerError("the write to the ledger was interrupted"))
            entry.awaited = False
            self._give_up(entry)
            _pass_on(entry)
        if entry.error is not None:
            raise entry.error
        return cast("T", entry.result)

    def _finish(self, entry: _PendingWrite[Any]) -> None:
        while not entry.done:
            self._commit_or_wait(entry)

    def _commit_or_wait(self, entry: _PendingWrite[Any]) -> None:
        """Commit all that is pending, or sleep while another thread does."""
        try:
            if not self._leads(entry):
                entry.sleep()
            elif not entry.done:
                self._wait_for_more()
                self._commit()
        finally:
            self._give_up(entry)

    def _leads(self, waiting: _Waiting) -> bool:
        """Lead, where nobody does."""
        return self._leader.setdefault(None, waiting) is waiting

    def _give_up(self, waiting: _Waiting) -> None:
        """Lead no more; nothing is left open. Once more does no harm."""
        if self._leader.get(None) is not waiting:
            return
        self._writer = None
        try:
            self._undo()
        finally:
            del self._leader[None]
            self._wake_next_leader()

    def _undo(self) -> None:
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def _wait_for_more(self) -> None:
        """Give those time to come who shared the last commit, or have come: they are many."""
        if max(self._last_batch_size, len(self._pending)) > 1:
            time.sleep(_PAUSE)
        self._last_batch_size = len(self._pending)

    def flush(self) -> None:
        """Commit what was added."""
        if (self._pending or self._taken) and not self.in_transaction:
            self.write(lambda _: None)

    def _wake_next_leader(self) -> None:
        """Have the first of those lead who came in the meantime."""
        waiting = (one for one in (*self._taken, *self._pending) if one.awaited and not one.done)
        first = next(chain(tuple(self._groups), waiting), None)
        if first is not None:
            first.turn.put(None)

    def _take(self) -> list[_PendingWrite[Any]]:
        """Take what is pending, and what an interrupted leader took: some may be there twice."""
        while self._pending:
            self._taken.append(self._pending[0])
            self._pending.popleft()
        self._taken = [entry for entry in dict.fromkeys(self._taken) if not entry.done]
        return self._taken

    def _commit(self) -> None:
        taken = self._take()
        try:
            self._attempt(taken)
        except sqlite3.Error as error:
            essential = [entry for entry in taken if entry.essential]
            if is_disk_full(error) and essential and self.ballast.release():
                self._only(essential)
            _fail(taken, error)
        except Exception as error:
            _fail(taken, error)
        _wake(taken)
        self._taken = []

    def _only(self, essential: list[_PendingWrite[Any]]) -> None:
        """Write what is essential into the room that was kept for it."""
        try:
            self._attempt(essential)
        except Exception as error:
            _fail(essential, error)

    def _attempt(self, entries: list[_PendingWrite[Any]]) -> None:
        self._set_synchronous(durable=any(entry.durable for entry in entries))
        try:
            self._transact(entries, self._perform)
        except Exception as error:
            if is_of_the_file(error):
                raise
            # One of them can't be done. Apart from each other, it fails alone.
            self._transact(entries, self._perform_apart)

    def _transact(
        self, entries: list[_PendingWrite[Any]], perform: Callable[[_PendingWrite[Any]], None]
    ) -> None:
        committing = False
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            for entry in entries:
                perform(entry)
            committing = True
            self.connection.execute("COMMIT")
            _settle(entries)
        except BaseException as error:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            elif committing and not isinstance(error, Exception):
                # The interrupt came after the commit.
                _settle(entries)
            raise

    def _set_synchronous(self, *, durable: bool) -> None:
        """Have the next commit wait for the disk or not; not waiting damages nothing either."""
        if durable is not self._durable:
            self._durable = None
            self.connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable

    def _perform(self, entry: _PendingWrite[Any]) -> None:
        entry.error = None
        entry.result = entry.write(self.connection)

    def _perform_apart(self, entry: _PendingWrite[Any]) -> None:
        """Do one write; where it can't be done, the others of its transaction still are."""
        entry.result = entry.error = None
        try:
            entry.result = self._alone(entry.write)
        except Exception as error:
            if is_of_the_file(error):
                raise
            entry.error = error
            if not entry.awaited:
                _log.warning("an entry of the ledger could not be written: %s", error)


def _settle(entries: list[_PendingWrite[Any]]) -> None:
    for entry in entries:
        entry.done = True


def _wake(entries: list[_PendingWrite[Any]]) -> None:
    """Wake the first thread, which wakes the next: woken together, they'd fight to run."""
    waiting = [entry for entry in entries if entry.awaited]
    for entry, after in pairwise(waiting):
        entry.after = after
    if waiting:
        waiting[0].turn.put(None)


def _pass_on(entry: _PendingWrite[Any]) -> None:
    after = entry.after
    while after is not None and not after.awaited:
        after = after.after
    if after is not None:
        after.turn.put(None)


def _fail(entries: list[_PendingWrite[Any]], error: Exception) -> None:
    for entry in entries:
        entry.end(error)
