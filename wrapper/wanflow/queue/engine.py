"""The queue rows of steps: PgQueuer's table in the ledger's schema. No other module imports it.

A row carries the id of a job and the number of its step, and nothing else. So the table can be
emptied, and filled again from the ledger.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from attrs import frozen
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel, QueueEntrypoint, QueueManagerId
from psycopg import RawCursor
from psycopg.rows import dict_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psycopg import Connection

SCHEMA = "wanflow"
QUEUE = f"{SCHEMA}.queue"
# Rows of dead workers are returned by `return_abandoned`, which counts the deaths.
_NEVER_STALE = timedelta(days=3650)
_LOG = f"{SCHEMA}.queue_log"
# Nothing listens, and a notification would let only one transaction commit at a time. What
# happened to a job is in the ledger, so the log of its queue rows is never written.
_WITHOUT_LOG = f"""
    DROP TRIGGER IF EXISTS queue_trigger ON {QUEUE};
    CREATE OR REPLACE FUNCTION {SCHEMA}.discard_row() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN RETURN NULL; END';
    DROP TRIGGER IF EXISTS discard_log ON {_LOG};
    CREATE TRIGGER discard_log BEFORE INSERT ON {_LOG}
        FOR EACH ROW EXECUTE FUNCTION {SCHEMA}.discard_row();
"""
_RETURN_ABANDONED = f"""
    UPDATE {QUEUE} SET status = 'queued', queue_manager_id = NULL, attempts = attempts + 1
    WHERE id IN (
        SELECT id FROM {QUEUE}
        WHERE status = 'picked' AND heartbeat < now() - %s * interval '1 second'
        FOR UPDATE SKIP LOCKED
    )
"""  # noqa: S608 - our own names
_GIVE_BACK = f"""
    UPDATE {QUEUE} SET status = 'queued', queue_manager_id = NULL
    WHERE id = ANY(%s) AND status = 'picked' AND queue_manager_id = %s
"""  # noqa: S608

MAX_PRIORITY = 2_000_000_000
"""The priority of intents whose workers may be dead; downloads are below, polls have 0."""


class StepKind(StrEnum):
    """What a step does."""

    SUBMIT = "submit"
    POLL = "poll"
    DOWNLOAD = "download"
    RESOLVE = "resolve"
    """Decides about an intent whose worker may have died."""


_LEAST_PRIORITIES = {StepKind.RESOLVE: MAX_PRIORITY, StepKind.DOWNLOAD: 1}


@frozen
class QueueRow:
    """A step that this worker was given. `deaths` is how many workers died or stalled in it."""

    id: int
    kind: StepKind
    job: int
    step: int
    deaths: int


@frozen
class NextStep:
    """A step to enqueue, due after `delay` seconds of the database's clock.

    Of the steps that are due, those with the highest `priority` come first.
    """

    kind: StepKind
    server: int
    job: int
    step: int
    delay: float = 0.0
    priority: int = 0


def dedupe_key(job: int, step: int) -> str:
    """Return what only one row of the table may have: the SQL of the sweeper writes it, too."""
    return f"{job}:{step}"


def _settings() -> DBSettings:
    # All names are set: PgQueuer's own variables in the environment are for other programs.
    return DBSettings(
        prefix="",
        db_schema=SCHEMA,
        channel=Channel("ch_wanflow"),
        function="queue_changed",
        statistics_table="queue_statistics",
        queue_status_type="queue_status",
        queue_table="queue",
        queue_table_log="queue_log",
        trigger="queue_trigger",
        schedules_table="queue_schedules",
        durability=Durability.balanced,
    )


class Engine:
    """Takes, enqueues and removes queue rows. Each call is part of the caller's transaction."""

    def __init__(self) -> None:
        self._builder = QueryQueueBuilder(_settings())
        self._enqueue = self._builder.build_enqueue_query("skip")
        self._finish = self._builder.build_log_job_query()
        self._beat = self._builder.build_update_heartbeat_query()
        self._worker = QueueManagerId(uuid4())

    @staticmethod
    def install(connection: Connection[Any]) -> None:
        """Create the tables, if they don't exist."""
        found = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [QUEUE]).fetchone()
        if found is not None and not found[0]:
            environment = QueryBuilderEnvironment(_settings())
            # Without parameters, so that it may have several statements.
            connection.execute(environment.build_install_query(create_schema=False).encode())
            # Its rows change often, and which of them are due must be known to the planner.
            connection.execute(environment.build_optimize_autovacuum_query().encode())
        connection.execute(_WITHOUT_LOG.encode())

    def take(
        self, connection: Connection[Any], kinds: Iterable[StepKind], server: int, limit: int
    ) -> list[QueueRow]:
        """Take at most `limit` due steps of a server, which nobody else then gets."""
        names = [_entrypoint(kind, server) for kind in kinds]
        query = self._builder.build_dequeue_query(
            batch_size=limit,
            entrypoints=[QueueEntrypoint(name) for name in names],
            concurrency_limits=[0] * len(names),
            queue_manager_id=self._worker,
            global_concurrency_limit=None,
            heartbeat_timeout=_NEVER_STALE,
        )
        cursor = RawCursor(connection, row_factory=dict_row)
        return [_row(found) for found in cursor.execute(query.sql.encode(), query.args)]

    def put(self, connection: Connection[Any], steps: Sequence[NextStep]) -> None:
        """Enqueue steps; one that is in the table stays as it is."""
        if not steps:
            return
        rows = [
            (
                max(one.priority, _LEAST_PRIORITIES.get(one.kind, 0)),
                _entrypoint(one.kind, one.server),
                dedupe_key(one.job, one.step).encode(),
                timedelta(seconds=max(0.0, one.delay)),
                dedupe_key(one.job, one.step),
                None,
            )
            for one in steps
        ]
        columns = [list(column) for column in zip(*rows, strict=True)]
        RawCursor(connection).execute(self._enqueue.encode(), columns)

    def finish(self, connection: Connection[Any], rows: Sequence[int]) -> None:
        """Remove the rows of steps that are done."""
        if rows:
            values = [list(rows), ["successful"] * len(rows), [None] * len(rows)]
            RawCursor(connection).execute(self._finish.encode(), values)

    def beat(self, connection: Connection[Any], rows: Sequence[int]) -> None:
        """Extend the leases of steps in progress."""
        if rows:
            RawCursor(connection).execute(self._beat.encode(), [list(rows)])

    def give_back(self, connection: Connection[Any], rows: Sequence[int]) -> None:
        """Give back steps that this worker doesn't go on with, unless another one has them."""
        if rows:
            connection.execute(_GIVE_BACK, [list(rows), self._worker])

    def return_abandoned(self, connection: Connection[Any], lease: float) -> int:
        """Give back the steps of workers that died or stalled `lease` seconds ago; count each."""
        return connection.execute(_RETURN_ABANDONED, [lease]).rowcount


def _entrypoint(kind: StepKind, server: int) -> str:
    # A worker takes only steps of the server that it has a key for.
    return f"{kind}@{server}"


def _row(found: dict[str, Any]) -> QueueRow:
    job, _, step = bytes(found["payload"]).decode().partition(":")
    kind = StepKind(str(found["entrypoint"]).partition("@")[0])
    return QueueRow(found["id"], kind, int(job), int(step), found["attempts"])
