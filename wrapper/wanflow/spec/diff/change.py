"""A change between two specs, and its severity."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.spec.diff.change_kinds import KINDS, Severity
from wanflow.spec.proof.requests import format_body

if TYPE_CHECKING:
    from collections.abc import Iterable


@frozen
class Change:
    """One difference: its kind, where it is, what it is, and for a schema a body that shows it.

    `body` used to pass and doesn't any more, or the other way round, as `what` says; None where
    there is none to show. `says` are JSON pointers in either document of which nothing more needs
    to be said.
    """

    id: str
    place: str
    what: str
    body: Any = field(default=None, hash=False)
    says: frozenset[str] = field(default=frozenset(), eq=False, repr=False)

    @property
    def severity(self) -> Severity:
        """How severe it is."""
        return KINDS[self.id].severity

    @property
    def message(self) -> str:
        """The position and the change in one line."""
        shown = "" if self.body is None else f": {format_body(self.body)}"
        return f"{self.place}: {self.what}{shown}"

    def __str__(self) -> str:
        return f"{self.severity.label}  {self.id}  {self.message}"


@frozen
class Diff:
    """All changes between two specs, the most severe first; `silenced` changes are not counted."""

    changes: tuple[Change, ...]
    silenced: tuple[Change, ...] = ()

    @property
    def severity(self) -> Severity:
        """The highest severity of the changes."""
        return max((change.severity for change in self.changes), default=Severity.NONE)

    def to_text(self) -> str:
        """Return a summary line, and one line for each change."""
        left_out = f"{len(self.silenced)} silenced by a reviewed entry"
        note = [f"  ({left_out})"] if self.silenced else []
        if not self.changes:
            return "\n".join(["no difference", *note])
        return "\n".join([f"{self.severity.label}:", *(f"  {one}" for one in self.changes), *note])

    def to_json(self) -> str:
        """Return the same as JSON."""
        whole = {
            "level": self.severity.label,
            "changes": [_as_data(one) for one in self.changes],
            "silenced": [_as_data(one) for one in self.silenced],
        }
        return json.dumps(whole, ensure_ascii=False, indent=2)


def _as_data(change: Change) -> dict[str, Any]:
    return {
        "id": change.id,
        "level": change.severity.label,
        "place": change.place,
        "what": change.what,
        "body": change.body,
    }


def sorted_changes(changes: Iterable[Change]) -> Diff:
    """Sort changes by severity, then by position."""
    listed = sorted(changes, key=lambda one: (-one.severity, one.id, one.place, one.what))
    return Diff(tuple(listed))
