"""Read the result of an earlier run, and find a finding in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow_contract.report.result import read_result

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow_contract.findings.finding import Finding
    from wanflow_contract.report.result import RunResult


class ReportUnusable(Exception):
    """A report can't be read, or doesn't have the finding; the message says which."""


def load_report(path: Path) -> RunResult:
    """Read `report.json`, given itself or its folder.

    Raises:
        ReportUnusable: it can't be read, or isn't the result of a run.
    """
    file = path / "report.json" if path.is_dir() else path
    try:
        return read_result(file)
    except OSError as error:
        raise ReportUnusable(f"{file} can't be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ReportUnusable(f"{file} is not the report.json of a run: {error}") from error


def find_finding(result: RunResult, name: str) -> Finding:
    """Return the finding of an id, or of the start of one.

    Raises:
        ReportUnusable: there is none, or there are several.
    """
    exact = [one for one in result.findings if one.id == name]
    found = exact or [one for one in result.findings if one.id.startswith(name)]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(one.id for one in found or result.findings)
    which = "several ids of findings begin" if found else "no id of a finding begins"
    there = f"there are {listed}" if listed else "the report has no findings"
    raise ReportUnusable(f"{which} with {name!r}; {there}")
