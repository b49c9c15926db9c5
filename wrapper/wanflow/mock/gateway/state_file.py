"""Keep tasks and accounts over restarts, in a SQLite file.

Changes are written at most half a second later, and when the mock ends. API keys are not stored,
only their digests.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

from attrs import asdict, define, field

from wanflow.mock.gateway.accounts import Account
from wanflow.mock.gateway.fault import NO_FAULTS, FaultSet, parse_faults
from wanflow.mock.gateway.lifecycle import format_progression, parse_progression
from wanflow.mock.gateway.limits import AccountLimits, RateLimit
from wanflow.mock.gateway.outputs import OutputSpec
from wanflow.mock.gateway.tasks import Task

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from wanflow.catalog.document import JsonObject
    from wanflow.mock.gateway.accounts import AccountStore
    from wanflow.mock.gateway.gateway import Gateway

_PLAIN = (
    "id",
    "created",
    "model",
    "seed",
    "prompt",
    "failure",
    "credits",
    "estimate",
    "callback_url",
    "polls",
    "ended",
)


def task_to_json(task: Task) -> JsonObject:
    """Return a task as JSON, without its account."""
    plain = {name: getattr(task, name) for name in _PLAIN}
    return {
        **plain,
        "output": asdict(task.output),
        "status_faults": str(task.status_faults),
        "download_faults": str(task.download_faults),
        "progression": format_progression(task.progression),
    }


def task_from_json(record: JsonObject, account: Account) -> Task:
    """Restore a task.

    Raises:
        KeyError, TypeError, ValueError: the record isn't valid.
    """
    return Task(
        account=account,
        output=OutputSpec(**record["output"]),
        progression=parse_progression(record["progression"]),
        status_faults=_faults(record["status_faults"]),
        download_faults=_faults(record["download_faults"]),
        **{name: record[name] for name in _PLAIN},
    )


def account_to_json(account: Account) -> JsonObject:
    """Return an account as JSON, with its cached responses."""
    rate = account.limits.rate
    return {
        "name": account.name,
        "credits": account.limits.credits,
        "rate": None if rate is None else [rate.requests, rate.seconds],
        "forbidden": sorted(account.limits.forbidden_models),
        "reserved": account.reserved,
        "spent": account.spent,
        "submitted": account.submitted,
        "replays": account.idempotency_cache.records(),
    }


def account_from_json(record: JsonObject, now: float) -> Account:
    """Restore an account.

    Raises:
        KeyError, TypeError, ValueError: the record isn't valid.
    """
    rate: Any = record["rate"]
    terms = AccountLimits(
        record["credits"], rate and RateLimit(*rate), frozenset(record["forbidden"])
    )
    numbers = {name: record[name] for name in ("reserved", "spent", "submitted")}
    account = Account(record["name"], terms, **numbers)
    account.idempotency_cache.restore(record["replays"], now)
    return account


def _faults(text: str) -> FaultSet:
    return parse_faults(text) if text else NO_FAULTS


_RENAMED_FIELDS = {
    "looks": "polls",
    "pace": "progression",
    "order": "output",
    "query": "status_faults",
    "file": "download_faults",
}
_RENAMED_FAULTS = {
    "lost-answer": "lost-response",
    "lost-task": "task-not-found",
    "backwards": "regress",
    "unknown-enum": "unknown-status",
}


def _upgrade(record: JsonObject) -> JsonObject:
    """Return a task's record of version 1 or 2 with the names of version 2."""
    upgraded = {_RENAMED_FIELDS.get(name, name): value for name, value in record.items()}
    upgraded["progression"] = upgraded["progression"].replace("looks=", "polls=")
    for name in ("status_faults", "download_faults"):
        faults: list[str] = upgraded[name].split(",")
        upgraded[name] = ",".join(_RENAMED_FAULTS.get(fault, fault) for fault in faults)
    return upgraded


VERSION = 2
_DELAY = 0.5
_TABLES = """
    CREATE TABLE IF NOT EXISTS accounts (digest TEXT PRIMARY KEY, record TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS tasks
        (id TEXT PRIMARY KEY, account TEXT NOT NULL, created REAL NOT NULL, record TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS clock (one INTEGER PRIMARY KEY CHECK (one = 1), now REAL NOT NULL);
"""


