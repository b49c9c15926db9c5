"""Report a run: a page, annotations for CI, and a summary at the end of the terminal output."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wanflow_contract.support.counters import Counters
from wanflow_contract.support.findings import Finding, find_failures, make_finding, redacted
from wanflow_contract.support.html_report import render

if TYPE_CHECKING:
    from collections.abc import Generator

    from wanflow_contract.support.api_under_test import ApiUnderTest

FINDING = "finding"
LISTING = "would-be-sent.txt"
_SUITE = "contract_tests/wanflow_contract/"
# Mark expressions that select all tests of documented responses.
_ALL = frozenset({"", "fast", "not slow", "fast or slow"})


class Reporting:
    """A pytest plugin that collects the findings and the coverage of a run.

    It runs in each process of a distributed run; the first process combines the results.
    """

    def __init__(self, config: pytest.Config, folder: Path | None) -> None:
        self._config, self._folder = config, folder
        self._secrets = [config.getoption(name) for name in ("--api-key", "--api-key2")]
        self.counters = Counters()
        self.findings: list[Finding] = []
        self.outcomes: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.target: ApiUnderTest | None = None
        self.incomplete = False
        self._replayed_fields: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, Any, Any]:
        """Report a failed check as a finding, and remove API keys from any failure."""
        report: Any = yield
        if not item.nodeid.startswith(_SUITE) or call.excinfo is None or not report.failed:
            return report
        failures = find_failures(call.excinfo.value)
        findings = [
            make_finding(item.name, one, reproduced=self._fails_again(item)) for one in failures
        ]
        for one in findings:
            report.user_properties.append((FINDING, one.to_json()))
        text = "\n\n".join(one.text() for one in findings) or str(report.longrepr)
        report.longrepr = redacted(text, self._keys())
        report.sections = [(name, redacted(one, self._keys())) for name, one in report.sections]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the outcome of each test, and collect findings."""
        if not report.nodeid.startswith(_SUITE):
            return
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.outcome] += 1
        if report.skipped and isinstance(report.longrepr, tuple):
            self.skipped[str(report.longrepr[2]).removeprefix("Skipped: ")] += 1
        for name, value in report.user_properties:
            if name == FINDING:
                self.findings.append(Finding(**value))  # type: ignore[arg-type]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Pass on this process's counters; in the first process, write the report."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["contract"] = self.counters.to_json()
            return
        if self._is_whole() and self.counters.has_mock_controls and self.counters.never_seen():
            self.incomplete = True
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
        if self._folder is not None and self.outcomes.total():
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / "report.html"
            if self.counters.dry_run:
                listed = "\n".join(self.counters.request_list) + "\n"
                (self._folder / LISTING).write_text(redacted(listed, self._keys()), "utf-8")
            text = render(self.counters, self.findings, self.outcomes, self.skipped)
            path.write_text(text, "utf-8", errors="backslashreplace")

    def _is_whole(self) -> bool:
        """Return whether a run included all tests of documented responses."""
        option = self._config.option
        chosen = option.keyword or getattr(option, "lf", False) or option.markexpr not in _ALL
        folders = all(Path(one).is_dir() for one in self._config.args)
        return (
            not chosen and folders and bool(self.counters.requests) and not self.outcomes["failed"]
        )

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Add the counters of another process."""
        counters = getattr(node, "workeroutput", {}).get("contract")
        if counters:
            self.counters.merge(counters)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the summary, and GitHub annotations in GitHub Actions."""
        if not self.outcomes.total():
            return
        write = terminalreporter.write_line
        write(self.counters.summary())
        if self.counters.never_seen():
            why = "" if self.counters.has_mock_controls else " (most need the mock's controls)"
            write(f"never received{why}: {', '.join(self.counters.never_seen())}")
        if self.incomplete:
            write("FAILED: a documented response was never received, so it was not tested")
        if self._folder is not None:
            if self.counters.dry_run:
                write(f"what would be sent: {self._folder / LISTING}")
            write(f"contract report: {self._folder / 'report.html'}")
        if os.environ.get("GITHUB_ACTIONS") == "true":
            for one in self.findings:
                write(f"::error title={_escaped(one.check)}::{_escaped(one.text())}")

    def _fails_again(self, item: pytest.Item) -> bool:
        """Run a failed test again, and return whether it fails again."""
        if item.nodeid in self._replayed_fields or self._config.getoption("--no-replay"):
            return True
        self._replayed_fields.add(item.nodeid)
        try:
            item.runtest()
        except pytest.skip.Exception:
            return True
        except Exception:
            return True
        return False

    def _keys(self) -> list[str]:
        own = self.target.keys.values() if self.target is not None else ()
        return [key for key in (*self._secrets, *own) if key]


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
