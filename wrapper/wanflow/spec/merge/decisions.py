"""The decisions of a merge, and the Markdown report of them."""

from __future__ import annotations

from collections import defaultdict
from enum import Enum
from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable


class DecisionKind(Enum):
    """The kind of a decision; the value is the heading of its section in the report."""

    RENAMED = "Renamed"
    KEPT_APART = "Kept apart"
    WIDENED = "Widened"
    PINNED = "Pinned to a model"
    DERIVED = "Derived"
    CHOSEN = "One text chosen over another"


@frozen(order=True)
class Decision:
    """One decision: its kind, the place in the merged spec, the text, and the sources concerned."""

    kind: DecisionKind = field(order=lambda kind: kind.name)
    pointer: str
    text: str
    sources: tuple[str, ...] = ()


class DecisionLog:
    """Collects the decisions of one merge."""

    def __init__(self) -> None:
        self._decisions: set[Decision] = set()

    def add(self, kind: DecisionKind, pointer: str, text: str, sources: Iterable[str] = ()) -> None:
        """Record a decision; duplicates are ignored."""
        self._decisions.add(Decision(kind, pointer, text, tuple(sorted(set(sources)))))

    def sorted(self) -> list[Decision]:
        """Return the decisions, sorted by kind, place and text."""
        return sorted(self._decisions)


_INTRODUCTION = """\
# Merge report

The decisions of `wanflow spec build` in merging {count} source specs: {names}.
This file is generated; don't edit it.
"""


def format_report(decisions: Iterable[Decision], sources: Iterable[str]) -> str:
    """Return the decisions as a Markdown page."""
    names = sorted(sources)
    grouped: dict[DecisionKind, list[Decision]] = defaultdict(list)
    for decision in decisions:
        grouped[decision.kind].append(decision)
    parts = [_INTRODUCTION.format(count=len(names), names=", ".join(names))]
    for kind in DecisionKind:
        parts.append(f"## {kind.value}\n")
        parts.extend(_line(decision) for decision in sorted(grouped[kind]))
        if not grouped[kind]:
            parts.append("Nothing.")
        parts.append("")
    return "\n".join(parts)


def _line(decision: Decision) -> str:
    sources_text = f" ({', '.join(decision.sources)})" if decision.sources else ""
    return f"- `{decision.pointer}`: {decision.text}{sources_text}"
