"""What the store and its writer need of a database: SQLite's file, or one of PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

T = TypeVar("T")


class Cursor(Protocol):
    """The rows of one query; a row gives its values by position and by name."""

    @property
    def rowcount(self) -> int:
        """How many rows the query changed."""
        ...

    def fetchone(self) -> Any:
        """Return the next row; None after the last one."""
        ...

    def fetchall(self) -> list[Any]:
        """Return all rows."""
        ...

    def __iter__(self) -> Iterator[Any]: ...

    def close(self) -> object:
        """Forget the rows."""
        ...


class Connection(Protocol):
    """Executes queries in which `?` stands for each value."""

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Cursor:
        """Execute one query."""
        ...


class Check(Protocol):
    """Called in the transaction that writes a submission; what it raises undoes the write."""

    @property
    def lock(self) -> str:
        """Names what it reads; between the check and the commit, no other process checks that."""
        ...

    def __call__(self, connection: Connection, /) -> None:
        """Raise an error unless the submission is allowed."""
        ...


class Transactions(Protocol):
    """How transactions begin and end. Only the thread of the writer uses it."""

    @property
    def connection(self) -> Connection:
        """The connection that writes."""
        ...

    def begin(self, *, durable: bool) -> None:
        """Begin a transaction; where it is durable, `commit` waits until it is on the disk."""
        ...

    def check_transaction(self) -> None:
        """Check that the transaction has not been rolled back by an error.

        Raises:
            Exception: it has.
        """
        ...

    def commit(self) -> None:
        """Commit the transaction. If this raises, nothing of it is stored."""
        ...

    def roll_back(self) -> None:
        """Roll the transaction back, if there is one."""
        ...

    def fails_all(self, error: BaseException) -> bool:
        """Return whether an error concerns the database, not only the value to be written."""
        ...

    def may_repeat(self, error: BaseException) -> bool:
        """Return whether the transaction may succeed if it is repeated immediately."""
        ...

    def make_room(self, error: BaseException) -> bool:
        """Return whether disk space that was reserved is free now, after such an error."""
        ...


class Database(Transactions, Protocol):
    """A database of jobs: what is read from it, and which owners are alive.

    Only the thread of the writer calls its methods, but for those that say that any thread may.
    """

    @property
    def name(self) -> str:
        """The path or the URL, without a password."""
        ...

    def read(self, read: Callable[[Connection], T]) -> T:
        """Call a function that only reads, in any thread; it may be called again."""
        ...

    def prepare(self) -> None:
        """Prepare, in any thread, for the record of a submission.

        Raises:
            OSError: the disk is full.
        """
        ...

    def check(self) -> None:
        """Check that a submission can be recorded durably.

        Raises:
            LedgerError: the files of the ledger were replaced.
        """
        ...

    @property
    def owner_id(self) -> int | None:
        """The id of this process as an owner; None until it is registered."""
        ...

    def register_owner(self) -> int:
        """Add this process to the owners, in the transaction, and return its id."""
        ...

    def forget_owner(self) -> None:
        """Note that the registration was rolled back."""
        ...

    def unregister_owner(self) -> Callable[[], object]:
        """Remove this process from the owners, and so release its jobs.

        Returns what to call if that is rolled back.
        """
        ...

    def is_alive(self, connection: Connection, token: str, *, uncertain: bool) -> bool:
        """Return, in any thread, whether the owner with a token may work on an uncertain job.

        If not `uncertain`, on any other job: two processes may wait for a task, but not submit it.
        """
        ...

    def release_dead(self) -> None:
        """Remove the owners that are not alive, and so release their jobs."""
        ...

    def lock_jobs(self, ids: Sequence[int]) -> Collection[int] | None:
        """Lock jobs until the commit, and return those that are not in a queue.

        None where no other process can have changed them since the transaction began.
        """
        ...

    def lock(self, name: str) -> None:
        """Wait until no other process has locked the name, and lock it until the commit."""
        ...

    def translate(self, error: BaseException) -> BaseException:
        """Return a LedgerError in place of an error of the database; any other error itself."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...
