"""The CPU time of a process and of all that it started, as Linux counts it."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def _fields(process: Path) -> list[str]:
    # The name, which is in parentheses, may contain anything.
    return (process / "stat").read_text().rpartition(")")[2].split()


def cpu_of_descendants(pid: int) -> float:
    """Return the CPU seconds of a process, of its children, and of children that have ended."""
    found = _fields(Path("/proc") / str(pid))
    ticks = sum(int(value) for value in found[11:15])
    for process in Path("/proc").glob("[0-9]*"):
        try:
            child = _fields(process)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(child[1]) == pid:
            ticks += sum(int(value) for value in child[11:13])
    return ticks / _TICKS
