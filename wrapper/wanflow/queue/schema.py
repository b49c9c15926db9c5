"""The tables of a queue, beside those of the ledger in the schema `wanflow`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from wanflow.errors import ConfigurationError
from wanflow.ledger.ledger import Ledger
from wanflow.ledger.postgres.owner import QUEUE_OWNER
from wanflow.ledger.postgres.pooler import require_session
from wanflow.ledger.postgres.schema import MIGRATIONS as LEDGER_MIGRATIONS
from wanflow.queue.database import Database
from wanflow.queue.engine import SCHEMA, Engine

if TYPE_CHECKING:
    from psycopg import Connection

# Entry N migrates from version N to N + 1. Published entries never change.
MIGRATIONS: tuple[str, ...] = (
    f"""
    CREATE TABLE {SCHEMA}.batch (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL UNIQUE,
        server bigint NOT NULL REFERENCES {SCHEMA}.place,
        folder bigint NOT NULL REFERENCES {SCHEMA}.place,
        max_credits float8,
        reserved float8 NOT NULL DEFAULT 0,
        unpriced bigint,
        resubmit boolean NOT NULL DEFAULT false,
        halted text,
        created float8 NOT NULL
    );
    CREATE TABLE {SCHEMA}.rate (
        server bigint NOT NULL REFERENCES {SCHEMA}.place,
        key bytea NOT NULL,
        per_second float8 NOT NULL,
        tokens float8 NOT NULL DEFAULT 0,
        filled float8 NOT NULL,
        paused_until float8 NOT NULL DEFAULT 0,
        slowed float8 NOT NULL DEFAULT 0,
        PRIMARY KEY (server, key)
    );
    CREATE TABLE {SCHEMA}.callback (
        key text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX callback_at ON {SCHEMA}.callback (at);
    ALTER TABLE {SCHEMA}.job
        ADD COLUMN step integer NOT NULL DEFAULT 0,
        ADD COLUMN batch bigint REFERENCES {SCHEMA}.batch,
        ADD COLUMN line integer,
        ADD COLUMN tries integer NOT NULL DEFAULT 0,
        ADD COLUMN parked text,
        ADD COLUMN reserved float8,
        ADD COLUMN token bigint,
        ADD COLUMN sending_until float8,
        ADD COLUMN resend boolean NOT NULL DEFAULT false,
        ADD COLUMN schedule text;
    INSERT INTO {SCHEMA}.holder (token, process) VALUES ('{QUEUE_OWNER}', 0);
    CREATE INDEX job_batch ON {SCHEMA}.job (batch, state) WHERE batch IS NOT NULL;
    """,  # noqa: S608 - our own names
    f"ALTER TABLE {SCHEMA}.job ADD COLUMN notified boolean NOT NULL DEFAULT false",
    f"""
    CREATE TABLE {SCHEMA}.early_callback (
        task text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now()
    )
    """,
    f"ALTER TABLE {SCHEMA}.batch ADD COLUMN canceled float8",
    f"""
    ALTER TABLE {SCHEMA}.queue_version ADD COLUMN origin text;
    CREATE MATERIALIZED VIEW {SCHEMA}.cluster AS SELECT system_identifier FROM pg_control_system()
    """,  # noqa: S608
    f"""
    ALTER TABLE {SCHEMA}.queue_version ADD COLUMN queue uuid NOT NULL DEFAULT gen_random_uuid();
    CREATE TABLE {SCHEMA}.mark (worker uuid PRIMARY KEY, number bigint NOT NULL)
    """,
)
"""
`batch`: the jobs that one command enqueued; `reserved` is what its jobs cost or may cost,
`unpriced` the one job in flight whose price isn't known, and `canceled` when it was canceled last.
`rate`: the token bucket of a key, by its hash. `callback`: the callbacks that were handled.
`early_callback`: tasks whose callbacks came before a job had them. `job`: `step` numbers the steps
of a job, and is the fence of every write; `token` names its last intent, and `sending_until` is
when the request of that has certainly ended; `schedule` is what its polls have shown, and
`notified` whether a callback came while it was being polled. `queue_version`: `origin` names the
tables by numbers that a restore from a dump doesn't keep; `queue` names the queue until a restore.
`mark`: the last mark of each worker process, which it remembers, too. `cluster`: the server's
files, whose number `pg_upgrade` keeps here, while a restore from a dump reads it anew.

Workers of the version before run for up to a sweep after a migration: it leaves what they use.
"""
_LOCK = 0x77666C71
VERSION_TABLE = f"{SCHEMA}.queue_version"
ORIGIN = f"""
    SELECT oid || ' ' || '{SCHEMA}.job'::regclass::oid || ' ' || system_identifier
    FROM pg_database, {SCHEMA}.cluster WHERE datname = current_database()
"""  # noqa: S608 - our own names
RESTORED = (
    "the queue was restored from a backup, so jobs that are planned in it may have been paid for: "
    "stop all workers, then run wanflow queue restored"
)
_LEDGER = f"SELECT coalesce(max(version), 0) FROM {SCHEMA}.wanflow_schema"  # noqa: S608


@frozen
class Initialized:
    """How many changes were made, and whether a commit is on one machine only."""

    changes: int
    single_copy: bool


def initialize(url: str) -> Initialized:
    """Create or migrate the tables of the ledger and of the queue in a database.

    Raises:
        ConfigurationError: the tables are of a newer version.
        LedgerError: the database can't be reached, or refuses it.
    """
    Ledger(url).close()
    with Database(url) as database:
        changes = database.transact(install)
        with database.connection() as connection:
            return Initialized(changes, without_standby(connection))


def install(connection: Connection[Any]) -> int:
    """Create or migrate the tables of the queue in a transaction; return the number of changes.

    The tables of the ledger exist already. Any number of processes may do this concurrently.

    Raises:
        ConfigurationError: the tables are of a newer version.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    connection.execute(f"CREATE TABLE IF NOT EXISTS {VERSION_TABLE} (version integer NOT NULL)")
    before = _version(connection) or 0
    _require_supported(before)
    Engine.install(connection)
    for script in MIGRATIONS[before:]:
        connection.execute(script.encode())
    if not before:
        connection.execute(f"INSERT INTO {VERSION_TABLE} VALUES (0)")  # noqa: S608 - our own name
    connection.execute(
        f"UPDATE {VERSION_TABLE} SET version = %s, origin = coalesce(origin, ({ORIGIN}))".encode(),  # noqa: S608
        [len(MIGRATIONS)],
    )
    return len(MIGRATIONS) - before


def require_installed(database: Database) -> None:
    """Check that the tables exist in this version, and that a connection has its own session.

    Raises:
        ConfigurationError: they don't.
        LedgerError: a pooler gives each transaction another session.
        DatabaseLost: the database can't be reached.
    """
    with database.connection() as connection:
        require_session(connection, database.url)
        _require_version(connection)


def require_workable(database: Database) -> None:
    """Check that the tables exist in this version, and that they weren't restored from a dump.

    Raises:
        ConfigurationError: something else is the case.
        DatabaseLost: the database can't be reached.
    """
    with database.connection() as connection:
        check_workable(connection)


def check_workable(connection: Connection[Any]) -> None:
    """Check the same by a connection.

    Raises:
        ConfigurationError: something else is the case.
    """
    _require_version(connection)
    query = f"SELECT origin IS DISTINCT FROM ({ORIGIN}) FROM {VERSION_TABLE}"  # noqa: S608
    found = connection.execute(query.encode()).fetchone()
    if found is not None and found[0]:
        raise ConfigurationError(RESTORED)


def _require_version(connection: Connection[Any]) -> None:
    found = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [VERSION_TABLE]).fetchone()
    version = (_version(connection) or 0) if found and found[0] else 0
    if not version:
        raise ConfigurationError("the database has no queue: run wanflow queue init URL")
    _require_supported(version)
    if version < len(MIGRATIONS):
        raise _older("queue", version, len(MIGRATIONS))
    found = connection.execute(_LEDGER.encode()).fetchone()
    ledger: int = 0 if found is None else found[0]
    if ledger > len(LEDGER_MIGRATIONS):
        raise _newer("ledger of the queue", ledger, len(LEDGER_MIGRATIONS))
    if ledger < len(LEDGER_MIGRATIONS):
        raise _older("ledger of the queue", ledger, len(LEDGER_MIGRATIONS))


