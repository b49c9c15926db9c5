"""Which jobs are read: a selection as SQLite's words."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from wanflow.ledger import rows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from wanflow.ledger.job import Job
    from wanflow.ledger.store import Selection

# Written out, so that SQLite sees that its index of open jobs fits.
_TAKEN_UP = "('intent', 'uncertain', 'accepted', 'completed')"
_WANTED = "NOT (job.state = 'completed' AND job.folder IS NULL)"
_SUBMITTED = "coalesce(job.created, job.accepted, job.intended)"
_FOLDERS = """
    SELECT text FROM place WHERE id IN (SELECT folder FROM job WHERE name IS NOT NULL)
"""
_NEVER = float("inf")
# SQLite takes so many values in one statement, whatever it was built with.
_AT_ONCE = 500


def select(connection: sqlite3.Connection, selection: Selection) -> list[Job]:
    """Read the selected jobs."""
    state, words = rows.among(selection.states)
    where, values = f"WHERE 1{state}", list[object](words)
    if selection.unfinished:
        where = f"{where} AND job.state IN {_TAKEN_UP} AND ({_WANTED} OR {_SUBMITTED} > ?)"
        values.append(_NEVER if selection.unsaved_since is None else selection.unsaved_since)
    if selection.server is not None:
        where, values = f"{where} AND server.text = ?", [*values, rows.place_of(selection.server)]
    order = "DESC" if selection.newest_first else "ASC"
    limit = -1 if selection.limit is None else selection.limit
    return read(connection, f"{where} ORDER BY job.id {order} LIMIT ?", [*values, limit])


def named(connection: sqlite3.Connection, names: Sequence[str]) -> list[Job]:
    """Read all attempts at named jobs, the first one at each first."""
    found: list[Job] = []
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        found += read(connection, f"WHERE job.name IN ({marks}) ORDER BY job.attempt", some)
    return found


def folders(connection: sqlite3.Connection) -> list[Path]:
    """Read the folders of named jobs."""
    with closing(connection.execute(_FOLDERS)) as cursor:
        return [rows.folder_of(text) for (text,) in cursor.fetchall()]


def read(connection: sqlite3.Connection, where: str, values: Sequence[object]) -> list[Job]:
    """Read the jobs that a condition finds."""
    with closing(connection.execute(f"{rows.SELECT} {where}", values)) as cursor:
        return [rows.job_of(connection, row) for row in cursor.fetchall()]
