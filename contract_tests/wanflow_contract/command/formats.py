"""The formats in which `wanflow contract` prints a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow_contract.report.formats import RENDERERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow_contract.report.result import RunResult

TEXT = "text"


def _pytest(_result: RunResult) -> str:
    return ""


FORMATS: dict[str, Callable[[RunResult], str]] = {
    TEXT: _pytest,
    **{name: one for name, one in RENDERERS.items() if name != "terminal"},
}
"""How to print a result, by the name of the format; `text` is printed while the run goes on."""
