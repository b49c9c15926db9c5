"""Callbacks of jobs in a queue: which were handled, and polls that they bring forward."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from wanflow.errors import LedgerError
from wanflow.queue.engine import QUEUE, SCHEMA, dedupe_key
from wanflow.queue.schema import open_queue

if TYPE_CHECKING:
    from typing import Any, Self

    from psycopg import Connection

    from wanflow.queue.database import Database

_log = logging.getLogger("wanflow")
_TABLE = f"{SCHEMA}.callback"
_KEPT_DAYS = 8
# The job is locked first: a poll that is in progress ends before, or finds that it was notified.
_NOTIFY = f"""
    UPDATE {SCHEMA}.job SET notified = true WHERE task = %s AND state = 'accepted'
    RETURNING id, step
"""  # noqa: S608 - our own names
_BRING_FORWARD = f"""
    UPDATE {QUEUE} SET execute_after = least(execute_after, now())
    WHERE status = 'queued' AND dedupe_key = %s
"""  # noqa: S608
_NOTIFIED = f"UPDATE {SCHEMA}.job SET notified = false WHERE id = %s"  # noqa: S608
_EARLY = f"{SCHEMA}.early_callback"
_EARLY_HOURS = 24
_ADD_EARLY = f"""
    INSERT INTO {_EARLY} (task) SELECT %(task)s
    WHERE NOT EXISTS (SELECT FROM {SCHEMA}.job WHERE task = %(task)s)
    ON CONFLICT DO NOTHING
"""  # noqa: S608
_REMOVE_OLD = f"DELETE FROM {_EARLY} WHERE at < now() - %s * interval '1 hour'"  # noqa: S608
_TAKE_EARLY = f"""
    DELETE FROM {_EARLY} AS early USING {SCHEMA}.job AS job WHERE job.task = early.task
    RETURNING early.task
"""  # noqa: S608


class QueueCallbacks:
    """A store of `wanflow.webhooks.Receiver` that all receivers of a queue share.

    `Receiver(…, store=callbacks)` counts each event once, whatever process receives it, and
    `receiver.subscribe(callbacks.notify)` has workers poll a task as soon as its callback comes.

    Args:
        queue: the `postgresql://` URL of the database.

    Raises:
        ConfigurationError: the database has no queue.
        LedgerError: the database can't be reached.
    """

    def __init__(self, queue: str) -> None:
        self._database = open_queue(queue)

    def seen(self, key: str) -> bool:
        """Return whether a key was added."""
        query = f"SELECT 1 FROM {_TABLE} WHERE key = %s"  # noqa: S608 - our own name
        with self._database.connection() as connection:
            return connection.execute(query, [key]).fetchone() is not None

    def add(self, key: str) -> bool:
        """Add a key and return whether it is new; keys of more than eight days ago are removed."""
        query = f"INSERT INTO {_TABLE} (key) VALUES (%s) ON CONFLICT DO NOTHING"  # noqa: S608
        old = f"DELETE FROM {_TABLE} WHERE at < now() - %s * interval '1 day'"  # noqa: S608
        with self._database.connection() as connection:
            connection.execute(old, [_KEPT_DAYS])
            return connection.execute(query, [key]).rowcount == 1

    def remove(self, key: str) -> None:
        """Remove a key: its event could not be handled."""
        with self._database.connection() as connection:
            connection.execute(f"DELETE FROM {_TABLE} WHERE key = %s", [key])  # noqa: S608

    def notify(self, task_id: str) -> None:
        """Let a worker poll a task now. Nothing else of the callback is used.

        While it is being polled, the poll after that comes forward: the response may be older than
        the callback. A task that no job has yet is polled as soon as one has it. A database that is
        lost delays the poll to its own time.
        """
        try:
            with self._database.transaction() as connection:
                if not _bring_forward(connection, task_id):
                    connection.execute(_REMOVE_OLD, [_EARLY_HOURS])
                    connection.execute(_ADD_EARLY, {"task": task_id})
        except LedgerError as error:
            _log.warning("the poll of task %s keeps its time: %s", task_id, error)

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def bring_forward_early(database: Database) -> None:
    """Bring the polls of tasks forward whose callbacks came before a job had them."""
    with database.transaction() as connection:
        for (task_id,) in connection.execute(_TAKE_EARLY.encode()).fetchall():
            _bring_forward(connection, task_id)


def _bring_forward(connection: Connection[Any], task_id: str) -> bool:
    """Bring the poll of a task forward; return whether a job waits for it."""
    jobs = connection.execute(_NOTIFY, [task_id]).fetchall()
    for job, step in jobs:
        if connection.execute(_BRING_FORWARD, [dedupe_key(job, step)]).rowcount:
            connection.execute(_NOTIFIED, [job])
    return bool(jobs)
