"""Writes of many threads in few transactions, since each fsync costs milliseconds."""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from queue import Empty, SimpleQueue
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from attrs import define, field

from wanflow._core.effects import Ended
from wanflow.errors import LedgerError
from wanflow.ledger.troubles import is_full

if TYPE_CHECKING:
    from wanflow.ledger.ballast import Ballast

T = TypeVar("T")

_PAUSE = 0.0002
"""Seconds that a commit waits for more writes, where several threads write: it pays for itself."""
_TURN = 0.5
"""Seconds after which a thread looks for itself whether its write is done; it is told before."""
Write = Callable[[sqlite3.Connection], T]


@define(eq=False)
class _Entry(Generic[T]):
    """One write that waits for its transaction; `turn` is told when it is done, or is to commit."""

    write: Write[T]
    durable: bool
    essential: bool
    turn: SimpleQueue[None] = field(factory=SimpleQueue[None])
    awaited: bool = True
    done: bool = False
    after: _Entry[Any] | None = field(default=None, repr=False)
    result: T | None = None
    error: Exception | None = None


@define(eq=False)
class Commits:
    """Writes to one connection: whoever comes first commits for all who have come by then.

    A durable write is on the disk when `now` returns; another one is in the file, and may be
    undone by a power failure, not by the end of the process.
    """

    connection: sqlite3.Connection
    ballast: Ballast
    # Appending and taking from the left are whole steps for all threads.
    _pending: deque[_Entry[Any]] = field(factory=deque[_Entry[Any]], repr=False)
    _writing: Lock = field(factory=Lock, repr=False)
    _durable: bool | None = None
    _company: int = 0
    # The thread whose functions share a transaction now, and what broke it.
    _writer: int | None = None
    _broken: sqlite3.Error | None = None

    @property
    def shared(self) -> bool:
        """Whether the thread that asks is inside `together`."""
        return self._writer == get_ident()

    def together(self, functions: Sequence[Callable[[], Any]]) -> list[Ended] | None:
        """Call functions that write, all in one durable transaction → what each came to.

        None where it was undone as a whole: none of their writes is kept.

        Raises:
            sqlite3.Error: it could not begin, and no function was called.
        """
        with self._writing:
            self._choose(durable=True)
            self.connection.execute("BEGIN IMMEDIATE")
            self._writer, self._broken = get_ident(), None
            try:
                ends = [self._ended(function) for function in functions]
                self.connection.execute("COMMIT")
            except sqlite3.Error:
                ends = None
            finally:
                self._writer = None
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
        self._call_next()
        return ends

    def _ended(self, function: Callable[[], Any]) -> Ended:
        try:
            ended = Ended(function())
        except Exception as error:
            ended = Ended(error=error)
        if self._broken is not None:
            raise self._broken
        return ended

    def _at_once(self, write: Write[T]) -> T:
        """Write in the transaction that is shared; what can't be done is undone alone."""
        try:
            self.connection.execute("SAVEPOINT entry")
            try:
                return write(self.connection)
            except (sqlite3.IntegrityError, LedgerError):
                self.connection.execute("ROLLBACK TO entry")
                raise
            finally:
                self.connection.execute("RELEASE entry")
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            self._broken = error
            raise

    def later(self, write: Write[Any]) -> None:
        """Add a write to the next commit, at once."""
        if self.shared:
            self._at_once(write)
            return
        self._pending.append(_Entry(write, durable=False, essential=True, awaited=False))

    def now(self, write: Write[T], *, durable: bool = False, essential: bool = True) -> T:
        """Write, and return what the write returned once it is committed.

        Args:
            write: what to do; it may be undone and done again.
            durable: whether to wait for the disk.
            essential: whether it may use the room that is kept for when the disk is full.

        Raises:
            sqlite3.Error: the write or the commit failed.
            LedgerError: what the write raised itself.
        """
        if self.shared:
            return self._at_once(write)
        entry = _Entry(write, durable, essential)
        self._pending.append(entry)
        try:
            while not entry.done:
                self._further(entry)
        finally:
            entry.awaited = False
            _pass_on(entry)
        if entry.error is not None:
            raise entry.error
        return cast("T", entry.result)

    def _further(self, entry: _Entry[Any]) -> None:
        """Commit all that is pending, or sleep while another thread does."""
        if not self._writing.acquire(blocking=False):
            _sleep(entry)
            return
        try:
            if not entry.done:
                self._gather()
                self._commit()
        finally:
            self._writing.release()
        self._call_next()

    def _gather(self) -> None:
        """Give those time to come who shared the last commit, or have come: they are many."""
        if max(self._company, len(self._pending)) > 1:
            time.sleep(_PAUSE)
        self._company = len(self._pending)

    def flush(self) -> None:
        """Commit what was added."""
        if self._pending and not self.shared:
            self.now(lambda _: None)

    def _call_next(self) -> None:
        """Have the first of those who came in the meantime commit."""
        first = next((entry for entry in tuple(self._pending) if entry.awaited), None)
        if first is not None:
            first.turn.put(None)

    def _commit(self) -> None:
        taken = [self._pending.popleft() for _ in range(len(self._pending))]
        try:
            self._attempt(taken)
        except LedgerError as error:
            _fail(taken, error)
        except sqlite3.Error as error:
            essential = [entry for entry in taken if entry.essential]
            if is_full(error) and essential and self.ballast.drop():
                self._only(essential)
            _fail(taken, error)
        finally:
            # After an interrupt nobody knows; a write that says it failed is the safe answer.
            _fail(taken, LedgerError("the write to the ledger was interrupted"))
            _wake(taken)

    def _only(self, essential: list[_Entry[Any]]) -> None:
        """Write what is essential into the room that was kept for it."""
        try:
            self._attempt(essential)
        except sqlite3.Error as error:
            _fail(essential, error)

    def _attempt(self, entries: list[_Entry[Any]]) -> None:
        self._choose(durable=any(entry.durable for entry in entries))
        try:
            self._transact(entries, self._perform)
        except (sqlite3.IntegrityError, LedgerError):
            if len(entries) == 1:
                raise
            # One of them can't be done. Apart from each other, it fails alone.
            self._transact(entries, self._perform_apart)

    def _transact(self, entries: list[_Entry[Any]], perform: Callable[[_Entry[Any]], None]) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            for entry in entries:
                perform(entry)
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise
        for entry in entries:
            entry.done = True

    def _choose(self, *, durable: bool) -> None:
        """Have the next commit wait for the disk or not; not waiting damages nothing either."""
        if durable is not self._durable:
            self.connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable

    def _perform(self, entry: _Entry[Any]) -> None:
        entry.result = entry.write(self.connection)

    def _perform_apart(self, entry: _Entry[Any]) -> None:
        """Do one write; where it can't be done, the others of its transaction still are."""
        self.connection.execute("SAVEPOINT entry")
        try:
            self._perform(entry)
        except (sqlite3.IntegrityError, LedgerError) as error:
            entry.result, entry.error = None, error
            self.connection.execute("ROLLBACK TO entry")
        self.connection.execute("RELEASE entry")


def _sleep(entry: _Entry[Any]) -> None:
    with suppress(Empty):
        entry.turn.get(timeout=_TURN)


def _wake(entries: list[_Entry[Any]]) -> None:
    """Wake the first thread, which wakes the next: woken together, they'd fight to run."""
    waiting = [entry for entry in entries if entry.awaited]
    for entry, after in pairwise(waiting):
        entry.after = after
    if waiting:
        waiting[0].turn.put(None)


def _pass_on(entry: _Entry[Any]) -> None:
    after = entry.after
    while after is not None and not after.awaited:
        after = after.after
    if after is not None:
        after.turn.put(None)


def _fail(entries: list[_Entry[Any]], error: Exception) -> None:
    for entry in entries:
        if not entry.done:
            entry.done, entry.error = True, error
