"""The thread that writes a ledger: all writes that wait share one transaction and one fsync.

Only this thread uses the writing connection. An interrupt is raised in the thread that waits for
its write, so it never ends a transaction half-way.
"""

from __future__ import annotations

import logging
import os
import time
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import pairwise
from queue import Empty, SimpleQueue
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define, field

from wanflow._core.effects import Outcome
from wanflow.ledger.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wanflow._core.effects import Deliver
    from wanflow.ledger.connection import Transactions

T = TypeVar("T")
Write = Callable[[Connection], T]

_log = logging.getLogger("wanflow")
_COMMIT_DELAY = 0.0002
"""Seconds in which no write comes before a commit begins, if the last one had several."""
_MAX_COMMIT_DELAYS = 50
"""How often a commit waits so long at most."""
_FLUSH_DELAY = 0.5
"""Seconds after which buffered changes are written at the latest."""
_MAX_TRIES = 5
"""How often a transaction is tried that failed because of others, or of its connection."""
_CALL, _DROP = "call", "drop"
_CHECK_INTERVAL = 0.5
"""Seconds after which a waiting thread checks whether the writer's thread is alive."""


def _locked() -> Lock:
    lock = Lock()
    lock.acquire()
    return lock


@define(eq=False)
class _Entry:
    """A function that waits for its transaction, and the thread or task that waits for it."""

    function: Callable[[], Any]
    durable: bool
    essential: bool
    deliver: Deliver | None = None
    outcome: Outcome = field(factory=Outcome, init=False)
    done: bool = field(default=False, init=False)
    next_waiting: _Entry | None = field(default=None, init=False, repr=False)
    _finished: Lock = field(factory=_locked, init=False, repr=False)
    _decision: dict[None, str] = field(factory=dict[None, str], init=False, repr=False)

    def decide(self, decision: str) -> bool:
        """Decide once whether the function is called or dropped; return whether this is so."""
        return self._decision.setdefault(None, decision) == decision

    @property
    def awaited(self) -> bool:
        """Whether a thread waits for it, which didn't drop it."""
        return self.deliver is None and self._decision.get(None) != _DROP

    def call(self) -> None:
        """Call the function, unless it was dropped."""
        if self.decide(_CALL):
            self.outcome = Outcome.capture(self.function)

    def wake(self) -> None:
        """Wake the thread that waits."""
        self._finished.release()

    def wait(self) -> None:
        """Wait for the outcome, for a limited time: an interrupted wait may have been woken."""
        self._finished.acquire(timeout=_CHECK_INTERVAL)


