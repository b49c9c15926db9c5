"""The lines where a `with` or a `try` ends: a tracer can interrupt there, a signal can't."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


@cache
def _with_lines(name: str) -> frozenset[int]:
    """Return the lines of a module where a `with` begins."""
    tree = ast.parse(Path(name).read_text())
    return frozenset(
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.With)
        for item in node.items
        for line in range(node.lineno, (item.context_expr.end_lineno or node.lineno) + 1)
    )


@cache
def _finally_lines(name: str) -> frozenset[int]:
    """Return the first lines of the `finally` blocks of a module."""
    tree = ast.parse(Path(name).read_text())
    return frozenset(
        node.finalbody[0].lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Try) and node.finalbody
    )


class BlockEnds:
    """Detects the end of a `with` and the start of a `finally`.

    No signal is handled between a block and its end, such as the release of a lock.
    """

    def __init__(self) -> None:
        self._seen: set[tuple[int, int]] = set()

    def ends_at(self, frame: FrameType) -> bool:
        """Record an executed line; return whether a `with` may end or a `finally` begin there."""
        name, line = frame.f_code.co_filename, frame.f_lineno
        place = id(frame), line
        again = place in self._seen
        self._seen.add(place)
        return (again and line in _with_lines(name)) or line in _finally_lines(name)
