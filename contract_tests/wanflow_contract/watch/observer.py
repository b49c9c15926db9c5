"""Judge a sequence of exchanges by the checks of the suite, and send nothing."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from threading import RLock
from typing import TYPE_CHECKING

from attrs import define, evolve, field

from wanflow._urls import split_url
from wanflow.cli.text import counted
from wanflow_contract.checks.check import observing
from wanflow_contract.checks.definitions.responses import RESPONDS
from wanflow_contract.checks.documented_responses import Contract, packaged_contract
from wanflow_contract.findings.finding import NEW
from wanflow_contract.findings.recorder import Recorder
from wanflow_contract.report.counters import Counters
from wanflow_contract.report.result import ExitCode, RanTest, RunResult, SuiteError
from wanflow_contract.watch.anonymous import Accounts
from wanflow_contract.watch.other_reasons import (
    NOT_OF_THE_SERVER,
)
from wanflow_contract.watch.task_judge import TaskJudge

if TYPE_CHECKING:
    from collections.abc import Generator

    from wanflow_contract.support.exchange import Exchange

_LOCK = RLock()
"""Checks have one observer at a time in a process."""
_MOST_ERRORS = 50


_PACKAGES = {"br": "brotli", "zstd": "zstandard"}
"""What httpx reads a content coding with."""


@define(eq=False, repr=False)
class Observer:
    """Judges exchanges in the order in which their responses ended; any thread may call it.

    With `base_url`, only what is below it belongs to the API; otherwise every URL whose end is the
    path of an operation does. With `strict`, notes are findings like others. `unread` counts the
    exchanges that came faster than they could be judged.
    """

    base_url: str = ""
    strict: bool = False
    contract: Contract = field(factory=packaged_contract)
    recorder: Recorder = field(init=False)
    counters: Counters = field(init=False)
    errors: list[SuiteError] = field(factory=list[SuiteError])
    not_judged: int = 0
    unread: int = 0
    codings: Counter[str] = field(factory=Counter[str])
    """Exchanges by the content coding that their body couldn't be read for."""
    tasks: TaskJudge = field(init=False)
    _accounts: Accounts = field(factory=Accounts)
    _labels: set[str] = field(factory=set[str])

    def __attrs_post_init__(self) -> None:
        """Start without any task; no failure is raised."""
        self.recorder = Recorder(strict=self.strict, raised_at_most=0)
        self.counters = Counters(base_url=self.base_url, watched=True)
        self.tasks = TaskJudge(self.contract.catalog.models, self.counters, self._accounts)

    def observe(
        self,
        exchange: Exchange,
        started: float | None = None,
        ended: float | None = None,
        *,
        complete: bool = True,
        wrong_coding: str = "",
    ) -> None:
        """Judge an exchange; nothing is raised.

        Args:
            exchange: the request, and the response with its decoded body.
            started: when the request was sent, in Unix seconds; by default now.
            ended: when the response had been received; by default now.
            complete: whether both bodies are known as a whole.
            wrong_coding: the content coding that the response names, but doesn't have.
        """
        now = time.time()
        with _LOCK, observing(self.recorder):
            anonymous, account = self._accounts.anonymous(exchange)
            times = (now if started is None else started, now if ended is None else ended)
            self.tasks.begin(account, _server_time(anonymous, times[1]))
            with self._safely(anonymous):
                if not wrong_coding:
                    self._judge(anonymous, account, times, complete)
                elif self._is_of_the_api(anonymous):
                    self._begin("content codings")
                    RESPONDS.fail(f"the body isn't in the coding {wrong_coding!r}", anonymous)

    def result(self) -> RunResult:
        """Return what was found."""
        with _LOCK:
            with observing(self.recorder):
                self.tasks.end()
            tests = [RanTest(one, "passed", "", self._checks_of(one)) for one in self._labels]
            tests += [RanTest("memory", "skipped", one) for one in self.limits()]
            result = RunResult(
                counters=self.counters,
                findings=list(self.recorder.findings.values()),
                errors=list(self.errors),
                tests=sorted(tests, key=lambda one: one.name),
                evaluations=[(*key, count) for key, count in self.recorder.evaluations.items()],
            )
            return evolve(result, exit_code=int(exit_code_of(result)))

    def limits(self) -> list[str]:
        """Return what was not judged, to save memory."""
        said = list[str]()
        if forgotten := self.tasks.remembered.forgotten:
            said.append(
                f"{counted(forgotten, 'task')} {'was' if forgotten == 1 else 'were'} forgotten, the"
                " oldest first; what came of such a task later was judged without what came before"
            )
        if self.unread:
            said.append(f"{counted(self.unread, 'exchange')} came too fast to be judged")
        for coding, number in self.codings.items():
            package = _PACKAGES.get(coding)
            more = f": pip install {package}" if package else ""
            said.append(
                f"{counted(number, 'response')} in the coding {coding!r} can't be read{more}"
            )
        return said

    def _checks_of(self, label: str) -> list[str]:
        return sorted(self.recorder.evaluated_by.get(label, ()))

    @contextmanager
    def _safely(self, exchange: Exchange) -> Generator[None]:
        """Record an error inside a check, unless it follows from a failure of the same exchange."""
        try:
            yield
        except Exception:
            if not self.recorder.tolerated and len(self.errors) < _MOST_ERRORS:
                text = exchange.redacted(traceback.format_exc(limit=-4))
                self.errors.append(SuiteError(self.recorder.test, text))

    def _judge(
        self, exchange: Exchange, account: str, times: tuple[float, float], complete: bool
    ) -> None:
        if exchange.method == "GET" and self.tasks.files.knows(exchange.url):
            self._begin("the files of tasks")
            self.tasks.files.judge(exchange, self.tasks.now, complete)
            return
        path = self.path_of(exchange.url)
        contract = self.contract.operation_at(path)
        if contract is None or not exchange.status or not complete:
            self.not_judged += 1
            return
        exchange = evolve(exchange, path=path)
        self._begin(f"{exchange.method} {contract.operation.path}")
        self.counters.requests += 1
        self.counters.statuses[f"{contract.id} {exchange.status}"] += 1
        if exchange.status in NOT_OF_THE_SERVER:
            return
        if contract.is_submission:
            self.tasks.judge_submission(contract, exchange)
        else:
            self.tasks.judge_poll(contract, exchange, account, times)

    def _is_of_the_api(self, exchange: Exchange) -> bool:
        path = self.path_of(exchange.url)
        return self.knows_file(exchange.url) or self.contract.operation_at(path) is not None

    def _begin(self, label: str) -> None:
        self._labels.add(label)
        self.recorder.begin(label)

    def path_of(self, url: str) -> str:
        """Return the part of a URL that the API documents, or what is after the base URL."""
        parts = split_url(url)
        if parts is None:
            return ""
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        if self.base_url:
            base = split_url(self.base_url)
            if base is None:
                return ""
            inside = (parts.scheme, parts.netloc) == (base.scheme, base.netloc)
            prefix = base.path.rstrip("/")
            return path.removeprefix(prefix) if inside and path.startswith(prefix) else ""
        starts = [at for at, char in enumerate(parts.path) if char == "/"]
        found = (path[at:] for at in starts if self.contract.operation_at(path[at:]))
        return next(found, "")

    def knows_file(self, url: str) -> bool:
        """Return whether a URL is that of a result of a task that was seen."""
        return self.tasks.files.knows(url)


def exit_code_of(result: RunResult) -> ExitCode:
    """Return what a watch ends with; a finding counts more than an error inside a check."""
    if any(one.kind == NEW for one in result.findings):
        return ExitCode.FINDINGS
    if result.errors:
        return ExitCode.SUITE_ERROR
    return ExitCode.PASSED if result.judged else ExitCode.NOT_TESTED


def _server_time(exchange: Exchange, ended: float) -> float:
    """Return the server's time, as its Date header says; else that of the response."""
    with suppress(ValueError, TypeError, OverflowError):
        return parsedate_to_datetime(exchange.header("date") or "").timestamp()
    return ended
