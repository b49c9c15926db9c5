"""The lines at which a `with` ends: there a tracer can interrupt, and nothing else can."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


@cache
def _with_lines(name: str) -> frozenset[int]:
    """The lines of a module where a `with` begins."""
    tree = ast.parse(Path(name).read_text())
    return frozenset(
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.With)
        for item in node.items
        for line in range(node.lineno, (item.context_expr.end_lineno or node.lineno) + 1)
    )


class Withs:
    """Tells whether Python comes back to a `with` to end it.

    No signal is handled between the block and what ends it, such as the release of a lock.
    """

    def __init__(self) -> None:
        self._seen: set[tuple[int, int]] = set()

    def end_at(self, frame: FrameType) -> bool:
        """Take note of a line that is run → whether a `with` may end there."""
        place = id(frame), frame.f_lineno
        again = place in self._seen
        self._seen.add(place)
        return again and frame.f_lineno in _with_lines(frame.f_code.co_filename)