class Writer:
    """Writes to a connection in a thread of its own.

    A durable write is on the disk when `write` returns. Another write survives the end of the
    process, but not a power failure. `flush` writes what is buffered; it is called half a second
    after `flush_later`.
    """

    def __init__(
        self, transactions: Transactions, flush: Callable[[Writer], object] = lambda _: None
    ) -> None:
        self.transactions, self._flush = transactions, flush
        self._process = os.getpid()
        self._queue: SimpleQueue[_Entry | None] = SimpleQueue()
        self._flush_at: float | None = None
        self._flush_failed = False
        self._running = Lock()
        self._current: int | None = None
        self._last_size = 0
        # About the current transaction.
        self._undo: list[Callable[[], object]] = []
        self._begun = False
        self._essential = True
        self._fatal: Exception | None = None
        self._savepoints = self._write_failed = False
        self._stopped = False
        self._thread: int | None = None
        # The thread holds the lock until it ends.
        self._ended = allocate_lock()
        self._alive = self._start()

    @property
    def in_transaction(self) -> bool:
        """Whether the calling thread is the one that writes, in a transaction."""
        return self._current == get_ident()

    @property
    def busy(self) -> bool:
        """Whether writes are in a transaction that isn't committed."""
        return self._current is not None

    def write(self, write: Write[T], *, durable: bool = False, essential: bool = True) -> T:
        """Write, and return the result once it is committed.

        An interrupt is raised after an essential write is done; a second one is raised immediately.

        Args:
            write: the function that writes; it may be rolled back and called again.
            durable: whether to wait for the fsync.
            essential: whether it may use the disk reserve, and is written even if the caller is
                interrupted.

        Raises:
            Exception: what the write raised itself, or why it could not be committed.
        """
        if self.in_transaction:
            return self._write(write, essential)
        entry = _Entry(partial(self._write, write, essential), durable, essential)
        try:
            self._queue.put(entry)
            self._wait(entry)
        except BaseException:
            if essential:
                # The entry may or may not be queued; a second time does no harm.
                self._queue.put(entry)
            if essential or not entry.decide(_DROP):
                self._wait(entry)
            raise
        if entry.outcome.error is not None:
            raise entry.outcome.error
        return cast("T", entry.outcome.value)

    def submit(self, function: Callable[[], Any], deliver: Deliver) -> None:
        """Call a function that writes, in a durable transaction that it shares with others.

        `deliver` gets its outcome, in another thread, once it is committed. The function may be
        rolled back and called again.
        """
        self._queue.put(_Entry(function, durable=True, essential=False, deliver=deliver))
        if not self._alive:
            self._run_pending()

    def on_rollback(self, function: Callable[[], object]) -> None:
        """Call a function if the current write is rolled back."""
        self._undo.append(function)

    def flush_later(self) -> None:
        """Write what is buffered half a second from now at the latest."""
        if self._flush_at is None:
            self._flush_at = time.monotonic() + _FLUSH_DELAY
            self._queue.put(None)

    def stop(self) -> None:
        """Write what is queued or buffered, and end the thread.

        Later writes run in the calling thread.
        """
        if self._process == os.getpid():
            self._stopped = True
            self._queue.put(None)
            # The last reference to a ledger may be one of its own writes.
            if self._thread != get_ident():
                with self._ended:
                    self._run_pending()

    def _start(self) -> bool:
        """Start the thread that writes; False in a program that is ending.

        `threading` has locks of its own, which a thread that was interrupted may hold.
        """
        self._ended.acquire()
        try:
            start_new_thread(self._run, ())
        except RuntimeError:
            self._ended.release()
            return False
        return True

    def _wait(self, entry: _Entry) -> None:
        while not entry.done:
            if self._alive:
                entry.wait()
            else:
                self._run_pending()
        if entry.next_waiting is not None:
            entry.next_waiting.wake()

    def _run(self) -> None:
        self._thread = get_ident()
        try:
            while not self._stopped:
                self._commit(self._next_batch())
            if self._flush_at is not None:
                self._commit([self._flush_entry()])
        finally:
            self._alive = False
            self._ended.release()

    def _run_pending(self) -> None:
        """Write what is queued in the calling thread: the writer's thread has ended."""
        with self._running:
            self._commit(self._take_queued())

    def _next_batch(self) -> list[_Entry]:
        """Wait for writes or for the time of a flush, and return all that wait."""
        delay = None if self._flush_at is None else self._flush_at - time.monotonic()
        if delay is not None and delay <= 0:
            return [self._flush_entry(), *self._take_queued()]
        try:
            first = self._queue.get(timeout=delay)
        except Empty:
            return []
        if self._last_size > 1:
            self._wait_for_more()
        return ([] if first is None else [first]) + self._take_queued()

    def _wait_for_more(self) -> None:
        """Wait until no more writes come: beside threads that do something, this one is slow.

        It releases the GIL at each statement, and competes for it again.
        """
        for _ in range(_MAX_COMMIT_DELAYS):
            size = self._queue.qsize()
            time.sleep(_COMMIT_DELAY)
            if self._queue.qsize() == size:
                break

    def _take_queued(self) -> list[_Entry]:
        found: list[_Entry] = []
        with suppress(Empty):
            while True:
                entry = self._queue.get_nowait()
                if entry is not None:
                    found.append(entry)
        return found

    def _flush_entry(self) -> _Entry:
        self._flush_at = None
        flush = partial(self._flush, self)
        return _Entry(flush, durable=False, essential=True, deliver=self._flushed)

    def _flushed(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            if not self._flush_failed:
                _log.warning("the ledger can't be written, and is tried again: %s", outcome.error)
            self.flush_later()
        self._flush_failed = outcome.error is not None

    def _commit(self, entries: list[_Entry]) -> None:
        # An interrupted caller may have queued its entry a second time.
        taken = [entry for entry in dict.fromkeys(entries) if not entry.done]
        self._last_size = len(taken)
        if not taken:
            return
        self._current = get_ident()
        try:
            self._transact(taken)
        except BaseException as error:
            # No caller may wait for ever, and the thread goes on.
            self._roll_back()
            for entry in taken:
                entry.outcome = Outcome(error=error)
        finally:
            self._current = None
        _finish(taken)

    def _transact(self, entries: Sequence[_Entry]) -> None:
        """Call the functions in one transaction; if it fails, each in one of its own."""
        error = self._try(entries)
        if error is None:
            return
        if self._begun and len(entries) > 1:
            for entry in entries:
                self._transact([entry])
            return
        essential = [one for one in entries if (self._essential if self._begun else one.essential)]
        for entry in entries:
            entry.outcome = Outcome(error=error)
        if essential and self.transactions.make_room(error):
            for entry in essential:
                again = self._try([entry])
                if again is not None:
                    entry.outcome = Outcome(error=again)

    def _try(self, entries: Sequence[_Entry]) -> Exception | None:
        """Call functions in one transaction; return the error that rolled it back."""
        error = None
        for _ in range(_MAX_TRIES):
            error = self._call_all(entries, savepoints=False)
            if self._write_failed:
                # Only now each write gets a savepoint, so that it fails alone.
                error = self._call_all(entries, savepoints=True)
            if error is None or not self.transactions.may_repeat(error):
                break
        return error

    def _call_all(self, entries: Sequence[_Entry], *, savepoints: bool) -> Exception | None:
        self._begun, self._essential, self._fatal = False, True, None
        self._savepoints, self._write_failed = savepoints, False
        try:
            self.transactions.begin(durable=any(entry.durable for entry in entries))
            self._begun = True
            for entry in entries:
                entry.call()
                self._check_transaction()
                if self._write_failed:
                    self._roll_back()
                    return None
            self.transactions.commit()
        except Exception as error:
            self._roll_back()
            return error
        self._undo.clear()
        return None

    def _check_transaction(self) -> None:
        if self._fatal is not None:
            raise self._fatal
        self.transactions.check_transaction()

    def _roll_back(self) -> None:
        self.transactions.roll_back()
        self._run_undo(0)

    def _run_undo(self, start: int) -> None:
        while len(self._undo) > start:
            self._undo.pop()()

    def _write(self, write: Write[T], essential: bool) -> T:
        """Write in the transaction; note whether a failure concerns others as well."""
        self._essential &= essential
        try:
            if self._savepoints:
                return self._in_savepoint(write)
            return write(self.transactions.connection)
        except Exception as error:
            if self.transactions.fails_all(error):
                self._fatal = error
            elif not self._savepoints:
                self._write_failed = True
            raise

    def _in_savepoint(self, write: Write[T]) -> T:
        """Write in a savepoint: if the write fails, the others of the transaction stay."""
        start, connection = len(self._undo), self.transactions.connection
        connection.execute("SAVEPOINT entry")
        try:
            result = write(connection)
        except Exception as error:
            if not self.transactions.fails_all(error):
                connection.execute("ROLLBACK TO entry")
                connection.execute("RELEASE entry")
                self._run_undo(start)
            raise
        connection.execute("RELEASE entry")
        return result


def _finish(entries: list[_Entry]) -> None:
    """Pass the outcomes on. A thread wakes the next: together, they would compete for the GIL."""
    waiting = [entry for entry in entries if entry.awaited]
    for entry, after in pairwise(waiting):
        entry.next_waiting = after
    for entry in entries:
        entry.done = True
    for call in dict.fromkeys(map(_delivered, entries)):
        if call is not None:
            call()
    if waiting:
        waiting[0].wake()


def _delivered(entry: _Entry) -> Callable[[], object] | None:
    return None if entry.deliver is None else entry.deliver(entry.outcome)
