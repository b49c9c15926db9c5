"""The baseline that the options of a run select."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wanflow_contract.findings.baseline import Acceptance, Baseline, BaselineUnusable
from wanflow_contract.findings.baseline_file import read_baseline
from wanflow_contract.support.option_values import last_day

if TYPE_CHECKING:
    from collections.abc import Callable

_OF_NEW_ENTRIES = ("--accepted-by", "--accepted-why", "--accepted-until")


def add_options(add: Callable[..., None]) -> None:
    """Add the options of the baseline."""
    add("--baseline", help="file of known deviations (TOML, or JSON by its name), which don't fail")
    add(
        "--baseline-update",
        action="store_true",
        help="accept all findings of this run, and remove what no longer occurs from the baseline",
    )
    add("--accepted-by", help="who accepts new entries; by default the name of the user")
    add("--accepted-why", help="why new entries are accepted")
    add(
        "--accepted-until",
        type=last_day,
        help="the last day on which new entries hold; 90 days by default",
    )


def open_baseline(config: pytest.Config) -> Baseline | None:
    """Read the baseline of a run, None without one.

    Raises:
        pytest.UsageError: an option or the file is invalid.
    """
    given, updates = config.getoption("--baseline"), config.getoption("--baseline-update")
    if updates and not given:
        raise pytest.UsageError("--baseline-update needs --baseline FILE")
    for name in () if updates else _OF_NEW_ENTRIES:
        if config.getoption(name):
            raise pytest.UsageError(f"{name} needs --baseline-update: it is for new entries")
    if not given:
        return None
    path = Path(given).absolute()
    try:
        new = updates and not path.exists()
        return Baseline(
            path, {} if new else read_baseline(path), _acceptance(config) if updates else None
        )
    except BaselineUnusable as error:
        raise pytest.UsageError(str(error)) from error


def _acceptance(config: pytest.Config) -> Acceptance:
    given: dict[str, Any] = {"by": config.getoption("--accepted-by") or _user()}
    if config.getoption("--accepted-why"):
        given["why"] = config.getoption("--accepted-why")
    if config.getoption("--accepted-until"):
        given["until"] = config.getoption("--accepted-until")
    return Acceptance(**given)


def _user() -> str:
    try:
        return os.environ.get("GITHUB_ACTOR") or getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
