"""A queue that was restored from a backup: what is planned in it may have been paid for."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from wanflow import _regular_file as regular_file
from wanflow.errors import ConfigurationError
from wanflow.queue.engine import SCHEMA
from wanflow.queue.schema import ORIGIN, RESTORED, VERSION_TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg import Connection

    from wanflow.queue.database import Database

# Whatever was planned or was to be sent again may have been sent since the backup.
_UNCERTAIN = f"""
    UPDATE {SCHEMA}.job AS job SET state = 'uncertain', step = job.step + 1, resend = false,
        reason = 'restored from a backup',
        reserved = CASE WHEN job.state = 'uncertain' THEN job.reserved
            WHEN batch.max_credits IS NOT NULL THEN 0 END
    FROM {SCHEMA}.batch AS batch
    WHERE batch.id = job.batch AND (job.state = 'planned' OR job.state = 'uncertain' AND job.resend)
"""  # noqa: S608
# What workers remember is of the queue before.
_GO_ON = f"UPDATE {VERSION_TABLE} SET origin = ({ORIGIN}), queue = gen_random_uuid(), marks = 0"  # noqa: S608


def acknowledge_restore(database: Database) -> int:
    """Let workers go on after a restore from a backup; return how many jobs are uncertain now.

    These are all that were planned: they may have been sent since the backup.
    """

    def write(connection: Connection[Any]) -> int:
        count = connection.execute(_UNCERTAIN.encode()).rowcount
        connection.execute(_GO_ON.encode())
        return count

    return database.transact(write)


def refuse_older(database: Database, folder: Path) -> None:
    """Check that the database isn't older than what workers remember of it in a folder.

    Each check leaves a mark in both, so that the next one finds a database without it: a restored
    base backup or snapshot, or a standby that lacked commits. No worker goes on with that.

    Raises:
        ConfigurationError: it is older.
        DatabaseLost: the database can't be reached.
    """
    with database.connection() as connection:
        queue = str(_value(connection, f"SELECT queue FROM {VERSION_TABLE}"))  # noqa: S608
        # Read before the mark is made: another process of the folder may remember a later one then.
        path = folder / f"{queue}.mark"
        remembered = _remembered(path)
        made = _value(connection, f"UPDATE {VERSION_TABLE} SET marks = marks + 1 RETURNING marks")  # noqa: S608
        if made <= remembered:
            connection.execute(f"UPDATE {VERSION_TABLE} SET origin = ''")  # noqa: S608
            raise ConfigurationError(RESTORED)
    with suppress(OSError):
        regular_file.write_atomically(path, str(made).encode(), durable=False)


def _remembered(path: Path) -> int:
    """Return the number of the last mark; 0 if none is remembered."""
    try:
        return int(regular_file.read(path, 100))
    except (OSError, ValueError):
        return 0


def _value(connection: Connection[Any], query: str) -> Any:
    found = connection.execute(query.encode()).fetchone()
    assert found is not None
    return found[0]