class InvalidStateFile(ValueError):
    """The state file can't be used; the message says why."""


@define(eq=False)
class StateFile:
    """The file of one mock; two mocks would overwrite each other's tasks.

    `problem` is why the latest write failed, empty if it succeeded.

    Raises:
        InvalidStateFile: it isn't a state file, or was written by a later version.
    """

    path: Path
    gateway: Gateway = field(repr=False)
    accounts: AccountStore = field(repr=False)
    problem: str = ""
    _dirty: set[Task] = field(factory=set["Task"], repr=False)
    _timer: asyncio.TimerHandle | None = field(default=None, repr=False)
    _loop: asyncio.AbstractEventLoop | None = field(default=None, repr=False)

    def load(self) -> None:
        """Restore tasks and accounts from the file, and record changes from now on."""
        try:
            with closing(sqlite3.connect(self.path)) as db:
                self._prepare(db)
                self._load(db)
        except (sqlite3.Error, KeyError, TypeError, ValueError) as error:
            raise InvalidStateFile(f"the state file {self.path} can't be used: {error}") from error
        self.gateway.on_change = self.mark_dirty

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Use timers of an event loop to write changes."""
        self._loop = loop

    def detach(self) -> None:
        """Write changes now, and use no more timers."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop = self._timer = None
        self.save()

    def mark_dirty(self, task: Task) -> None:
        """Write a task and its account soon."""
        self._dirty.add(task)
        if self._timer is None and self._loop is not None:
            self._timer = self._loop.call_later(_DELAY, self.save)

    def save(self) -> None:
        """Write changes; what can't be written is tried again with the next change."""
        self._timer = None
        changed, self._dirty = self._dirty, set()
        try:
            with closing(sqlite3.connect(self.path)) as db, db:
                self._write(db, changed)
            self.problem = ""
        except sqlite3.Error as error:
            self.problem = str(error)
            self._dirty |= changed
            print(f"wanflow mock: {self.path} can't be written: {error}", file=sys.stderr)  # noqa: T201

    def _write(self, db: sqlite3.Connection, changed: set[Task]) -> None:
        """Write tasks and all accounts, and delete what the mock has removed."""
        digests, now = self.accounts.digests(), self.gateway.clock.now()
        db.execute("INSERT OR REPLACE INTO clock VALUES (1, ?)", (now,))
        db.execute("DELETE FROM accounts")
        db.executemany(
            "INSERT INTO accounts VALUES (?, ?)",
            [(digest, json.dumps(account_to_json(one))) for one, digest in digests.items()],
        )
        db.executemany(
            "INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?)",
            [_row(task, digests[task.account]) for task in changed if task.account in digests],
        )
        db.execute(
            "DELETE FROM tasks WHERE created < ? OR account NOT IN "
            "(SELECT digest FROM accounts) OR id NOT IN "
            "(SELECT id FROM tasks ORDER BY created DESC LIMIT ?)",
            (now - self.gateway.tasks.lifetime, self.gateway.tasks.max_tasks),
        )

    def _prepare(self, db: sqlite3.Connection) -> None:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise ValueError(f"it has version {version}; this mock reads versions up to {VERSION}")
        db.executescript(_TABLES)
        db.execute(f"PRAGMA user_version = {VERSION}")

    def _load(self, db: sqlite3.Connection) -> None:
        for (now,) in db.execute("SELECT now FROM clock").fetchall():
            self.gateway.clock.advance(max(0.0, now - self.gateway.clock.now()))
        known: dict[str, Account] = {}
        for digest, record in db.execute("SELECT digest, record FROM accounts"):
            known[digest] = account_from_json(json.loads(record), self.gateway.clock.now())
            self.accounts.restore(digest, known[digest])
        rows = db.execute("SELECT account, record FROM tasks ORDER BY created, id").fetchall()
        for digest, record in rows:
            self.gateway.resume(task_from_json(_upgrade(json.loads(record)), known[digest]))


def _row(task: Task, digest: str) -> tuple[str, str, float, str]:
    return task.id, digest, task.created, json.dumps(task_to_json(task))
