"""The formats in which `wanflow contract` prints a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow_contract.report.formats import DEFAULT, FILES, RENDERERS

if TYPE_CHECKING:
    from wanflow_contract.report.result import RunResult

TEXT = "text"
"""The format that is printed while the run goes on."""
FORMATS = (TEXT, *(name for name in RENDERERS if name != "terminal"))


def render(result: RunResult, name: str) -> str:
    """Return a result in one of the formats."""
    return RENDERERS[name](result)


def files_of(name: str) -> str:
    """Return the formats of the report's files, with the one that is printed."""
    return ",".join(dict.fromkeys([*DEFAULT, *({name} & FILES.keys())]))
