"""The report of a run: a page, a list for CI, and a word at the end of the terminal's output."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wanflow_contract.support.counters import Tally
from wanflow_contract.support.findings import Finding, blotted, breaches, finding_of
from wanflow_contract.support.html_report import page

if TYPE_CHECKING:
    from collections.abc import Generator

    from wanflow_contract.support.api_under_test import Target

FINDING = "finding"
LISTING = "would-be-sent.txt"
_LAWS = "contract_tests/wanflow_contract/"
# Expressions of marks that leave all documented answers to be seen.
_ALL = frozenset({"", "fast", "not full", "fast or full"})


class Reporting:
    """A plugin of pytest that keeps the findings of a run and what it covered.

    It works in each process of a distributed run; the first one puts everything together.
    """

    def __init__(self, config: pytest.Config, folder: Path | None) -> None:
        self._config, self._folder = config, folder
        self._secrets = [config.getoption(name) for name in ("--api-key", "--api-key2")]
        self.tally = Tally()
        self.findings: list[Finding] = []
        self.outcomes: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.target: Target | None = None
        self.incomplete = False
        self._repeated: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, Any, Any]:
        """Tell a breach of a law as a finding, and any failure without the keys."""
        report: Any = yield
        if not item.nodeid.startswith(_LAWS) or call.excinfo is None or not report.failed:
            return report
        found = breaches(call.excinfo.value)
        told = [finding_of(item.name, one, again=self._again(item)) for one in found]
        for one in told:
            report.user_properties.append((FINDING, one.plain()))
        text = "\n\n".join(one.text() for one in told) or str(report.longrepr)
        report.longrepr = blotted(text, self._keys())
        report.sections = [(name, blotted(one, self._keys())) for name, one in report.sections]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count what became of each law's test."""
        if not report.nodeid.startswith(_LAWS):
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
        """Hand on what this process covered, or write the page in the first one."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["contract"] = self.tally.plain()
            return
        if self._is_whole() and self.tally.steered and self.tally.never():
            self.incomplete = True
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
        if self._folder is not None and self.outcomes.total():
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / "report.html"
            if self.tally.dry:
                listed = "\n".join(self.tally.listing) + "\n"
                (self._folder / LISTING).write_text(blotted(listed, self._keys()), "utf-8")
            text = page(self.tally, self.findings, self.outcomes, self.skipped)
            path.write_text(text, "utf-8", errors="backslashreplace")

    def _is_whole(self) -> bool:
        """Tell whether a run had all laws of answers to try, and tried them."""
        option = self._config.option
        chosen = option.keyword or getattr(option, "lf", False) or option.markexpr not in _ALL
        folders = all(Path(one).is_dir() for one in self._config.args)
        return not chosen and folders and bool(self.tally.requests) and not self.outcomes["failed"]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take in what another process covered."""
        told = getattr(node, "workeroutput", {}).get("contract")
        if told:
            self.tally.add(told)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """End with what was spent, and annotate in GitHub's way where that is read."""
        if not self.outcomes.total():
            return
        write = terminalreporter.write_line
        write(self.tally.line())
        if self.tally.never():
            why = "" if self.tally.steered else " (most take the mock's controls)"
            write(f"never seen{why}: {', '.join(self.tally.never())}")
        if self.incomplete:
            write("FAILED: a documented answer that was never seen was not tested")
        if self._folder is not None:
            if self.tally.dry:
                write(f"what would be sent: {self._folder / LISTING}")
            write(f"contract report: {self._folder / 'report.html'}")
        if os.environ.get("GITHUB_ACTIONS") == "true":
            for one in self.findings:
                write(f"::error title={_escaped(one.law)}::{_escaped(one.text())}")

    def _again(self, item: pytest.Item) -> bool:
        """Run a failed test once more, and tell whether it fails again."""
        if item.nodeid in self._repeated or self._config.getoption("--no-replay"):
            return True
        self._repeated.add(item.nodeid)
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