def open_queue(url: str) -> Database:
    """Connect to a database that has a queue; the caller closes the connection.

    Raises:
        ConfigurationError: it has none in this version.
        LedgerError: it can't be reached, or by a pooler that shares sessions.
    """
    database = Database(url)
    try:
        require_installed(database)
    except BaseException:
        database.close()
        raise
    return database


def without_standby(connection: Connection[Any]) -> bool:
    """Return whether a commit is on one machine only, so that its loss loses paid jobs."""
    query = "SELECT current_setting('synchronous_standby_names') = ''"
    found = connection.execute(query).fetchone()
    return found is not None and bool(found[0])


def _version(connection: Connection[Any]) -> int | None:
    found = connection.execute(f"SELECT max(version) FROM {VERSION_TABLE}").fetchone()  # noqa: S608
    return None if found is None else found[0]


def _require_supported(version: int) -> None:
    if version > len(MIGRATIONS):
        raise _newer("queue", version, len(MIGRATIONS))


def _newer(what: str, version: int, known: int) -> ConfigurationError:
    return ConfigurationError(
        f"the {what} has version {version}, and this wanflow supports versions up to {known}; "
        "use a newer wanflow"
    )


def _older(what: str, version: int, known: int) -> ConfigurationError:
    return ConfigurationError(
        f"the {what} has version {version}, and this wanflow needs version {known}: run wanflow "
        "queue init URL"
    )
