"""Open the store that a location names; only a PostgreSQL database needs the extra `queue`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from wanflow._database_url import without_password
from wanflow.errors import LedgerError
from wanflow.ledger.sqlite_database import SqliteDatabase
from wanflow.ledger.store import JobStore

if TYPE_CHECKING:
    from wanflow.ledger.protocol import Store


def open_store(location: Path | str) -> Store:
    """Open the store at a path or a URL.

    Raises:
        LedgerError: it can't be opened, or the extra `queue` isn't installed.
    """
    if isinstance(location, Path):
        return JobStore(SqliteDatabase(location))
    shown = without_password(location)
    if find_spec("psycopg") is None:
        raise LedgerError(
            f"ledger {shown}: a ledger in PostgreSQL needs the extra `queue`: "
            "pip install 'wanflow[queue]'",
            path=shown,
        )
    from wanflow.ledger.postgres.database import PostgresDatabase  # noqa: PLC0415 - needs psycopg

    return JobStore(PostgresDatabase(location))
