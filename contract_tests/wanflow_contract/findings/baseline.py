"""Known deviations: which findings a team has accepted, who did, why, and until when."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field, frozen

from wanflow.cli.text import counted
from wanflow_contract.checks.check import REGISTRY
from wanflow_contract.findings.finding import KNOWN, finding_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from wanflow_contract.findings.finding import Finding
    from wanflow_contract.report.result import RanTest

Key = tuple[str, str, str, str]
"""What identifies a deviation: check, operation, pointer and shape; never a value."""
DEFAULT_WHY = "not given yet"
DEFAULT_DAYS = 90
_TESTS = 5


class BaselineUnusable(Exception):
    """A baseline can't be read or written; the message names the file and the entry."""


@frozen
class Entry:
    """An accepted deviation; `tests` are some of the tests that showed it."""

    check: str
    operation: str
    pointer: str
    shape: str
    by: str
    why: str
    until: date
    id: str = ""
    tests: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """What identifies the deviation."""
        return self.check, self.operation, self.pointer, self.shape

    @property
    def finding_id(self) -> str:
        """The id of the findings that the entry accepts."""
        return finding_id(*self.key)

    def shown(self) -> dict[str, str]:
        """Return what a report says of the entry."""
        return {
            "id": self.finding_id,
            "by": self.by,
            "why": self.why,
            "until": self.until.isoformat(),
        }


@frozen
class Acceptance:
    """Who accepts new entries, why, and until when."""

    by: str
    why: str = DEFAULT_WHY
    until: date = field(factory=lambda: date.today() + timedelta(DEFAULT_DAYS))  # noqa: DTZ011

    def entry(self, finding: Finding) -> Entry:
        """Return the entry of a finding."""
        return Entry(
            finding.check,
            finding.operation,
            finding.pointer,
            finding.shape,
            self.by,
            self.why,
            self.until,
            finding.id,
            tuple(sorted(finding.tests)[:_TESTS]),
        )


@define(eq=False)
class Baseline:
    """The entries of a file, and what became of them in a run.

    With `accepts`, every finding of the run is accepted, and the file is updated after it.
    """

    path: Path
    entries: dict[Key, Entry]
    accepts: Acceptance | None = None
    today: date = field(factory=date.today)

    def knows(self, finding: Finding) -> bool:
        """Return whether a finding is accepted."""
        if self.accepts is not None:
            return True
        entry = self.entries.get(_key(finding))
        return entry is not None and not self.has_expired(entry)

    def has_expired(self, entry: Entry) -> bool:
        """Return whether an entry no longer holds; it holds on its last day."""
        return entry.until < self.today

    def absent(self, findings: Collection[Finding], tests: Iterable[RanTest]) -> list[Entry]:
        """Return the entries that no longer occur, although all of their tests ran to the end.

        An entry of a check that doesn't exist can't occur.
        """
        occurred = {_key(one) for one in findings}
        passed = {one.name for one in tests if one.outcome == "passed"}
        return [
            one
            for key, one in self.entries.items()
            if key not in occurred
            and ((one.tests and passed.issuperset(one.tests)) or one.check not in REGISTRY)
        ]

    def updated(self, findings: Collection[Finding], gone: Collection[Entry]) -> list[Entry]:
        """Return the entries after a run: old ones in their order, then new ones by id."""
        assert self.accepts is not None
        found = {_key(one): one for one in findings if one.kind == KNOWN}
        old = [
            evolve(one, by=self.accepts.by, until=self.accepts.until)
            if key in found and self.has_expired(one)
            else one
            for key, one in self.entries.items()
            if one not in gone
        ]
        new = [self.accepts.entry(one) for key, one in found.items() if key not in self.entries]
        return old + sorted(new, key=lambda one: one.id)

    def outcome(self, findings: Collection[Finding], gone: Collection[Entry]) -> dict[str, Any]:
        """Return what a report says of the baseline."""
        occurred = {_key(one) for one in findings}
        accepted = {_key(one) for one in findings if one.kind == KNOWN}
        rest = [one for one in self.entries.values() if one not in gone]
        unseen = [one for one in rest if one.key not in occurred]
        again = [one for one in rest if one.key in occurred and self.accepts is None]
        named = {
            "expired": [one for one in again if self.has_expired(one)],
            "expired_unseen": [one for one in unseen if self.has_expired(one)],
            "absent": [one for one in gone if one.check in REGISTRY],
            "without_tests": [one for one in unseen if not one.tests and not self.has_expired(one)],
            "without_check": [one for one in gone if one.check not in REGISTRY],
        }
        return {
            "file": str(self.path),
            "entries": len(self.entries),
            "occurred": sum(key in occurred for key in self.entries),
            **{name: [one.shown() for one in some] for name, some in named.items()},
            "updated": self.accepts is not None,
            "added": len(accepted - self.entries.keys()) if self.accepts is not None else 0,
        }


def summary(outcome: Mapping[str, Any]) -> list[str]:
    """Return what the end of a run's output says of the baseline."""
    if not outcome:
        return []
    updated = outcome["updated"]
    known = counted(outcome["entries"], "known deviation")
    head = f"{outcome['occurred']} of {known} occurred"
    added = f"; updated, {outcome.get('added', 0)} added" if updated else ""
    verb = "removed" if updated else "remove it"
    said = {
        "expired": "expired on {until}, so it fails again",
        "expired_unseen": "expired on {until}, and didn't occur in this run",
        "absent": f"no longer occurs; {verb}",
        "without_tests": "didn't occur, and has no `tests` to say whether it still does",
        "without_check": f"accepts a check that doesn't exist; {verb}",
    }
    return [
        f"baseline: {head}{added} ({outcome['file']})",
        *(
            f"  {words.format(until=one['until'])}: {_described(one)}"
            for name, words in said.items()
            for one in outcome.get(name, ())
        ),
    ]


def _described(one: Mapping[str, str]) -> str:
    return f"{one['id']} (accepted by {one['by']}: {one['why']})"


def _key(finding: Finding) -> Key:
    return finding.check, finding.operation, finding.pointer, finding.shape
