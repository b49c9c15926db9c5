"""Collect the findings and the coverage of a pytest run, and write the reports."""

from __future__ import annotations

from collections import defaultdict
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wanflow_contract.checks.check import NOT_JUDGED, NotJudged, observing
from wanflow_contract.findings.finding import KNOWN, NEW, find_failures, make_finding, redacted
from wanflow_contract.findings.recorder import Recorder
from wanflow_contract.plan.budget import BudgetExceeded
from wanflow_contract.report.counters import Counters
from wanflow_contract.report.publish import without_keys
from wanflow_contract.report.result import (
    ExitCode,
    RanTest,
    RunResult,
    SuiteError,
)
from wanflow_contract.report.text import terminal
from wanflow_contract.support.baseline_options import open_baseline
from wanflow_contract.support.pace import RateLimited
from wanflow_contract.support.run_output import (
    finish_baseline,
    summary_of,
    write_emitted_tests,
    write_report,
)
from wanflow_contract.support.suite_tests import SUITE, is_of_suite, is_ours, test_name

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from wanflow_contract.support.api_under_test import ApiUnderTest

_NO_REPORT = "the report can't be written to"
# Mark expressions that select all tests of documented responses.
_ALL = frozenset({"", "fast", "not slow", "fast or slow"})


class Reporting:
    """A pytest plugin that collects the findings and the coverage of a run.

    It runs in each process of a distributed run; the first process writes the reports.
    """

    def __init__(self, config: pytest.Config, folder: Path | None) -> None:
        self._config, self._folder = config, folder
        self._secrets = [self._option(name) for name in ("--api-key", "--api-key2")]
        self.counters = Counters()
        self.known = open_baseline(config)
        self.recorder = Recorder(
            strict=self._option("--strict-notes"),
            only=frozenset(self._option("--only")),
            is_known=self.known.knows if self.known else lambda _finding: False,
        )
        self.errors: list[SuiteError] = []
        self.tests: list[RanTest] = []
        self.target: ApiUnderTest | None = None
        self.incomplete = self.interrupted = False
        self.missing = 0
        self.not_tested = False
        self.messages: list[str] = []
        only = self.recorder.only
        self.plan: dict[str, Any] = {"only": sorted(only)} if only else {}
        self.baseline: dict[str, Any] = {}
        self.is_repeatable: Callable[[pytest.Item], bool] = lambda _item: True
        self._collected = False
        self._repeated: set[str] = set()
        self._observing = ExitStack()

    def pytest_sessionstart(self) -> None:
        """See all checks until the end of the session."""
        self._observing.enter_context(observing(self.recorder))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Let the recorder know which test runs."""
        self.recorder.begin(test_name(item.nodeid))
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Skip the rest of a test that can't go on after a tolerated failure."""
        try:
            return (yield)
        except NotJudged as error:
            pytest.skip(str(error))
        except (BudgetExceeded, RateLimited):
            raise
        except Exception as error:
            if find_failures(error):
                raise
            if self.recorder.tolerated:
                pytest.skip(str(NotJudged(self.recorder.tolerated[-1])))
            known = self.recorder.of_kind(KNOWN)
            if known and "client_kind" in getattr(item, "fixturenames", ()):
                pytest.skip(f"{NOT_JUDGED} of {known[0].check}: the client stops at it")
            raise

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, Any, Any]:
        """Report a failed check as a finding, and remove API keys from any failure."""
        report: Any = yield
        if not is_ours(item) or call.excinfo is None or not report.failed:
            return report
        failed = find_failures(call.excinfo.value)
        again = self._fails_again(item) if failed else True
        name = test_name(item.nodeid)
        found = [make_finding(name, one, reproduced=again) for one in failed]
        text = "\n\n".join(one.text() for one in found) or str(report.longrepr)
        report.longrepr = redacted(terminal(text), self._keys())
        report.sections = [
            (title, redacted(terminal(one), self._keys())) for title, one in report.sections
        ]
        if found:
            for one in found:
                self.recorder.add(one)
        else:
            report.suite_error = report.longrepr
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record the outcome of each test."""
        if not is_of_suite(report.nodeid):
            return
        name = test_name(report.nodeid)
        if report.when == "call" or report.outcome != "passed":
            reason = ""
            if report.skipped and isinstance(report.longrepr, tuple):
                reason = str(report.longrepr[2]).removeprefix("Skipped: ")
            self.tests.append(RanTest(name, report.outcome, reason))
        if hasattr(report, "suite_error"):
            self.errors.append(SuiteError(name, report.suite_error))

    def collect(self) -> None:
        """Add the counts of the server under test, once."""
        if self.target is not None and not self._collected:
            self.counters.collect(self.target)
            self._collected = True

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Record Ctrl-C; `pytest.exit` calls this, too."""
        self.interrupted = excinfo.errisinstance(KeyboardInterrupt)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """In the first process, write the reports, after the counters of all are added."""
        self._observing.close()
        if not hasattr(session.config, "workeroutput"):
            self._finish(session)

    def writing_report(self, session: pytest.Session) -> AbstractContextManager[None]:
        """Let an error while the report is written be an error of usage."""
        return self._writing(session, f"{_NO_REPORT} {self._folder}")

    def _finish(self, session: pytest.Session) -> None:
        """Decide how the run ends, and write what it leaves."""
        if self.interrupted:
            self.collect()
            self.missing = session.testscollected - len({one.name for one in self.tests})
        whole = self._is_whole() and not self.interrupted
        if whole and self.counters.has_mock_controls and self.counters.never_seen():
            self.incomplete = True
            session.exitstatus = session.exitstatus or ExitCode.FINDINGS
        if self.errors and not self.recorder.of_kind(NEW):
            session.exitstatus = ExitCode.SUITE_ERROR
        if self.tests:
            self._require_judged(session)
            self._write(session)

    def _require_judged(self, session: pytest.Session) -> None:
        """Let a run that could judge nothing end with the code of a server that wasn't tested."""
        passed = session.exitstatus in {ExitCode.PASSED, ExitCode.INCOMPLETE}
        if passed and not self.result(0).judged:
            self.not_tested = True
            session.exitstatus = ExitCode.NOT_TESTED

    def _write(self, session: pytest.Session) -> None:
        """Write what the run leaves."""
        if self.known is not None:
            self.baseline, error = finish_baseline(self.known, self.recorder, self.tests)
            if error:
                self.messages.append(error)
                session.exitstatus = pytest.ExitCode.USAGE_ERROR
        if folder := self._option("--emit-tests"):
            with self._writing(session, f"tests can't be written to {folder}"):
                self.messages += write_emitted_tests(self.result(0), folder)
        if self._folder is not None:
            formats = self._option("--contract-formats")
            result = self.result(int(session.exitstatus))
            with self.writing_report(session):
                write_report(result, self._folder, formats, self._keys())

    @contextmanager
    def _writing(self, session: pytest.Session, problem: str) -> Generator[None]:
        """Let what can't be written be an error of usage, so that the output has the findings."""
        try:
            yield
        except OSError as error:
            said = f"ERROR: {problem}: {error.strerror or error}"
            self.messages += [said] if said not in self.messages else []
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def result(self, exit_code: int) -> RunResult:
        """Return the result of the run."""
        by_test = defaultdict[str, set[str]](set, self.recorder.evaluated_by)
        result = RunResult(
            counters=self.counters,
            findings=list(self.recorder.findings.values()),
            errors=self.errors,
            tests=[
                RanTest(one.name, one.outcome, one.reason, sorted(by_test[one.name]))
                for one in self.tests
            ],
            evaluations=[(*key, number) for key, number in self.recorder.evaluations.items()],
            plan=self.plan,
            baseline=self.baseline,
            missing=self.missing,
            incomplete=self.incomplete,
            exit_code=exit_code,
        )
        return without_keys(result, self._keys())

    def _is_whole(self) -> bool:
        """Return whether a run included all tests of documented responses."""
        option = self._config.option
        chosen = option.keyword or getattr(option, "lf", False) or option.markexpr not in _ALL
        chosen = chosen or self.recorder.only
        folders = all(Path(one).is_dir() or one == SUITE.name for one in self._config.args)
        failed = any(
            one.outcome == "failed" or one.reason.startswith(NOT_JUDGED) for one in self.tests
        )
        return not chosen and folders and bool(self.counters.requests) and not failed

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the report, and GitHub annotations and a summary in GitHub Actions."""
        if not self.tests:
            return
        unwritten = any(one.startswith(f"ERROR: {_NO_REPORT}") for one in self.messages)
        folder = None if unwritten else self._folder
        lines = summary_of(self.result(0), folder, self.messages, incomplete=self.incomplete)
        for line in lines:
            terminalreporter.write_line(line)

    def _fails_again(self, item: pytest.Item) -> bool:
        """Run a failed test again, and return whether it fails again."""
        if item.nodeid in self._repeated or self._option("--no-replay"):
            return True
        if not self.is_repeatable(item):
            return True
        self._repeated.add(item.nodeid)
        try:
            item.runtest()
        except (Exception, pytest.skip.Exception, pytest.fail.Exception):
            return True
        return False

    def _option(self, name: str) -> Any:
        return self._config.getoption(name)

    def _keys(self) -> list[str]:
        own = self.target.keys.values() if self.target is not None else ()
        return [key for key in (*self._secrets, *own) if key]
