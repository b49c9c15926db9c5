"""What the merge decided, so that a person can disagree: kept in order, written as Markdown."""

from __future__ import annotations

from collections import defaultdict
from enum import Enum
from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable


class DecisionKind(Enum):
    """What was decided, as the heading of the report's section."""

    RENAMED = "Renamed"
    APART = "Kept apart"
    WIDENED = "Widened"
    PINNED = "Pinned to a model"
    DERIVED = "Derived"
    CHOSEN = "One text chosen over another"


@frozen(order=True)
class Decision:
    """One choice: what about, where in the merged document, what, and whose word it was."""

    kind: DecisionKind = field(order=lambda kind: kind.name)
    pointer: str
    text: str
    sources: tuple[str, ...] = ()


class DecisionLog:
    """The choices of one merge, in no order until they are read."""

    def __init__(self) -> None:
        self._made: set[Decision] = set()

    def add(self, kind: DecisionKind, pointer: str, text: str, sources: Iterable[str] = ()) -> None:
        """Note one choice; the same one twice is one."""
        self._made.add(Decision(kind, pointer, text, tuple(sorted(set(sources)))))

    def listed(self) -> list[Decision]:
        """List the choices, ordered by kind, place and text."""
        return sorted(self._made)


_INTRODUCTION = """\
# Merge report

What `wanflow spec build` decided when it made one document of {count}: {names}.
It is written anew each time; nothing in it is edited by hand.
"""


def report(decisions: Iterable[Decision], sources: Iterable[str]) -> str:
    """Write the decisions as a Markdown page, the same for the same merge."""
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
    whose = f" ({', '.join(decision.sources)})" if decision.sources else ""
    return f"- `{decision.pointer}`: {decision.text}{whose}"
