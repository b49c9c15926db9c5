"""Poolers between a process and PostgreSQL: settings and locks need a session of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from wanflow._database_url import without_password
from wanflow.errors import LedgerError
from wanflow.ledger.postgres.connection import conninfo

if TYPE_CHECKING:
    from psycopg import Connection

_ROUNDS = 5


def require_session(connection: Connection[Any], url: str) -> None:
    """Check that a connection to a database, in autocommit mode, has a session of its own.

    PostgreSQL names the process of a session when a connection is made; a pooler names none, or
    another one. Then a second connection shows whether sessions are shared.

    Raises:
        LedgerError: a pooler gives the transactions of a connection different sessions.
        psycopg.Error: the connection broke off.
    """
    if _process(connection) == connection.info.backend_pid:
        return
    try:
        with psycopg.connect(conninfo(url), autocommit=True) as other:
            shared = _are_shared(connection, other)
    except psycopg.Error:
        # A pool by session may have no second one.
        return
    if shared:
        shown = without_password(url)
        raise LedgerError(
            f"{shown} is a pooler that gives each transaction another session (such as PgBouncer "
            "with pool_mode = transaction), but locks and settings need one that stays: connect to "
            "PostgreSQL itself, or set pool_mode = session",
            path=shown,
        )


def _are_shared(connection: Connection[Any], other: Connection[Any]) -> bool:
    mine, others = set[int](), set[int]()
    for _ in range(_ROUNDS):
        mine.add(_process(connection))
        others.add(_process(other))
    return len(mine) > 1 or len(others) > 1 or not mine.isdisjoint(others)


def _process(connection: Connection[Any]) -> int:
    """Return the process of the session that runs the next statement."""
    found = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    assert found is not None
    return int(found[0])
