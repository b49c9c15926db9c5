"""The number of a ledger's latest job, beside the ledger: one without that job is an older state.

After a restore from a backup, a batch would submit again what it had submitted since.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from attrs import define

from wanflow._regular_file import open_regular
from wanflow.errors import LedgerError

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow.ledger.connection import Connection

_MARK = b"wanflow\n"
_SIZE = 16
_LATEST = "SELECT max(seq) FROM sqlite_sequence WHERE name = 'job'"
"""The highest number that a job ever had, also where that was deleted."""


@define
class LatestJob:
    """The number of the latest job of the ledger at `ledger`, in the first bytes of a file.

    Another program's file is not changed. A number that can't be written is not known later.
    """

    ledger: Path
    file: Path
    _known: int = 0

    def check(self, connection: Connection) -> None:
        """Check that the ledger still has its latest job.

        Raises:
            LedgerError: it doesn't.
        """
        expected, found = self._read(), latest_job(connection)
        if found < expected:
            missing = expected - found
            which = "its latest job is" if missing == 1 else f"its {missing} latest jobs are"
            raise LedgerError(
                f"ledger {self.ledger}: {which} missing, as after a restore from a backup, so a "
                "batch would submit and pay for the same again; put the newer file back, or "
                f"delete {self.file.name} to use this one as it is",
                path=str(self.ledger),
            )

    def note(self, number: int) -> None:
        """Write the number of the latest job, after it was committed."""
        if number <= self._known:
            return
        self._known = number
        with suppress(OSError), open_regular(self.file, os.O_RDWR) as file:
            if file.read(_SIZE).startswith((_MARK, bytes(_SIZE))):
                file.seek(0)
                file.write(_MARK + number.to_bytes(_SIZE - len(_MARK)))

    def forget(self) -> None:
        """Forget the number: the ledger is a new one."""
        with suppress(OSError), open_regular(self.file, os.O_RDWR) as file:
            if file.read(_SIZE).startswith(_MARK):
                file.seek(0)
                file.write(bytes(_SIZE))

    def _read(self) -> int:
        with suppress(OSError), open_regular(self.file, os.O_RDONLY) as file:
            found = file.read(_SIZE)
            if len(found) == _SIZE and found.startswith(_MARK):
                return int.from_bytes(found[len(_MARK) :])
        return 0


def latest_job(connection: Connection) -> int:
    """Return the number of the latest job, 0 where there was none."""
    found: int | None = connection.execute(_LATEST).fetchone()[0]
    return found or 0
