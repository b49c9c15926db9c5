"""Convert jobs to rows and back: the columns, and how values are written and read."""

from __future__ import annotations

import json
import os
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from wanflow._core.link_expiry import expiry_of
from wanflow._core.prices import PriceRecord
from wanflow._core.recorder import File
from wanflow._core.uploads import UploadedLink
from wanflow._paths import output_path
from wanflow._text import is_encodable
from wanflow.ledger.job import Job, JobState, Owner
from wanflow.ledger.refs import IdRef, KeyRef, TaskRef, prefix_range
from wanflow.ledger.task_ids import IS_FREE, assign_task_id
from wanflow.ledger.write_buffer import coalesced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import PurePath

    from wanflow.ledger.connection import Connection
    from wanflow.ledger.refs import Changes, JobFilter, JobRef
    from wanflow.ledger.write_buffer import Update, Updates

_SAME_NAME = (
    *("key", "name", "attempt", "model", "digest", "status", "progress", "code", "reason"),
    *("credits", "price", "accepted", "ended", "created", "sends", "name_template"),
)
_READ = (*("id", "task", "state", "abridged", "intended", "body", "links", "uploads"), *_SAME_NAME)
# Each by its name: a later version of the tables may have more.
SELECT = f"""
    SELECT {", ".join(f"job.{name}" for name in _READ)},
        server.text AS server_text, folder.text AS folder_text, holder.token, holder.process
    FROM job JOIN place AS server ON server.id = job.server
    LEFT JOIN place AS folder ON folder.id = job.folder
    LEFT JOIN holder ON holder.id = job.holder
"""  # noqa: S608 - our own names
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_STRING_ID = "(SELECT id FROM place WHERE text = ?)"
# How a path that isn't valid Unicode is written; no absolute path begins so.
_AS_URI = "file:"


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _valid_unicode(value: object) -> str | None:
    """Return text, with invalid characters replaced."""
    if value is None:
        return None
    # PostgreSQL's text can't contain NUL.
    return str(value).encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _json(value: object) -> str | None:
    if value is None:
        return None
    text = _JSON.encode(value)
    # JSON can escape a lone surrogate; text in a database can't contain one.
    return text if is_encodable(text) else json.dumps(value)


def path_to_text(value: object) -> str:
    """Return a server or a directory as text."""
    text = str(value)
    return text if is_encodable(text) else _uri(Path(text))


def path_from_text(text: str) -> Path:
    """Return the directory that `path_to_text` wrote."""
    if not text.startswith(_AS_URI):
        return output_path(text)
    parts = urlsplit(text)
    path, system = os.fsdecode(unquote_to_bytes(parts.path)), str(os.name)
    return Path(_windows_path(parts.netloc, path) if system == "nt" else path)


def _uri(path: PurePath) -> str:
    """Return the URI of an absolute path of any characters, as `Path.as_uri` does it for text."""
    plain = path.as_posix()
    root = "" if plain.startswith("//") else "//" if plain.startswith("/") else "///"
    safe = "/:" if path.drive else "/"
    return f"{_AS_URI}{root}{quote_from_bytes(os.fsencode(plain), safe=safe)}"


def _windows_path(server: str, path: str) -> str:
    """Return `C:/a` for the path `/C:/a` of a URI, or `//server/share/a` if it has a server."""
    return f"//{server}{path}" if server else path.removeprefix("/")


def _unchanged(value: Any) -> Any:
    return value


def _uploads_to_json(links: Mapping[str, UploadedLink]) -> dict[str, object]:
    """Return the links of uploaded files: each alone, or with the time at which it expires."""
    return {
        reference: link.url if link.expires_at is None else [link.url, link.expires_at]
        for reference, link in links.items()
    }


def _read_uploads(text: str | None) -> dict[str, UploadedLink]:
    """Return what `_uploads_to_json` wrote; the text of a link alone may say when it expires."""
    stored: dict[str, Any] = json.loads(text or "{}")
    return {
        reference: UploadedLink(value, expiry_of(value))
        if isinstance(value, str)
        else UploadedLink(*value)
        for reference, value in stored.items()
    }


# By field name: the column, its SQL expression, and how the value is converted.
_COLUMNS: dict[str, tuple[str, str, Callable[[Any], Any]]] = {
    **{name: (name, "?", _unchanged) for name in _SAME_NAME},
    **{name: (name, "?", _valid_unicode) for name in ("status", "code", "reason")},
    "server": ("server", _STRING_ID, path_to_text),
    "output_dir": (
        "folder",
        _STRING_ID,
        lambda folder: None if folder is None else path_to_text(folder),
    ),
    "price_class": ("price_class", _STRING_ID, _unchanged),
    "task_id": ("task", "?", _text),
    "state": ("state", "?", _text),
    "redacted": ("abridged", "?", int),
    "recorded_at": ("intended", "?", _unchanged),
    "body": ("body", "?", _json),
    "links": ("links", "?", lambda links: _json(links or None)),
    "uploads": ("uploads", "?", lambda links: _json(_uploads_to_json(links) or None)),
    "owned": ("holder", "?", _unchanged),
}


