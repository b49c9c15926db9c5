"""What the processes of a distributed run pass on to the first one: with each test, not at the end.

So a run that is interrupted has the results of all tests that have ended.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wanflow_contract.plan.shared_budget import SharedBudget
from wanflow_contract.report.counters import Counters

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from wanflow_contract.findings.recorder import Recorder
    from wanflow_contract.support.api_under_test import ApiUnderTest

_INTERVAL = 1.0
_LONGEST_FLIGHT = 1.0
"""For how many seconds an interrupted run waits for the responses of its other processes."""
BUDGET = "budget.db"


def shared_file(config: pytest.Config, name: str) -> Path | None:
    """Return the path of a file that the processes of a distributed run share, None without one."""
    factory = getattr(config, "_tmp_path_factory", None)
    if factory is None:
        return None
    base = Path(factory.getbasetemp())
    return (base.parent if hasattr(config, "workerinput") else base) / name


class Distributed:
    """A pytest plugin that passes on what a process recorded and counted.

    `counters` are those of the run; in a process that isn't the first, `target` returns the server
    that it counts for.
    """

    def __init__(
        self,
        config: pytest.Config,
        recorder: Recorder,
        counters: Counters,
        target: Callable[[], ApiUnderTest | None],
    ) -> None:
        self._recorder, self._counters, self._target = recorder, counters, target
        self._config = config
        self._is_worker = hasattr(config, "workerinput")
        self._counted = 0.0
        self._by_process: dict[str, dict[str, Any]] = {}
        self._total = (0.0, 0)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Pass on what was recorded during a test."""
        report: Any = yield
        if self._is_worker and call.when == "teardown":
            report.contract = json.dumps(self._taken(self._snapshot()))
        result: pytest.TestReport = report
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add what another process recorded during a test."""
        passed: Any = report
        if hasattr(passed, "node") and hasattr(passed, "contract"):
            self._add(passed.node, passed.contract)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Add what another process recorded after its last test."""
        output = getattr(node, "workeroutput", {})
        if "contract" in output:
            self._add(node, output["contract"])

    def pytest_keyboard_interrupt(self) -> None:
        """Let no process or thread submit any more, and count what is in flight."""
        target, path = self._target(), shared_file(self._config, BUDGET)
        if self._is_worker:
            return
        if target is not None:  # there is no other process: it counts all itself
            target.budget.shared_budget.stop(_LONGEST_FLIGHT)
        elif path is not None and path.exists():
            budget = SharedBudget(path)
            self._total = budget.stop(_LONGEST_FLIGHT)
            budget.close()

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """In the first process, add up the counters; in others, pass on the rest.

        An interrupted run counts what all processes have spent, also in tests that haven't ended.
        """
        for one in self._by_process.values():
            self._counters.merge(one)
        spent, tasks = self._total
        self._counters.spent = max(self._counters.spent, spent)
        self._counters.tasks = max(self._counters.tasks, tasks)
        yield
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["contract"] = json.dumps(self._taken(self._counters))

    def _taken(self, counters: Counters | None) -> dict[str, Any]:
        counted = None if counters is None else counters.to_json()
        return {"recorded": self._recorder.take(), "counted": counted}

    def _snapshot(self) -> Counters | None:
        """Return what was counted so far, None shortly after the last time."""
        target, now = self._target(), time.monotonic()
        if target is None or now - self._counted < _INTERVAL:
            return None
        self._counted, counters = now, Counters()
        counters.collect(target)
        counters.request_list.clear()  # it is long
        return counters

    def _add(self, node: Any, text: str) -> None:
        passed = json.loads(text)
        self._recorder.merge(passed["recorded"])
        if passed["counted"] is not None:
            self._by_process[str(node.gateway.id)] = passed["counted"]
