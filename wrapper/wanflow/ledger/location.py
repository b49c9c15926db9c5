"""Where the ledger is kept when nobody says so."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from wanflow._settings import LEDGER_VARIABLE


def default_path() -> Path:
    """Return WANFLOW_LEDGER, else `wanflow/ledger.db` in the user's data folder."""
    named = os.environ.get(LEDGER_VARIABLE)
    return Path(named) if named else _data_folder() / "wanflow" / "ledger.db"


def _data_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    named = os.environ.get("XDG_DATA_HOME", "")
    return Path(named) if Path(named).is_absolute() else Path.home() / ".local" / "share"
