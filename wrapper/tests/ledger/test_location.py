"""A ledger's location is a file or a PostgreSQL database, whose password is never shown."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from wanflow._database_url import without_password
from wanflow.errors import LedgerError
from wanflow.ledger import Ledger, default_path
from wanflow.ledger.location import parse_location

SECRET = "s3cret/=word"
URLS = {
    "postgresql://user:s3cret@host/db": "postgresql://user:***@host/db",
    "postgres://user:s3cret%2F@host:5432/db?sslmode=require": (
        "postgres://user:***@host:5432/db?sslmode=require"
    ),
    "postgresql:///db?host=/run/pg&user=me&password=s3cret": (
        "postgresql:///db?host=/run/pg&user=me&password=***"
    ),
    "postgresql://h1,h2/db?PASSWORD=s3cret&sslpassword=s3cret": (
        "postgresql://h1,h2/db?PASSWORD=***&sslpassword=***"
    ),
    "postgresql://user:s3cret@s3cret/s3cret@host/db": "postgresql://user:***@host/db",
    "postgresql://user:s3cret?s3cret@host/db": "postgresql://user:***@host/db",
    "postgresql://user@host/db": "postgresql://user@host/db",
    "postgresql://": "postgresql://",
}


@pytest.mark.parametrize(("url", "shown"), URLS.items())
def test_a_shown_url_has_no_password(url: str, shown: str) -> None:
    """Passwords are replaced, wherever they are in a URL, and nothing else is."""
    assert without_password(url) == shown


@pytest.mark.parametrize("url", [*URLS, "POSTGRESQL://host/db"])
def test_a_url_of_postgresql_is_no_file(url: str) -> None:
    """A URL is kept as it is; everything else is a path."""
    assert parse_location(url) == url


@pytest.mark.parametrize("path", ["ledger.db", "postgresql", "postgresql:/x", "sqlite://x", "a?b"])
def test_anything_else_is_a_file(path: str) -> None:
    """Everything but a URL of PostgreSQL names a file, relative to the current directory."""
    assert parse_location(path) == Path(path).absolute()


def test_the_environment_may_name_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """WANFLOW_LEDGER may be a URL."""
    monkeypatch.setenv("WANFLOW_LEDGER", "postgresql://host/db")
    assert default_path() == "postgresql://host/db"


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg, the error names the extra and not the password."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(LedgerError, match=r"pip install 'wanflow\[queue\]'") as caught:
        Ledger("postgresql://user:s3cret@host/db")
    assert "s3cret" not in f"{caught.value} {caught.value.path}"
