"""Callbacks of jobs in a queue: which were handled, and polls that they bring forward."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from wanflow.errors import LedgerError
from wanflow.queue.database import Database
from wanflow.queue.engine import QUEUE, SCHEMA
from wanflow.queue.schema import require_installed

if TYPE_CHECKING:
    from typing import Self

_log = logging.getLogger("wanflow")
_TABLE = f"{SCHEMA}.callback"
_KEPT_DAYS = 8
_BRING_FORWARD = f"""
    UPDATE {QUEUE} SET execute_after = now()
    WHERE status = 'queued' AND execute_after > now() AND dedupe_key IN (
        SELECT id || ':' || step FROM {SCHEMA}.job WHERE task = %s AND state = 'accepted'
    )
"""  # noqa: S608 - our own names


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
        self._database = Database(queue)
        require_installed(self._database)

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

        A database that is lost delays the poll to its own time.
        """
        try:
            with self._database.connection() as connection:
                connection.execute(_BRING_FORWARD, [task_id])
        except LedgerError as error:
            _log.warning("the poll of task %s keeps its time: %s", task_id, error)

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