def insert(connection: Connection, values: Changes) -> bool:
    """Insert a job; False if its key or name exists."""
    done = connection.execute(_insert_query(tuple(values)), _sql_values(values))
    return done.rowcount == 1


def change(connection: Connection, which: JobRef, steps: Updates) -> bool:
    """Apply updates to a job; False if the last one wasn't allowed in its state."""
    whole = coalesced(steps)
    if whole is not None and _update(connection, which, whole):
        return True
    if len(steps) == 1:
        return False
    return [_update(connection, which, step) for step in steps][-1]


def _update(connection: Connection, which: JobRef, step: Update) -> bool:
    where, named = ref_condition(which)
    state, states = state_condition(step.only)
    where, named = where + state, [*named, *states]
    if "task_id" not in step.changes:
        return _update_where(connection, step.changes, where, named)
    free = [*named, step.changes["task_id"]]
    if _update_where(connection, step.changes, f"{where} AND {IS_FREE}", free):
        return True
    changes = assign_task_id(connection, where, named, step.changes)
    if not changes:
        return changes is not None
    return _update_where(connection, changes, where, named)


def _update_where(
    connection: Connection, changes: Changes, where: str, named: Sequence[object]
) -> bool:
    query = _update_query(tuple(changes), where)
    return connection.execute(query, [*_sql_values(changes), *named]).rowcount == 1


# Servers may call a model by another name: the one that was asked for is kept.
_KEPT = {"model": "coalesce(model, ?)"}


# SQLite caches prepared statements by their text.
@cache
def _insert_query(names: tuple[str, ...]) -> str:
    columns = ", ".join(_COLUMNS[name][0] for name in names)
    holders = ", ".join(_COLUMNS[name][1] for name in names)
    return f"INSERT INTO job ({columns}) VALUES ({holders}) ON CONFLICT DO NOTHING"  # noqa: S608


@cache
def _update_query(names: tuple[str, ...], where: str) -> str:
    pairs = ", ".join(
        f"{_COLUMNS[name][0]} = {_KEPT.get(name, _COLUMNS[name][1])}" for name in names
    )
    return f"UPDATE job SET {pairs} WHERE {where}"  # noqa: S608 - only our own names


def _sql_values(values: Changes) -> list[Any]:
    pairs = zip(_converters(tuple(values)), values.values(), strict=True)
    return [value if convert is _unchanged else convert(value) for convert, value in pairs]


@cache
def _converters(names: tuple[str, ...]) -> tuple[Callable[[Any], Any], ...]:
    return tuple(_COLUMNS[name][2] for name in names)


def ref_condition(which: JobRef) -> tuple[str, list[object]]:
    """Return the condition that finds a job."""
    match which:
        case IdRef(number):
            return "job.id = ?", [number]
        case KeyRef(key):
            return "job.key = ?", [key]
        case TaskRef(None, task_id):
            return "job.task = ?", [task_id]
        case TaskRef(server, task_id):
            return f"job.task = ? AND job.server = {_STRING_ID}", [task_id, path_to_text(server)]


@cache
def state_condition(states: frozenset[JobState] | None) -> tuple[str, tuple[str, ...]]:
    """Return the condition that a job is in one of some states; empty for any state."""
    if states is None:
        return "", ()
    words = tuple(sorted(str(state) for state in states))
    return f" AND job.state IN ({', '.join('?' * len(words))})", words


def job_from_row(row: Any, files: Iterable[Sequence[Any]]) -> Job:
    """Return the job of a row of SELECT, with the rows of its files."""
    folder = None if row["folder_text"] is None else path_from_text(row["folder_text"])
    holder = None if row["token"] is None else Owner(row["token"], row["process"])
    return Job(
        id=row["id"],
        server=row["server_text"],
        task_id=row["task"],
        output_dir=folder,
        state=JobState(row["state"]),
        redacted=bool(row["abridged"]),
        recorded_at=row["intended"],
        body=None if row["body"] is None else json.loads(row["body"]),
        links=tuple(json.loads(row["links"] or "[]")),
        uploads=_read_uploads(row["uploads"]),
        owner=holder,
        files=tuple(
            File(place, (folder or Path()) / name, size, digest.hex())
            for _, place, name, size, digest in files
        ),
        **{name: row[name] for name in _SAME_NAME},
    )


