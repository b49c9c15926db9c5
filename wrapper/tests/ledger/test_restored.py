"""A ledger that was restored from a backup is refused: a batch would pay for the same again."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.ledger.test_file import intent
from wanflow._core.recorder import Budget
from wanflow.errors import CreditLimitExceeded, LedgerError
from wanflow.ledger import Ledger
from wanflow.ledger.disk_reserve import SIZE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RESTORES: dict[str, Callable[[Path, Path], object]] = {
    "replaced": lambda backup, path: backup.replace(path),
    "overwritten": shutil.copyfile,
    "emptied": lambda _, path: path.write_bytes(b""),
}


def record(path: Path, *numbers: int) -> None:
    """Record jobs in a run of its own."""
    with Ledger(path) as ledger:
        for number in numbers:
            ledger.record_intent(intent(number))


def reserve_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-reserve")


@pytest.mark.parametrize("restore", RESTORES.values(), ids=RESTORES)
@pytest.mark.parametrize("later", [1, 3])
def test_a_ledger_without_its_latest_jobs_is_refused_until_its_user_wants_it(
    path: Path, tmp_path: Path, restore: Callable[[Path, Path], object], later: int
) -> None:
    """Whatever opens it; what is recorded from then on is known again."""
    backup = tmp_path / "backup"
    record(path, 0)
    shutil.copy(path, backup)
    record(path, *range(1, 1 + later))
    restore(backup, path)
    for _ in range(2):
        with pytest.raises(
            LedgerError, match=r"latest jobs? (is|are) missing, .* or delete ledger"
        ):
            Ledger(path)
    reserve_of(path).unlink()
    record(path, 9)
    with Ledger(path) as ledger:
        assert ledger.find(intent(9).key) is not None
        assert ledger.find(intent(1).key) is None


def test_jobs_that_were_never_committed_or_were_deleted_are_not_missing(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.record_intent(intent(0))
        with pytest.raises(CreditLimitExceeded):
            ledger.record_intent(intent(1, budget=Budget("a", 0.0, unknown_price=1.0), name="a/b"))
        ledger.delete(ledger.jobs())
    with Ledger(path) as ledger:
        assert ledger.jobs() == []


def test_a_deleted_ledger_is_begun_anew(path: Path) -> None:
    record(path, 0, 1)
    path.unlink()
    record(path, 0)
    with Ledger(path) as ledger:
        assert len(ledger.jobs()) == 1


def test_another_file_at_the_place_of_the_reserve_stays_as_it_is(path: Path) -> None:
    content = b"not ours" * (SIZE // 8)
    reserve_of(path).write_bytes(content)
    record(path, 0)
    record(path, 1)
    assert reserve_of(path).read_bytes() == content
