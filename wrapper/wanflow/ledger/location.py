"""Where a ledger is: a file, or a PostgreSQL database named by a URL."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wanflow._config import LEDGER_VARIABLE
from wanflow._database_url import is_postgres_url

if TYPE_CHECKING:
    from os import PathLike


def default_path() -> Path | str:
    """Return WANFLOW_LEDGER, else `wanflow/ledger.db` in the user's data directory.

    WANFLOW_LEDGER may name a file, or a PostgreSQL database by its URL.
    """
    named = os.environ.get(LEDGER_VARIABLE)
    return parse_location(named) if named else data_dir() / "wanflow" / "ledger.db"


def parse_location(named: str | PathLike[str]) -> Path | str:
    """Return the URL of a PostgreSQL database unchanged, and anything else as an absolute path."""
    if is_postgres_url(named):
        return str(named)
    return Path(named).absolute()


def may_exist(location: Path | str) -> bool:
    """Return whether there is a file; a database is found by connecting to it only."""
    return isinstance(location, str) or location.exists()


def data_dir() -> Path:
    """Return the user's data directory."""
    system: str = sys.platform
    if system == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if system == "darwin":
        return Path.home() / "Library" / "Application Support"
    named = os.environ.get("XDG_DATA_HOME", "")
    return Path(named) if Path(named).is_absolute() else Path.home() / ".local" / "share"
