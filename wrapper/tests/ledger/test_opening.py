"""Opening a ledger: invalid files are clear errors, and old versions are migrated."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from wanflow import errors
from wanflow.ledger import Ledger, default_path
from wanflow.ledger.database import MIGRATIONS, migrate

if TYPE_CHECKING:
    from pathlib import Path


def damage(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at : at + 200] = b"\xff" * 200
    path.write_bytes(content)


def test_a_ledger_of_a_newer_version_is_rejected(path: Path) -> None:
    """A newer version is an error."""
    Ledger(path).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(errors.LedgerError, match="newer wanflow"):
        Ledger(path)


def test_another_programs_database_is_left_alone(path: Path) -> None:
    """A database of another program is not changed."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE other_table (x)")
    before = path.read_bytes()
    with pytest.raises(errors.LedgerError, match="another program"):
        Ledger(path)
    assert path.read_bytes() == before


def test_another_kind_of_file_is_left_alone(path: Path) -> None:
    """A file that is no database is an error, and not changed."""
    path.write_text("my dear diary\n" * 100)
    with pytest.raises(errors.LedgerError, match="another kind of file"):
        Ledger(path)
    assert path.read_text().startswith("my dear diary")


def test_a_damaged_ledger_is_an_error(path: Path) -> None:
    """A damaged file is an error with its path."""
    Ledger(path).close()
    damage(path, 100)
    with pytest.raises(errors.LedgerError, match="damaged") as caught:
        Ledger(path).jobs()
    assert caught.value.path == str(path)


@pytest.mark.parametrize("where", ["/dev/null/ledger.db", "/proc/ledger.db"])
def test_a_path_that_cannot_be_written_is_an_error(where: str) -> None:
    """If no file can be created, the error has the path."""
    with pytest.raises(errors.LedgerError, match=where):
        Ledger(where)


def test_an_older_ledger_is_migrated(path: Path) -> None:
    """Each migration leads to the next version, and the data is kept."""
    steps = ("CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (7)",)
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        migrate(file, path, steps)
        with pytest.raises(sqlite3.OperationalError):
            migrate(file, path, (steps[0], "ALTER TABLE a ADD COLUMN z INTEGER; SELECT nonsense"))
        assert len(file.execute("SELECT * FROM a").description) == 1, (
            "a failed migration was kept in part"
        )
        migrate(file, path, (steps[0], "ALTER TABLE a ADD COLUMN y INTEGER"))
        assert file.execute("SELECT * FROM a").fetchall() == [(7, None)]
        assert file.execute("PRAGMA user_version").fetchone() == (2,)


def test_the_default_path_is_in_the_users_data_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The path is that of WANFLOW_LEDGER, else in the user's data directory."""
    monkeypatch.delenv("WANFLOW_LEDGER", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with Ledger() as ledger:
        assert ledger.path == default_path()
        assert tmp_path in ledger.path.parents
    monkeypatch.setenv("WANFLOW_LEDGER", str(tmp_path / "mine.db"))
    assert default_path() == tmp_path / "mine.db"
