"""Group commit: the writes of many threads share transactions, since each fsync takes milliseconds.

An interrupt may come between any two steps of a thread. So one thread leads at a time: it becomes
leader in one atomic step, may stop leading twice, and removes a write only when it is done.
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
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from attrs import define, field

from wanflow._core.effects import Outcome
from wanflow.errors import LedgerError
from wanflow.ledger.sqlite_errors import is_disk_full, is_file_error

if TYPE_CHECKING:
    from wanflow.ledger.disk_reserve import DiskReserve

T = TypeVar("T")

_log = logging.getLogger("wanflow")
_COMMIT_DELAY = 0.0002
"""Seconds that a commit waits for more writes if several threads write."""
_WAKEUP_TIMEOUT = 0.5
"""Seconds after which a waiting thread checks its write itself, should a wake-up be lost."""
Write = Callable[[sqlite3.Connection], T]


@define(eq=False)
class _Waiter:
    """A waiting thread, woken by `wakeup` when its write is done or when it is to lead."""

    wakeup: SimpleQueue[None] = field(factory=SimpleQueue[None], init=False)

    def wait(self) -> None:
        """Wait to be woken, for a limited time."""
        with suppress(Empty):
            self.wakeup.get(timeout=_WAKEUP_TIMEOUT)


@define(eq=False)
class PendingWrite(_Waiter, Generic[T]):
    """One write that waits for its transaction."""

    write: Write[T]
    durable: bool
    essential: bool
    awaited: bool = True
    done: bool = False
    next_waiter: PendingWrite[Any] | None = field(default=None, repr=False)
    result: T | None = None
    error: Exception | None = None

    def fail(self, error: Exception) -> None:
        """Mark the write as failed, unless it is done."""
        if not self.done:
            self.done, self.error = True, error


@define(eq=False)
class GroupCommitWriter:
    """Writes to one connection: one thread, the leader, commits the writes of all waiting threads.

    A durable write is on the disk when `write` returns. Another write survives the end of the
    process, but not a power failure.
    """

    connection: sqlite3.Connection
    disk_reserve: DiskReserve
    # Atomic for all threads: append, popleft, and setdefault of the only entry, the leader.
    _pending: deque[PendingWrite[Any]] = field(factory=deque[PendingWrite[Any]], repr=False)
    _groups: deque[_Waiter] = field(factory=deque[_Waiter], repr=False)
    _leader: dict[None, _Waiter] = field(factory=dict[None, _Waiter], repr=False)
    _batch: list[PendingWrite[Any]] = field(factory=list["PendingWrite[Any]"], repr=False)
    _durable: bool | None = None
    _last_batch_size: int = 0
    # The thread whose functions share a transaction now, and the error that broke it.
    _transaction_thread: int | None = None
    _file_error: sqlite3.Error | None = None

    @property
    def in_transaction(self) -> bool:
        """Whether the calling thread is inside `transaction`."""
        return self._transaction_thread == get_ident()

    def transaction(self, functions: Sequence[Callable[[], Any]]) -> list[Outcome] | None:
        """Call functions that write, all in one durable transaction; return their outcomes.

        Returns None if the transaction was rolled back: none of their writes is stored.

        Raises:
            sqlite3.Error: the transaction could not begin, and no function was called.
        """
        group = _Waiter()
        try:
            self._groups.append(group)
            while not self._try_to_lead(group):
                group.wait()
            return self._run_transaction(group, functions)
        finally:
            with suppress(ValueError):
                self._groups.remove(group)
            self._stop_leading(group)

    def _run_transaction(
        self, group: _Waiter, functions: Sequence[Callable[[], Any]]
    ) -> list[Outcome] | None:
        try:
            self._set_synchronous(durable=True)
            self.connection.execute("BEGIN IMMEDIATE")
            self._transaction_thread, self._file_error = get_ident(), None
            with suppress(sqlite3.Error):
                ends = [self._captured(function) for function in functions]
                self.connection.execute("COMMIT")
                return ends
            return None
        finally:
            self._stop_leading(group)

    def _captured(self, function: Callable[[], Any]) -> Outcome:
        outcome = Outcome.capture(function)
        if self._file_error is not None:
            raise self._file_error
        return outcome

    def _write_in_transaction(self, write: Write[T]) -> T:
        """Write in the shared transaction; a failed write is rolled back alone."""
        try:
            return self._in_savepoint(write)
        except sqlite3.Error as error:
            if is_file_error(error):
                self._file_error = error
            raise

    def _in_savepoint(self, write: Write[T]) -> T:
        """Write in a savepoint: if the write fails, the others of the transaction stay."""
        self.connection.execute("SAVEPOINT entry")
        try:
            result = write(self.connection)
        except Exception as error:
            if not is_file_error(error):
                self.connection.execute("ROLLBACK TO entry")
                self.connection.execute("RELEASE entry")
            raise
        self.connection.execute("RELEASE entry")
        return result

    def enqueue(self, write: Write[Any]) -> PendingWrite[Any] | None:
        """Add a write to the next commit without blocking; None if it is already done."""
        if self.in_transaction:
            self._write_in_transaction(write)
            return None
        entry = PendingWrite(write, durable=False, essential=True, awaited=False)
        self._pending.append(entry)
        return entry

    def write(self, write: Write[T], *, durable: bool = False, essential: bool = True) -> T:
        """Write, and return the result once it is committed.

        An interrupt is raised after an essential write is done; a second one is raised immediately.

        Args:
            write: the function that writes; it may be rolled back and called again.
            durable: whether to wait for the fsync.
            essential: whether it may use the disk reserve, and is written even if the caller is
                interrupted.

        Raises:
            sqlite3.Error: the write or the commit failed.
            Exception: what the write raised itself.
        """
        if self.in_transaction:
            return self._write_in_transaction(write)
        entry = PendingWrite(write, durable, essential)
        try:
            self._pending.append(entry)
            self._wait_until_done(entry)
        except BaseException:
            if essential:
                # The entry may or may not be queued; a second time does no harm.
                self._pending.append(entry)
                self._wait_until_done(entry)
            raise
        finally:
            entry.fail(LedgerError("the write to the ledger was interrupted"))
            entry.awaited = False
            self._stop_leading(entry)
            _wake_next(entry)
        if entry.error is not None:
            raise entry.error
        return cast("T", entry.result)

    def _wait_until_done(self, entry: PendingWrite[Any]) -> None:
        while not entry.done:
            self._commit_or_wait(entry)

    def _commit_or_wait(self, entry: PendingWrite[Any]) -> None:
        """Commit all pending writes, or wait while another thread does."""
        try:
            if not self._try_to_lead(entry):
                entry.wait()
            elif not entry.done:
                self._wait_for_more()
                self._commit()
        finally:
            self._stop_leading(entry)

    def _try_to_lead(self, waiting: _Waiter) -> bool:
        """Become the leader if there is none; return whether this waiter leads."""
        return self._leader.setdefault(None, waiting) is waiting

    def _stop_leading(self, waiting: _Waiter) -> None:
        """Stop leading, with no transaction left open. May be called more than once."""
        if self._leader.get(None) is not waiting:
            return
        self._transaction_thread = None
        try:
            self._rollback()
        finally:
            del self._leader[None]
            self._wake_next_leader()

    def _rollback(self) -> None:
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def _wait_for_more(self) -> None:
        """Wait a moment for more writes if several threads write."""
        if max(self._last_batch_size, len(self._pending)) > 1:
            time.sleep(_COMMIT_DELAY)
        self._last_batch_size = len(self._pending)

    def flush(self) -> None:
        """Commit the enqueued writes."""
        if (self._pending or self._batch) and not self.in_transaction:
            self.write(lambda _: None)

    def _wake_next_leader(self) -> None:
        """Wake the first waiter that came in the meantime, so that it leads."""
        waiting = (one for one in (*self._batch, *self._pending) if one.awaited and not one.done)
        first = next(chain(tuple(self._groups), waiting), None)
        if first is not None:
            first.wakeup.put(None)

    def _take_batch(self) -> list[PendingWrite[Any]]:
        """Take the pending writes and those of an interrupted leader, without duplicates."""
        while self._pending:
            self._batch.append(self._pending[0])
            self._pending.popleft()
        self._batch = [entry for entry in dict.fromkeys(self._batch) if not entry.done]
        return self._batch

    def _commit(self) -> None:
        taken = self._take_batch()
        try:
            self._commit_entries(taken)
        except sqlite3.Error as error:
            essential = [entry for entry in taken if entry.essential]
            if is_disk_full(error) and essential and self.disk_reserve.release():
                self._commit_essential(essential)
            _fail_all(taken, error)
        except Exception as error:
            _fail_all(taken, error)
        _wake_first(taken)
        self._batch = []

    def _commit_essential(self, essential: list[PendingWrite[Any]]) -> None:
        """Write the essential entries into the released disk reserve."""
        try:
            self._commit_entries(essential)
        except Exception as error:
            _fail_all(essential, error)

    def _commit_entries(self, entries: list[PendingWrite[Any]]) -> None:
        self._set_synchronous(durable=any(entry.durable for entry in entries))
        try:
            self._transact(entries, self._apply)
        except Exception as error:
            if is_file_error(error):
                raise
            # One of them fails. In savepoints of their own, it fails alone.
            self._transact(entries, self._apply_in_savepoint)

    def _transact(
        self, entries: list[PendingWrite[Any]], perform: Callable[[PendingWrite[Any]], None]
    ) -> None:
        committing = False
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            for entry in entries:
                perform(entry)
            committing = True
            self.connection.execute("COMMIT")
            _mark_done(entries)
        except BaseException as error:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            elif committing and not isinstance(error, Exception):
                # The interrupt came after the commit.
                _mark_done(entries)
            raise

    def _set_synchronous(self, *, durable: bool) -> None:
        """Set whether the next commit waits for the fsync; the file stays consistent without."""
        if durable is not self._durable:
            self._durable = None
            self.connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable

    def _apply(self, entry: PendingWrite[Any]) -> None:
        entry.error = None
        entry.result = entry.write(self.connection)

    def _apply_in_savepoint(self, entry: PendingWrite[Any]) -> None:
        """Apply one write; if it fails, the others of its transaction stay."""
        entry.result = entry.error = None
        try:
            entry.result = self._in_savepoint(entry.write)
        except Exception as error:
            if is_file_error(error):
                raise
            entry.error = error
            if not entry.awaited:
                _log.warning("a change could not be written to the ledger: %s", error)


def _mark_done(entries: list[PendingWrite[Any]]) -> None:
    for entry in entries:
        entry.done = True


def _wake_first(entries: list[PendingWrite[Any]]) -> None:
    """Wake the first thread, which wakes the next: together, they would compete for the GIL."""
    waiting = [entry for entry in entries if entry.awaited]
    for entry, after in pairwise(waiting):
        entry.next_waiter = after
    if waiting:
        waiting[0].wakeup.put(None)


def _wake_next(entry: PendingWrite[Any]) -> None:
    after = entry.next_waiter
    while after is not None and not after.awaited:
        after = after.next_waiter
    if after is not None:
        after.wakeup.put(None)


def _fail_all(entries: list[PendingWrite[Any]], error: Exception) -> None:
    for entry in entries:
        entry.fail(error)
