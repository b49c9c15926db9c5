"""The formats in which `wanflow contract` prints a result."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow_contract.report.result import RunResult

TEXT = "text"


def _json(result: RunResult) -> str:
    return json.dumps(result.to_json(), indent=1)


def _pytest(_result: RunResult) -> str:
    return ""


FORMATS: dict[str, Callable[[RunResult], str]] = {TEXT: _pytest, "json": _json}
"""How to print a result, by the name of the format; `text` is printed while the run goes on."""
