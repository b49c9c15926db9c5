"""Group findings that one fault explains, so that a report names each fault once.

Findings are grouped only on evidence of one fault, and every finding of a group stays visible.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.findings.shape import without_values

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

    from wanflow_contract.findings.finding import Finding

MANY = 4
"""So many different failures with one sign in common have one cause; fewer are shown apart."""
# A shape begins with the model or the status for which the failure was seen.
_SUBJECT = re.compile(r"^[\w.-]+: ")
# If these fail for a response, whatever else fails for such a response is a consequence.
_OF_THE_RESPONSE = frozenset({"documented-status", "success-only", "no-server-error"})
_OK = range(200, 300)
# What a shape ends with: the kind of what was received.
_RECEIVED = re.compile(r" \([^()]*\)$")
# The status that a client of wanflow names in its error; its own requests aren't recorded.
_ANSWERED = re.compile(r"\banswered ([1-5][0-9]{2})\b")
# How a shape ends if nothing was received where the failure is.
_NOTHING = ("(absent)", "(null)", "(an empty list)", "(an empty object)", "(an empty text)")


@frozen
class Cause:
    """One fault, as far as the findings show: its findings, the one seen most often first."""

    findings: list[Finding]

    @property
    def main(self) -> Finding:
        """The finding that stands for the cause."""
        return self.findings[0]

    @property
    def count(self) -> int:
        """How often it was seen."""
        return sum(one.count for one in self.findings)

    @property
    def operations(self) -> list[str]:
        """The operations that it was seen at."""
        return sorted({one.operation for one in self.findings if one.operation})

    @property
    def pointers(self) -> list[str]:
        """The fields that it was seen at."""
        return sorted({one.pointer for one in self.findings if one.pointer})

    @property
    def checks(self) -> list[str]:
        """The checks that it makes fail."""
        return list(dict.fromkeys(one.check for one in self.findings))


def causes_of(findings: Iterable[Finding]) -> list[Cause]:
    """Return the causes of findings, the one seen most often first."""
    groups = _Groups([[one] for one in findings])
    groups.merge(_effect)
    groups.merge(_without_value)
    groups.merge(_response_with_an_error)
    groups.merge(_message, MANY)
    groups.merge(_field, MANY - 1)
    groups.merge(_check, _most_fields())
    groups.add_consequences()
    causes = (Cause(sorted(one, key=lambda found: -found.count)) for one in groups.groups)
    return sorted(causes, key=lambda cause: -cause.count)


@define
class _Groups:
    """Groups of findings, merged step by step."""

    groups: list[list[Finding]] = field(factory=list)

    def merge(self, key: Callable[[Finding], Hashable], least: int = 2) -> None:
        """Merge groups whose findings have the same key, the first that one has, if so many do."""
        by_key = defaultdict[object, list[list["Finding"]]](list)
        rest = list[list["Finding"]]()
        for group in self.groups:
            sign = next((found for one in group if (found := key(one)) is not None), None)
            (rest if sign is None else by_key[sign]).append(group)
        for groups in by_key.values():
            rest += [_joined(groups)] if len(groups) >= least else groups
        self.groups = rest

    def add_consequences(self) -> None:
        """Merge with each wrong kind of response what else failed for such a response."""
        roots = {sign: group for group in self.groups for sign in _wrong_responses(group)}
        rest = list[list["Finding"]]()
        for group in self.groups:
            root = _root(group[0], roots) if group not in roots.values() else None
            if root is None:
                rest.append(group)
            else:
                root += group
        self.groups = rest


def _root(finding: Finding, roots: Mapping[tuple[str, int], list[Finding]]) -> list[Finding] | None:
    """Return the group of the wrong kind of response that a finding follows from."""
    named = _ANSWERED.search(finding.detail) if not finding.exchanges else None
    if named is None:
        return roots.get(_response(finding))
    return next((one for (_, status), one in roots.items() if status == int(named[1])), None)


def _joined(groups: Sequence[list[Finding]]) -> list[Finding]:
    return [one for group in groups for one in group]


def effect(finding: Finding) -> str:
    """Return what happened, without the model or status for which it was seen."""
    return _SUBJECT.sub("", finding.shape)


def _effect(finding: Finding) -> Hashable:
    """The same happened to the same field, of another operation, model or status."""
    happened = effect(finding).replace("(an empty list)", "(a list)")
    if finding.check in _OF_THE_RESPONSE:  # its status is at fault, whatever its body is
        happened = _RECEIVED.sub("", happened)
    return finding.check, finding.pointer, happened


def _without_value(finding: Finding) -> Hashable:
    """A field of the responses of an operation has no value, whichever check misses it."""
    of_a_field = finding.pointer.startswith("response /") and finding.shape.endswith(_NOTHING)
    return (finding.operation, finding.pointer) if of_a_field else None


def _message(finding: Finding) -> Hashable:
    """The server says the same about different fields."""
    message = _error_message(finding)
    return (finding.check, _status(finding), message) if message else None


def _response_with_an_error(finding: Finding) -> Hashable:
    """The server sends the same error as a success."""
    message = _error_message(finding)
    return (_status(finding), message) if message and _status(finding) in _OK else None


def _field(finding: Finding) -> Hashable:
    """The same field fails the same check in different ways."""
    return (finding.check, finding.pointer) if finding.pointer else None


def _check(finding: Finding) -> Hashable:
    """The same happens to different fields."""
    return finding.check, effect(finding), finding.pointer.partition(" ")[0]


def _most_fields() -> int:
    """Return half of the number of parameters of the largest model, at least `MANY`."""
    models = packaged_contract().catalog.models.values()
    return max(MANY, *((len(one.parameters) + 1) // 2 for one in models))


def _wrong_responses(group: Sequence[Finding]) -> Iterator[tuple[str, int]]:
    yield from (_response(one) for one in group if one.check in _OF_THE_RESPONSE)


def _response(finding: Finding) -> tuple[str, int]:
    return finding.operation, _status(finding)


def _status(finding: Finding) -> int:
    return finding.exchanges[-1].status if finding.exchanges else 0


def _error_message(finding: Finding) -> str:
    """Return the error message of the last response without values, empty without one."""
    if not finding.exchanges:
        return ""
    try:
        body = json.loads(finding.exchanges[-1].content)
    except (ValueError, RecursionError):
        return ""
    error = body.get("error") if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return without_values(message) if isinstance(message, str) else ""
