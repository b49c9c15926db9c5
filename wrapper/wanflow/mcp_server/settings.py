"""The settings of a server for agents, which its user chooses when it is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from pathlib import Path

    from wanflow._core.recorder import Budget

NAME_PREFIX = "mcp:"
"""What begins the names of the jobs that agents submitted, in the ledger."""
MAX_CALL_SECONDS = 25.0
"""The longest time of one call. Clients give up after 30 seconds and more."""


@frozen
class Settings:
    """What an agent may do.

    Its jobs together stay within `budget`; files are saved in `output_dir`, and local files are
    read only below `input_dirs`. `resubmit_uncertain` allows the tool `resume` to send uncertain
    submissions again. A call ends after `call_seconds`, while its work goes on.
    """

    budget: Budget
    output_dir: Path
    input_dirs: tuple[Path, ...] = ()
    resubmit_uncertain: bool = False
    call_seconds: float = MAX_CALL_SECONDS


def budget_prefix(name: str) -> str:
    """Return what begins the names of the jobs of one budget."""
    return f"{NAME_PREFIX}{name}:"
