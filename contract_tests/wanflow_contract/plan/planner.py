"""A pytest plugin that plans a run: its order, its cost, and what isn't paid for any more."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wanflow.cli.text import counted
from wanflow_contract.findings.finding import find_failures
from wanflow_contract.plan.budget import AMPLE
from wanflow_contract.plan.forecast import Forecast, forecast_of
from wanflow_contract.plan.order import Stage, Step, ordered, step_of
from wanflow_contract.report.result import ExitCode
from wanflow_contract.support.distributed import shared_file
from wanflow_contract.support.target_options import mock_controls
from wanflow_contract.support.unavailable import TargetUnavailable

if TYPE_CHECKING:
    from collections.abc import Generator

    from wanflow_contract.checks.check import CheckFailed
    from wanflow_contract.support.reporting import Reporting

_SUITE = Path(__file__).parents[1]
_BROKEN = 2
_MOST_LISTED = 10


def may_be_charged(config: pytest.Config) -> bool:
    """Return whether a run has a limit: without one, a mock gets all tests, and charges nobody."""
    base_url, limit = config.getoption("--base-url"), config.getoption("--spend-limit")
    if limit is not None or base_url is None or config.getoption("--dry-run"):
        return limit is not None or base_url is not None
    with suppress(TargetUnavailable):  # the run says so itself
        return mock_controls(str(base_url).rstrip("/")) is None
    return True


class Planner:
    """Orders the tests of a run with a spend limit, and says what they cost.

    A check that two tests of a function failed, or a rule that two invalid requests broke, is not
    paid for again. It runs in each process of a distributed run; the first one prints.
    """

    def __init__(self, config: pytest.Config, reporting: Reporting) -> None:
        self._config, self._reporting = config, reporting
        reporting.is_repeatable = self.is_repeatable
        limit = config.getoption("--spend-limit")
        self._limit = float(limit or 0.0)
        self._is_bundled = limit is None and config.getoption("--base-url") is None
        self.limited = limit is not None and limit < AMPLE
        if limit is not None:
            reporting.recorder.raised_at_most = _BROKEN
        self.forecast: Forecast | None = None
        self._steps: dict[str, Step] = {}
        self._broken: Counter[tuple[object, ...]] = Counter()
        self._paid: set[str] = set()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Order the tests of the suite by what they cost, and forecast the cost of the run."""
        ours = [item for item in items if item.path.parent == _SUITE]
        if not ours or not may_be_charged(self._config):
            return
        steps = ordered([step_of(item) for item in ours])
        self._steps = {step.item.nodeid: step for step in steps}
        self.forecast = forecast_of(steps, self._limit)
        self._reporting.plan["forecast"] = self.forecast.to_json()
        if self.limited:
            rest = iter([step.item for step in steps])
            items[:] = [next(rest) if item.path.parent == _SUITE else item for item in items]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Let the first process of a distributed run know the forecast."""
        path = shared_file(self._config, "forecast.json")
        if path is not None and self.forecast is not None and not path.exists():
            path.write_text(json.dumps(self.forecast.to_json()))

    def pytest_report_collectionfinish(self) -> list[str]:
        """Say what a full run would cost, and what this one leaves out."""
        return self.forecast.lines() if self.forecast is not None else []

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        """Say it before the other processes begin."""
        path = shared_file(self._config, "forecast.json")
        if self.forecast is None and path is not None and path.exists():
            self.forecast = Forecast(**json.loads(path.read_text()))
            self._reporting.plan["forecast"] = self.forecast.to_json()
            reporter: Any = self._config.pluginmanager.get_plugin("terminalreporter")
            for line in self.forecast.lines() if reporter else ():
                reporter.write_line(line)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip a test that would pay for what has been shown twice."""
        step = self._steps.get(item.nodeid)
        target = self._reporting.target
        if step is None or target is None or target.budget.unlimited:
            return
        shown = self._shown_twice(step)
        if shown and (step.tasks or target.budget.shared_budget.accepts_invalid):
            pytest.skip(f"{shown} has failed twice, and isn't paid for again")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Record whether a test cost anything, and which of its checks failed."""
        before = self._submissions()
        try:
            return (yield)
        except Exception as error:
            self._record(item, find_failures(error))
            raise
        finally:
            self._record(item, self._reporting.recorder.tolerated)
            if self._submissions() > before:
                self._paid.add(item.nodeid)

    def is_repeatable(self, item: pytest.Item) -> bool:
        """Return whether a failed test may run again: not if that costs scarce credits."""
        target = self._reporting.target
        return target is None or target.budget.ample or item.nodeid not in self._paid

    def _submissions(self) -> int:
        target = self._reporting.target
        return target.budget.submissions if target is not None else 0

    def _record(self, item: pytest.Item, failures: list[CheckFailed]) -> None:
        step = self._steps.get(item.nodeid)
        if step is None or not failures:
            return
        if step.probe is not None:
            if any(one.check.name == "rejects" for one in failures):
                self._broken.update((step.function, rule) for rule in step.values)
            return
        own = _checks_of(item)
        for name in {one.check.name for one in failures}:
            if name in own:
                self._broken[step.function, name] += 1

    def _shown_twice(self, step: Step) -> str:
        """Return what was shown twice by tests like this one, '' if nothing was."""
        if step.probe is not None:
            rules = [self._broken[step.function, rule] >= _BROKEN for rule in step.values]
            free = step.stage is Stage.FREE
            return f"the rule of {step.probe.field or 'the model'}" if free and all(rules) else ""
        return next(
            (
                f"the check {key[1]}"
                for key, number in self._broken.items()
                if key[0] == step.function and number >= _BROKEN
            ),
            "",
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Add the coverage to the result; with --require-complete, fail if it isn't complete."""
        if hasattr(session.config, "workeroutput"):
            return
        coverage = self._reporting.result(0).coverage()
        self._reporting.plan["coverage"] = coverage
        missing = coverage["both"] < coverage["rules"]
        if self._config.getoption("--require-complete") and missing and not session.exitstatus:
            session.exitstatus = ExitCode.INCOMPLETE

    def pytest_terminal_summary(self, terminalreporter: Any, exitstatus: int) -> None:
        """Name the rules that were not tested on both sides."""
        coverage = self._reporting.plan.get("coverage")
        if not coverage or not self._reporting.counters.requests or self._is_bundled:
            return
        write, untested = terminalreporter.write_line, coverage["untested"]
        for one in untested[:_MOST_LISTED]:
            name = f"{one['model']} {one['field']} {one['keyword']}"
            write(f"not tested: {name}, with {one['side']} values")
        if len(untested) > _MOST_LISTED:
            more = counted(len(untested) - _MOST_LISTED, "more rule")
            write(f"not tested: {more}; the report has all")
        if exitstatus == ExitCode.INCOMPLETE:
            write("INCOMPLETE: a rule was not tested on both sides, which --require-complete asks")


def _checks_of(item: pytest.Item) -> set[str]:
    """Return the names of the checks that the module of a test uses itself."""
    module = getattr(item, "module", None)
    return {one.name for one in vars(module).values() if hasattr(one, "sentence")}
