"""Translate errors of PostgreSQL into LedgerError with a sentence that says what to do."""

from __future__ import annotations

import re

import psycopg

from wanflow.errors import LedgerError

_START_OF_MESSAGE = re.compile(r"^connection failed: |^connection is bad: ")
_FULL = "the server's disk is full; make room and resume"
_TOO_MANY = (
    "the server has too many connections; raise its max_connections, or end some of its clients"
)
_STANDBY = "the server is read-only (a standby); use the URL of the primary"
_LOST = "the connection to the server was lost, and it can't be reached again"
_STARTING = "the server is starting, stopping or recovering; try again"
# By SQLSTATE, or the first two characters of it.
_REASONS = {
    "25006": _STANDBY,
    "28000": "the server refuses this user; check the user and the server's pg_hba.conf",
    "28P01": "the password is wrong; check the user and the password",
    "3D000": "the server has no database of this name; create it, or check the URL",
    "40": "other processes changed the same jobs at the same time; try again",
    "42501": (
        "the user lacks a permission; let an administrator execute "
        "CREATE SCHEMA wanflow AUTHORIZATION followed by the user"
    ),
    "42P01": "its tables were removed while it was in use; run the program again",
    "53100": _FULL,
    "53200": "the server is out of memory",
    "53300": _TOO_MANY,
    "55P03": "it is locked by another process for too long; try again",
    "57014": "the server canceled a query",
    "57P": _STARTING,
    "08": _LOST,
    "58": "the server's disk failed to read or write it",
    "XX": "it is damaged; restore it from a backup",
}
# A server that refuses a connection sends a SQLSTATE, which libpq doesn't pass on.
_REFUSALS = (
    ("password authentication failed", _REASONS["28P01"]),
    ("pg_hba.conf", _REASONS["28000"]),
    ("role ", _REASONS["28000"]),
    ("authentication", _REASONS["28000"]),
    ("database ", _REASONS["3D000"]),
    ("too many", _TOO_MANY),
    ("remaining connection slots", _TOO_MANY),
    ("the database system is", _STARTING),
    ("read-only", _STANDBY),
)
# What libpq itself says.
_OWN_REFUSALS = (
    ("no password supplied", "a password is needed; name it in the URL, PGPASSWORD or .pgpass"),
    ("SSL", "the server and the URL disagree about encryption; check sslmode"),
)
_UNREACHABLE = "the server can't be reached; check that it runs, and the URL's host and port"
_STATEMENT_CLASSES = ("21", "22", "23", "42")
"""Errors of a statement or of a value in it: data, constraints, names."""
_OF_VALUES = (psycopg.DataError, UnicodeError, OverflowError)
_CONFLICTS = ("40001", "40P01")
"""A conflict with a concurrent transaction: serialization, deadlock."""
_ENDED = ("57P01", "57P02", "57P03", "57P05", "08")
"""The server ended the session, or refuses a new one for the moment."""


class ConnectionLost(psycopg.OperationalError):
    """The connection was lost before the commit, so the transaction may be repeated."""


class Unreachable(psycopg.OperationalError):
    """The connection was lost, and there has been no new one for too long."""


class CommitUnknown(psycopg.OperationalError):
    """The connection was lost while committing, and it can't be known whether that succeeded."""


def fails_all(error: BaseException) -> bool:
    """Return whether an error concerns the database, not only the value to be written."""
    if not isinstance(error, psycopg.Error):
        return False
    state = error.sqlstate
    if state is None:
        return isinstance(error, psycopg.OperationalError)
    return not state.startswith(_STATEMENT_CLASSES)


def is_conflict(error: BaseException) -> bool:
    """Return whether a transaction failed because of a concurrent one."""
    return isinstance(error, psycopg.Error) and error.sqlstate in _CONFLICTS


def ends_session(error: psycopg.Error) -> bool:
    """Return whether the server ended the session."""
    return error.sqlstate is not None and error.sqlstate.startswith(_ENDED)


def translate(error: BaseException, name: str) -> BaseException:
    """Return the LedgerError for what PostgreSQL raised; any other error itself."""
    if isinstance(error, _OF_VALUES):
        reason = f"a value can't be stored: {type(error).__name__}"
    elif isinstance(error, psycopg.Error):
        reason = reason_of(error)
    else:
        return error
    found = LedgerError(f"ledger {name}: {reason}", path=name)
    found.__cause__ = error
    return found


def reason_of(error: psycopg.Error) -> str:
    """Return what an error of PostgreSQL means for its user, in a sentence."""
    if isinstance(error, CommitUnknown):
        return (
            "the connection to the server was lost during a commit; whether it was written will "
            "be seen when the server is back"
        )
    if error.sqlstate is None:
        # psycopg itself refuses a query or a value, which says nothing of the server.
        lost = isinstance(error, psycopg.OperationalError)
        return _connection_reason(error) if lost else str(error)
    for length in (5, 3, 2):
        reason = _REASONS.get(error.sqlstate[:length])
        if reason is not None:
            return reason
    return error.diag.message_primary or str(error)


def _connection_reason(error: psycopg.Error) -> str:
    said = _START_OF_MESSAGE.sub("", " ".join(str(error).split()))
    fatal = said.partition("FATAL: ")[2].strip()
    for words, reason in _REFUSALS if fatal else _OWN_REFUSALS:
        if words in (fatal or said):
            return f"{reason} ({fatal or said})"
    return f"{_UNREACHABLE} ({said})"
