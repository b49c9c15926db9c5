"""A connection to PostgreSQL that takes the ledger's queries, which SQLite takes, too."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from wanflow._database_url import without_password
from wanflow.errors import LedgerError
from wanflow.ledger.postgres.schema import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 10,
    "fallback_application_name": "wanflow",
    # A connection that is used rarely isn't dropped on the way, and a dead one is noticed.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
if psycopg.pq.version() >= 120_000:  # noqa: PLR2004 - the first libpq that has it
    # Where a machine is gone, a system by itself waits for a quarter of an hour (milliseconds).
    _DEFAULTS["tcp_user_timeout"] = 30_000
# The owner's lock is lost with its connection, so the server may not end an idle one.
_SETTINGS = {
    "search_path": SCHEMA,
    "client_encoding": "UTF8",
    "lock_timeout": "30s",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "statement_timeout": "0",
}
# Servers of older versions lack some.
_SET = """
    SELECT set_config(name, value, false)
    FROM unnest(%s::text[], %s::text[]) AS wanted (name, value)
    WHERE current_setting(name, true) IS NOT NULL
"""

RawConnection: TypeAlias = "psycopg.Connection[Row]"


class Row:
    """A row that gives its values by position and by name, as those of SQLite do."""

    __slots__ = ("_names", "_values")

    def __init__(self, values: Sequence[Any], names: dict[str, int]) -> None:
        self._values, self._names = values, names

    def __getitem__(self, which: int | str) -> Any:
        return self._values[self._names[which] if isinstance(which, str) else which]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _row_factory(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], Row]:
    names = {column.name: place for place, column in enumerate(cursor.description or ())}
    return lambda values: Row(values, names)


class PostgresConnection:
    """Executes queries in which `?` stands for each value."""

    def __init__(self, raw: RawConnection) -> None:
        self.raw = raw

    def execute(self, query: str, values: Sequence[Any] = (), /) -> psycopg.Cursor[Row]:
        """Execute one query."""
        return self.raw.execute(_with_placeholders(query), values)


@cache
def _with_placeholders(query: str) -> bytes:
    return query.replace("%", "%%").replace("?", "%s").encode()


def connect(url: str) -> RawConnection:
    """Connect to a database.

    Raises:
        LedgerError: the URL is malformed.
        psycopg.Error: the server can't be reached, or refuses.
    """
    raw = psycopg.Connection[Row].connect(conninfo(url), autocommit=True, row_factory=_row_factory)
    try:
        raw.execute(_SET, [list(_SETTINGS), list(_SETTINGS.values())])
    except BaseException:
        raw.close()
        raise
    return raw


def conninfo(url: str) -> str:
    """Return the URL of a database as libpq takes it, with this library's defaults.

    Raises:
        LedgerError: the URL is malformed.
    """
    try:
        given: dict[str, Any] = conninfo_to_dict(url)
    except psycopg.Error:
        # Its message may repeat a part of the URL, with the password.
        shown = without_password(url)
        raise LedgerError(
            f"ledger {shown}: it is no URL of a database; it should be like "
            "postgresql://user:password@host:5432/database",
            path=shown,
        ) from None
    several = "," in str(given.get("host", ""))
    primary = {"target_session_attrs": "read-write"} if several else {}
    parameters: dict[str, Any] = {**_DEFAULTS, **primary, **given}
    return make_conninfo(**parameters)