def _read_files(connection: Connection, jobs: Sequence[int]) -> dict[int, list[Sequence[Any]]]:
    """Read the rows of the files of jobs, by job."""
    found: dict[int, list[Sequence[Any]]] = {}
    for some, marks in _portions(jobs):
        query = f"""
            SELECT job, place, name, size, sha256 FROM file WHERE job IN ({marks}) ORDER BY place
        """  # noqa: S608 - our own marks
        for row in connection.execute(query, some):
            found.setdefault(row[0], []).append(row)
    return found


def _portions(values: Sequence[Any]) -> Iterator[tuple[Sequence[Any], str]]:
    """Yield the values in portions that fit into a statement, with a mark for each value."""
    for start in range(0, len(values), _MAX_VALUES):
        some = values[start : start + _MAX_VALUES]
        yield some, ", ".join("?" * len(some))


def replace_files(connection: Connection, which: JobRef, files: Iterable[File]) -> None:
    """Store the files of a job, replacing those it had."""
    where, named = ref_condition(which)
    query = f"""
        INSERT INTO file (job, place, name, size, sha256)
        SELECT job.id, ?, ?, ?, ? FROM job WHERE {where}
        ON CONFLICT (job, place) DO UPDATE
        SET name = excluded.name, size = excluded.size, sha256 = excluded.sha256
    """  # noqa: S608
    for file in files:
        values = [file.index, file.path.name, file.size, bytes.fromhex(file.sha256)]
        connection.execute(query, [*values, *named])


# Written as in the index of open jobs, so that SQLite uses the index.
_UNFINISHED = "('intent', 'uncertain', 'accepted', 'completed')"
_HAS_WORK_LEFT = "NOT (job.state = 'completed' AND job.folder IS NULL)"
_SUBMITTED = "coalesce(job.created, job.accepted, job.intended)"
_OUTPUT_DIRS = """
    SELECT text FROM place WHERE id IN (SELECT folder FROM job WHERE name IS NOT NULL)
"""
_PRICES = """
    SELECT class.text, job.price, count(*), coalesce(max(job.accepted), 0)
    FROM job JOIN place AS class ON class.id = job.price_class
    WHERE job.server = (SELECT id FROM place WHERE text = ?) AND job.model = ?
        AND job.price IS NOT NULL AND job.price_class IS NOT NULL
    GROUP BY class.text, job.price
"""
_NEVER = float("inf")
# SQLite accepts this many values in one statement in every build.
_MAX_VALUES = 500


def select(connection: Connection, selection: JobFilter) -> list[Job]:
    """Return the selected jobs."""
    state, words = state_condition(selection.states)
    where, values = f"WHERE TRUE{state}", list[object](words)
    if selection.unfinished:
        where = f"{where} AND job.state IN {_UNFINISHED} AND ({_HAS_WORK_LEFT} OR {_SUBMITTED} > ?)"
        values.append(_NEVER if selection.unsaved_since is None else selection.unsaved_since)
    if selection.server is not None:
        where, values = f"{where} AND server.text = ?", [*values, path_to_text(selection.server)]
    if selection.prefix is not None:
        where = f"{where} AND job.name >= ? AND job.name < ?"
        values += prefix_range(selection.prefix)
    order = "DESC" if selection.newest_first else "ASC"
    limit, most = ("", []) if selection.limit is None else (" LIMIT ?", [selection.limit])
    return read(connection, f"{where} ORDER BY job.id {order}{limit}", [*values, *most])


def read_named(connection: Connection, names: Sequence[str]) -> list[Job]:
    """Return all attempts of named jobs, ordered by attempt."""
    found: list[Job] = []
    for some, marks in _portions(names):
        found += read(connection, f"WHERE job.name IN ({marks}) ORDER BY job.attempt", some)
    return found


def set_owner(connection: Connection, jobs: Sequence[int], holder: int) -> None:
    """Let a process own jobs."""
    for some, marks in _portions(jobs):
        query = f"UPDATE job SET holder = ? WHERE id IN ({marks})"  # noqa: S608 - our own marks
        connection.execute(query, [holder, *some])


def read_output_dirs(connection: Connection) -> list[Path]:
    """Return the output directories of named jobs."""
    with closing(connection.execute(_OUTPUT_DIRS)) as cursor:
        return [path_from_text(text) for (text,) in cursor.fetchall()]


def read_prices(connection: Connection, server: str, model: str) -> list[PriceRecord]:
    """Return what the jobs of a model cost on a server, by price class and price."""
    with closing(connection.execute(_PRICES, [path_to_text(server), model])) as cursor:
        return [PriceRecord(*row) for row in cursor.fetchall()]


def read(connection: Connection, where: str, values: Sequence[object]) -> list[Job]:
    """Return the jobs that match a condition."""
    with closing(connection.execute(f"{SELECT} {where}", values)) as cursor:
        found = cursor.fetchall()
    files = _read_files(connection, [row["id"] for row in found])
    return [job_from_row(row, files.get(row["id"], ())) for row in found]
