"""Outcomes of submissions that the database couldn't take, each in a file flushed to the disk."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from attrs import define, field

from wanflow import _regular_file as regular_file
from wanflow._storage import directories
from wanflow.errors import LedgerError
from wanflow.ledger.location import data_dir
from wanflow.queue import submission_outcome
from wanflow.queue.database import DatabaseLost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wanflow._core.effects import TimePoint
    from wanflow.queue.submission_outcome import SubmissionOutcome
    from wanflow.queue.writes import Writes

_log = logging.getLogger("wanflow")
_SUFFIX = ".outcome.json"
_MAX_SIZE = 2**27
"""Bytes: a response has 2**24 at most, and JSON writes one of them as six."""
_PROBE_SIZE = 4096


def default_folder() -> Path:
    """Return the folder `wanflow/spool` in the user's data directory."""
    return data_dir() / "wanflow" / "spool"


@define(eq=False)
class Spool:
    """A folder of outcomes. Processes may share it: an outcome that is applied twice does nothing.

    A folder that can't be written is an error when the worker starts. If that is so later, outcomes
    are kept in memory until the folder or the database takes them.
    """

    folder: Path
    _unwritten: dict[str, SubmissionOutcome] = field(factory=dict[str, "SubmissionOutcome"])
    _applied: set[str] = field(factory=set[str])
    """The files that couldn't be removed after their outcomes were applied."""
    _warned: set[str] = field(factory=set[str])

    def __attrs_post_init__(self) -> None:
        """Create the folder, readable only to its owner.

        Raises:
            LedgerError: it can't be created or written.
        """
        try:
            regular_file.make_folder(self.folder)
            probe = self.folder / f".{uuid4().hex}"
            # A full disk takes empty files.
            regular_file.write_atomically(probe, bytes(_PROBE_SIZE))
            regular_file.remove(probe)
        except OSError as error:
            raise LedgerError(
                f"the spool folder {self.folder} can't be written: {error.strerror}; choose "
                "another one with --spool",
                path=str(self.folder),
            ) from error

    def store(self, outcome: SubmissionOutcome) -> None:
        """Store an outcome; it is on the disk when this returns. This blocks for one flush."""
        name = f"{outcome.job}-{uuid4().hex}{_SUFFIX}"
        try:
            self._write(name, outcome)
        except OSError as error:
            self._unwritten[name] = outcome
            _log.warning(
                "the outcome of a submission is only in this process's memory, because the spool "
                "folder can't be written (%s): %s",
                error.strerror or error,
                submission_outcome.describe(outcome),
            )

    def _write(self, name: str, outcome: SubmissionOutcome) -> None:
        content = json.dumps(submission_outcome.to_json(outcome)).encode()
        regular_file.make_folder(self.folder)
        regular_file.write_atomically(self.folder / name, content, durable=True)
        directories.fsync_dir(self.folder)

    def count(self) -> int:
        """Store what couldn't be stored before; return the number of outcomes to be applied."""
        for name, outcome in list(self._unwritten.items()):
            with suppress(OSError):
                self._write(name, outcome)
                self._unwritten.pop(name, None)
        return len(self.paths()) + len(self._unwritten)

    def paths(self) -> list[Path]:
        """Return the files of the outcomes that are still to be applied."""
        try:
            found = sorted(self.folder.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            self._warn_once("", f"the spool folder {self.folder} can't be read: {error}")
            return []
        return [path for path in found if self._is_open(path.name)]

    def _is_open(self, name: str) -> bool:
        return name.endswith(_SUFFIX) and name not in self._applied

    def replay(self, writes: Writes, now: TimePoint) -> int:
        """Apply all outcomes, and remove those that the database has now; return their number.

        Raises:
            DatabaseLost: the database still can't be reached.
        """
        done = 0
        for name, outcome in (*self._unwritten.items(), *self._read()):
            if self._apply(writes, outcome, now, name):
                self._remove(name)
                done += 1
        return done

    def _remove(self, name: str) -> None:
        if self._unwritten.pop(name, None) is None:
            try:
                regular_file.remove(self.folder / name)
            except OSError as error:
                # It does nothing when it is applied again, and the others must be.
                self._applied.add(name)
                _log.warning("%s can't be removed: %s", self.folder / name, error.strerror or error)

    def _apply(self, writes: Writes, outcome: SubmissionOutcome, now: TimePoint, name: str) -> bool:
        def write() -> bool:
            known = submission_outcome.belongs(writes.transaction, outcome)
            if known:
                outcome.apply(writes.transaction, now)
            return known

        end = writes.run([write])[0]
        if isinstance(end.error, DatabaseLost):
            raise end.error
        if end.error is None and end.value:
            return True
        self._warn(name, "its job is not in this database" if end.error is None else end.error)
        return False

    def _read(self) -> Iterator[tuple[str, SubmissionOutcome]]:
        for path in self.paths():
            try:
                content = regular_file.read(path, _MAX_SIZE)
                yield path.name, submission_outcome.from_json(json.loads(content))
            except FileNotFoundError:
                continue
            except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
                self._warn(path.name, error)

    def _warn(self, name: str, reason: object) -> None:
        where = self.folder / name
        self._warn_once(name, f"the outcome in {where} can't be applied, and is kept: {reason}")

    def _warn_once(self, name: str, message: str) -> None:
        if name not in self._warned:
            self._warned.add(name)
            _log.warning("%s", message)
