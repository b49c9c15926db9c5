"""Ledgers of both kinds: what a test says about one in a file holds for one in PostgreSQL, too."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LOCATIONS = ("file", pytest.param("postgres", marks=pytest.mark.postgres))


def generate_locations(metafunc: pytest.Metafunc) -> None:
    """Run a test that has a `location` with both kinds; one that has a `path`, too, with a file.

    Tests about other things name locations of their own.
    """
    own = (mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "location" in metafunc.fixturenames and not any("location" in names for names in own):
        kinds = ("file",) if "path" in metafunc.fixturenames else LOCATIONS
        metafunc.parametrize("location", kinds, indirect=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger's file."""
    return tmp_path / "ledger.db"


@pytest.fixture
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """A ledger's file, or the URL of an empty database."""
    if request.param == "file":
        return tmp_path / "ledger.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


def execute(location: Path | str, query: str, values: Sequence[Any] = ()) -> int:
    """Execute a query, as another program would; return how many rows it changed."""
    if not isinstance(location, str):
        with closing(sqlite3.connect(location)) as connection, connection:
            return connection.execute(query, values).rowcount
    import psycopg

    with psycopg.connect(location, options="-csearch_path=wanflow") as other:
        return other.execute(query.replace("?", "%s").encode(), values).rowcount
