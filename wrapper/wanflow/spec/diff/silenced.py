"""`specs/silenced.yaml`: changes and warnings that a person has reviewed and accepted.

Each entry names the id, the place as it is printed (`*` stands for any text), and the reason.
What it matches is listed apart and doesn't count; an entry that matches nothing is reported.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from wanflow.catalog.document import is_array, is_object
from wanflow.spec.diff.change import Change, Diff, sorted_changes
from wanflow.spec.diff.change_kinds import KINDS
from wanflow.spec.errors import InvalidDocument
from wanflow.spec.read.yaml import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FORM = "an `id`, a `place` and a `reason`"
_NEVER = frozenset("56")
"""The first digits of ids that can't be silenced, because they stop the pipeline."""
_OF_CHECK = frozenset({"WF210", "WF211", "WF212"})
"""The warnings of `check`; the others are changes that `diff` lists."""


@frozen
class SilencedChange:
    """One accepted change or warning."""

    id: str
    place: str
    reason: str

    def matches(self, number: str, place: str) -> bool:
        """Return whether it matches a change or a warning."""
        literal = re.sub(r"([\[?])", r"[\1]", self.place)
        return number == self.id and fnmatchcase(place, literal)


@frozen
class Silenced:
    """The entries of a reviewed file; without one, there are none."""

    file: str = ""
    entries: tuple[SilencedChange, ...] = field(default=())

    @classmethod
    def read(cls, path: Path) -> Silenced:
        """Read the file; a missing file silences nothing.

        Raises:
            Refused: an entry has another form, or an id that can't be silenced.
        """
        if not path.is_file():
            return cls()
        data = read_yaml(path.read_text("utf-8"), path.name).data
        listed = data if is_array(data) else [] if data is None else [data]
        return cls(path.name, tuple(_entry(entry, path.name) for entry in listed))

    def has(self, number: str, place: str) -> bool:
        """Return whether an entry silences a change or a warning."""
        return any(entry.matches(number, place) for entry in self.entries)

    def apply(self, difference: Diff) -> Diff:
        """Remove silenced changes from a diff, and add entries that match nothing."""
        kept = [one for one in difference.changes if not self.has(one.id, one.place)]
        silent = tuple(one for one in difference.changes if self.has(one.id, one.place))
        found = [(one.id, one.place) for one in difference.changes]
        of_changes = [entry for entry in self.entries if not _of_check(entry)]
        stale = self.stale(of_changes, found)
        return evolve(sorted_changes([*kept, *stale]), silenced=silent)

    def stale(
        self, entries: Iterable[SilencedChange], found: Iterable[tuple[str, str]]
    ) -> Iterable[Change]:
        """Yield the entries that match none of the changes or warnings."""
        listed = list(found)
        for entry in entries:
            if not any(entry.matches(number, place) for number, place in listed):
                what = f"the entry {entry.id} for {entry.place} matches nothing; remove it"
                yield Change("WF209", self.file, what)

    @property
    def of_check(self) -> list[SilencedChange]:
        """The entries about warnings of `check`."""
        return [entry for entry in self.entries if _of_check(entry)]


def _of_check(entry: SilencedChange) -> bool:
    return entry.id in _OF_CHECK


def _entry(data: object, file: str) -> SilencedChange:
    if not is_object(data) or set(data) != {"id", "place", "reason"}:
        raise InvalidDocument(f"{file}: each entry must have {FORM}")
    if not all(isinstance(text, str) and text.strip() for text in data.values()):
        raise InvalidDocument(f"{file}: each entry must have {FORM}, each a text")
    number = data["id"]
    if number not in KINDS or number[2] in _NEVER:
        known = "see docs/changes.md for those that can be silenced"
        raise InvalidDocument(f"{file}: {number} can't be silenced; {known}")
    return SilencedChange(number, data["place"], data["reason"])
