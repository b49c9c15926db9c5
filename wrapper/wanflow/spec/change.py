"""What differs between two documents, and whom it breaks."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.spec.prove import show

if TYPE_CHECKING:
    from collections.abc import Iterable


class Level(IntEnum):
    """How much a change matters; the numbers are the exit codes of `wanflow spec diff`."""

    NONE = 0
    ADDITIVE = 1
    BREAKING = 2


@frozen
class Change:
    """One difference: where, what, and for a schema a body that shows it.

    `body` used to pass and doesn't any more, or the other way round, as `what` says; None where
    there is none to show.
    """

    level: Level
    place: str
    what: str
    body: Any = field(default=None, hash=False)

    def __str__(self) -> str:
        shown = "" if self.body is None else f": {show(self.body)}"
        return f"{self.level.name.lower()}  {self.place}: {self.what}{shown}"


@frozen
class Difference:
    """All changes between two documents, the worst first."""

    changes: tuple[Change, ...]

    @property
    def level(self) -> Level:
        """The worst of the changes."""
        return max((change.level for change in self.changes), default=Level.NONE)

    def for_people(self) -> str:
        """Write one line for each change, and a first one that sums them up."""
        if not self.changes:
            return "no difference that a program could notice"
        return "\n".join([f"{self.level.name.lower()}:", *(f"  {one}" for one in self.changes)])

    def for_programs(self) -> str:
        """Write the same as JSON."""
        changes = [
            {
                "level": one.level.name.lower(),
                "place": one.place,
                "what": one.what,
                "body": one.body,
            }
            for one in self.changes
        ]
        whole = {"level": self.level.name.lower(), "changes": changes}
        return json.dumps(whole, ensure_ascii=False, indent=2)


def sorted_changes(changes: Iterable[Change]) -> Difference:
    """Order changes: the worst first, then by place."""
    return Difference(tuple(sorted(changes, key=lambda one: (-one.level, one.place, one.what))))
