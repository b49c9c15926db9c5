"""The writes of a worker: those that wait share one transaction and one commit, in a thread."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
from attrs import define, field, frozen

from wanflow._core.effects import Outcome
from wanflow.queue.database import Database, is_lost, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psycopg import Connection

    from wanflow._core.effects import Deliver
    from wanflow.queue.engine import Engine, NextStep


@define(eq=False)
class Transaction:
    """A transaction of some writes: the queue rows that it adds and removes are written last.

    `intends` is whether it lets jobs be sent.
    """

    connection: Connection[Any]
    steps: list[NextStep] = field(factory=list["NextStep"])
    finished: list[int] = field(factory=list[int])
    intends: bool = False


class _Memory(Protocol):
    """What `wanflow.queue.restore.Memory` does for transactions with intents."""

    def require_settled(self) -> None: ...

    def mark_intents(self, connection: Connection[Any]) -> Any: ...

    def remember_intents(self, mark: Any) -> None: ...


@frozen
class _Entry:
    """A function that waits for its transaction, with the batch of its job."""

    batch: int | None
    function: Callable[[], Any]
    deliver: Deliver


@define(eq=False)
class Writes:
    """Runs functions that use `transaction`, each of which writes one step of one job.

    A transaction has the jobs of one batch only, so it locks the credits of one batch at most: a
    job first, then the credits. So two transactions never wait for each other.
    """

    database: Database
    engine: Engine
    memory: _Memory | None = None
    _queue: SimpleQueue[_Entry | None] = field(factory=SimpleQueue["_Entry | None"])
    _thread: Thread | None = None
    _lock: Lock = field(factory=Lock)
    _current: Transaction | None = None

    @property
    def transaction(self) -> Transaction:
        """The transaction of the function that is being called."""
        assert self._current is not None
        return self._current

    def begin_intent(self) -> None:
        """Note that the transaction lets a job be sent.

        Raises:
            DatabaseLost: nothing may be sent yet.
        """
        if self.memory is not None:
            self.memory.require_settled()
            self.transaction.intends = True

    def submit(self, batch: int | None, function: Callable[[], Any], deliver: Deliver) -> None:
        """Call a function in a transaction that it shares with others; pass on its outcome."""
        if self._thread is None:
            self._thread = Thread(target=self._serve, name="wanflow-writes", daemon=True)
            self._thread.start()
        self._queue.put(_Entry(batch, function, deliver))

    def close(self) -> None:
        """Write what waits, and end the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()

    def run(self, functions: Sequence[Callable[[], Any]]) -> list[Outcome]:
        """Call functions in one transaction; return their outcomes when it is committed.

        If the database refuses something, each is called again by itself, so that only its own
        failure counts. What a function raises otherwise undoes nothing: it has written nothing.
        """
        with self._lock:
            try:
                return self._run(functions)
            except psycopg.Error as error:
                if len(functions) == 1 or is_lost(error):
                    return [Outcome(error=translated(error)) for _ in functions]
            except Exception as error:
                return [Outcome(error=error) for _ in functions]
            return [self._run_alone(function) for function in functions]

    def _run_alone(self, function: Callable[[], Any]) -> Outcome:
        try:
            return self._run([function])[0]
        except psycopg.Error as error:
            return Outcome(error=translated(error))
        except Exception as error:
            return Outcome(error=error)

    def _run(self, functions: Sequence[Callable[[], Any]]) -> list[Outcome]:
        mark = None
        with self.database.raw_transaction() as connection:
            current = self._current = Transaction(connection)
            try:
                ends = [Outcome.capture(function) for function in functions]
                for end in ends:
                    if isinstance(end.error, psycopg.Error):
                        raise end.error
                self.engine.put(connection, current.steps)
                self.engine.finish(connection, current.finished)
                if self.memory is not None and current.intends:
                    mark = self.memory.mark_intents(connection)
            finally:
                self._current = None
        if self.memory is not None and mark is not None:
            self.memory.remember_intents(mark)
        return ends

    def _serve(self) -> None:
        while (first := self._queue.get()) is not None:
            entries, last = [first], False
            while not last:
                try:
                    more = self._queue.get_nowait()
                except Empty:
                    break
                if more is None:
                    last = True
                else:
                    entries.append(more)
            for batch in dict.fromkeys(entry.batch for entry in entries):
                self._write([entry for entry in entries if entry.batch == batch])
            if last:
                return

    def _write(self, entries: list[_Entry]) -> None:
        ends = self.run([entry.function for entry in entries])
        wakes = [entry.deliver(end) for entry, end in zip(entries, ends, strict=True)]
        # The same event loop is woken once.
        for wake in dict.fromkeys(wakes):
            if wake is not None:
                wake()
