"""The result of a run: everything that a report shows, as data that a file can hold."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from attrs import asdict, field, frozen

import wanflow
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.findings.finding import KNOWN, NEW, NOTE, Finding
from wanflow_contract.plan.rules import coverage_of, sides_of
from wanflow_contract.report.counters import Counters

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 1
"""The version of the file's format."""


class ExitCode(IntEnum):
    """What a run ends with; each kind of end has its own."""

    PASSED = 0
    FINDINGS = 1
    USAGE = 2
    SUITE_ERROR = 3
    NOT_TESTED = 4
    INCOMPLETE = 5


@frozen
class RanTest:
    """A test that ran: its outcome, the reason if it was skipped, and the checks it evaluated."""

    name: str
    outcome: str
    reason: str = ""
    checks: list[str] = field(factory=list[str])


@frozen
class SuiteError:
    """An error inside the suite, which says nothing about the server."""

    test: str
    text: str


def _document() -> str:
    info = packaged_contract().catalog.document["info"]
    return f"{info['title']}, version {info['version']}"


@frozen
class RunResult:
    """A run: the server, the findings, the coverage and the cost.

    `evaluations` has how often each check was evaluated for each operation, `plan` what was said of
    the cost before the run, which rules were tested, and to which checks the run is limited, if to
    any. `missing` is the number of tests without a result, because the run was interrupted; with
    `incomplete`, a whole run on a mock never received a documented response.
    """

    counters: Counters
    findings: list[Finding] = field(factory=list[Finding])
    errors: list[SuiteError] = field(factory=list[SuiteError])
    tests: list[RanTest] = field(factory=list[RanTest])
    evaluations: list[tuple[str, str, int]] = field(factory=list[tuple[str, str, int]])
    plan: dict[str, Any] = field(factory=dict[str, Any])
    baseline: dict[str, Any] = field(factory=dict[str, Any])
    missing: int = 0
    incomplete: bool = False
    exit_code: int = 0
    time: str = field(factory=lambda: datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    suite: str = wanflow.__version__
    document: str = field(factory=_document)

    @property
    def new(self) -> list[Finding]:
        """The findings that fail the run."""
        return [one for one in self.findings if one.kind == NEW]

    @property
    def known(self) -> list[Finding]:
        """The findings that the baseline has."""
        return [one for one in self.findings if one.kind == KNOWN]

    @property
    def notes(self) -> list[Finding]:
        """The failures of checks that rest on no sentence of the documents."""
        return [one for one in self.findings if one.kind == NOTE]

    @property
    def judged(self) -> bool:
        """Whether a check was judged: of those that the run is limited to, if it is to some.

        A server whose every response is a 5xx, which nothing asked for, can't be judged.
        """
        only = self.plan.get("only", ())
        evaluated = any(not only or check in only for check, _, _ in self.evaluations)
        if self.known or self.counters.has_mock_controls:
            return evaluated
        statuses = [one for one, seen in self.counters.statuses.items() if seen]
        broken = bool(statuses) and all(one.rpartition(" ")[2] >= "500" for one in statuses)
        return evaluated and bool(self.counters.requests) and not broken

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides of the rules that the run judges: both, unless it is limited to some checks."""
        return sides_of(self.plan.get("only", ()))

    def coverage(self) -> dict[str, Any]:
        """Return which rules of the requests were tested: in all, and by field."""
        return coverage_of(self.counters.rules(), self.sides)

    def outcomes(self) -> dict[str, int]:
        """Return the number of tests by outcome."""
        found: dict[str, int] = {}
        for one in self.tests:
            found[one.outcome] = found.get(one.outcome, 0) + 1
        return found

    def skipped(self) -> dict[str, int]:
        """Return the number of skipped tests by reason."""
        found: dict[str, int] = {}
        for one in self.tests:
            if one.outcome == "skipped":
                found[one.reason] = found.get(one.reason, 0) + 1
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON data."""
        data = asdict(self)
        return {"version": VERSION, **data, "counters": self.counters.to_json()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RunResult:
        """Return the result of some JSON data.

        Raises:
            ValueError: the data has another version.
        """
        if not isinstance(data, dict) or "version" not in data:
            raise ValueError("it has no `version`")
        if data["version"] != VERSION:
            raise ValueError(f"version {data['version']!r} can't be read; it must be {VERSION}")
        rest = {name: one for name, one in data.items() if name != "version"}
        counters = Counters()
        counters.merge(rest["counters"])
        values: dict[str, Any] = {
            "counters": counters,
            "findings": [Finding.from_json(one) for one in rest["findings"]],
            "errors": [SuiteError(**one) for one in rest["errors"]],
            "tests": [RanTest(**one) for one in rest["tests"]],
            "evaluations": [(check, at, number) for check, at, number in rest["evaluations"]],
        }
        return cls(**{**rest, **values})


def write_result(result: RunResult, path: Path) -> None:
    """Write a result to a file."""
    path.write_text(json.dumps(result.to_json(), indent=1), "utf-8")


def read_result(path: Path) -> RunResult:
    """Read the result of a run.

    Raises:
        OSError: the file can't be read.
        ValueError: it isn't the result of a run.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError("it isn't UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it isn't JSON ({error})") from error
    try:
        return RunResult.from_json(data)
    except KeyError as error:
        raise ValueError(f"its field {error} is absent") from error
    except (TypeError, AttributeError) as error:
        raise ValueError("a field of it is of another kind") from error
