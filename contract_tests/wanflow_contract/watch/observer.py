"""Judge a sequence of exchanges by the checks of the suite, and send nothing."""

from __future__ import annotations

import time
import traceback
from collections import OrderedDict
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from threading import RLock
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from attrs import define, evolve, field

from wanflow_contract.checks.check import independent, observing
from wanflow_contract.checks.documented_responses import Contract, packaged_contract
from wanflow_contract.checks.expectation import Expectation, Expected
from wanflow_contract.checks.refusals import IDEMPOTENCY_KEY, require_accepted
from wanflow_contract.checks.request_expectation import THIS_MACHINE, expectation_of_request
from wanflow_contract.checks.run_state import RunState
from wanflow_contract.checks.task_history import BUSINESS_CODES, TaskHistory, start
from wanflow_contract.findings.finding import NEW
from wanflow_contract.findings.recorder import Recorder
from wanflow_contract.plan.rules import sides
from wanflow_contract.report.counters import Counters
from wanflow_contract.report.result import ExitCode, RanTest, RunResult, SuiteError
from wanflow_contract.watch.acceptance import Acceptance
from wanflow_contract.watch.anonymous import Accounts
from wanflow_contract.watch.file_judge import FileJudge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow_contract.checks.documented_responses import OperationContract
    from wanflow_contract.support.exchange import Exchange

_LOCK = RLock()
"""Checks have one observer at a time in a process."""
_MOST_TASKS = 10_000
_MOST_BYTES = 256 << 20
"""How many tasks are remembered, and how many bytes of exchanges with them."""
_MOST_ERRORS = 50
_DAY = 86_400.0
# What the server or one before it says of the account or of its load, not of the request.
_OF_THE_ACCOUNT = frozenset({401, 402, 403, 408, 425, 429})
_OF_A_USED_KEY = frozenset({409, 422})
# What an intermediary says, and what a client's own cache confirms.
_NOT_OF_THE_SERVER = frozenset({304, 502, 503, 504})
# Why a correct server refuses a request that is valid by its form.
_BY_CONTENT = BUSINESS_CODES - {"invalid_parameters", "service_error", "unknown_error"}
_EITHER = Expectation(Expected.EITHER, "the response isn't about the request")


@define(eq=False, repr=False)
class Observer:
    """Judges exchanges in the order in which their responses ended; any thread may call it.

    With `base_url`, only what is below it belongs to the API; otherwise every URL whose end is the
    path of an operation does. With `strict`, notes are findings like others. `forgotten` counts the
    tasks that were dropped to save memory, `unread` the exchanges that came faster than they could
    be judged.
    """

    base_url: str = ""
    strict: bool = False
    contract: Contract = field(factory=packaged_contract)
    recorder: Recorder = field(init=False)
    counters: Counters = field(init=False)
    errors: list[SuiteError] = field(factory=list)
    not_judged: int = 0
    forgotten: int = 0
    unread: int = 0
    _accounts: Accounts = field(factory=Accounts)
    _keys: dict[str, str] = field(factory=dict)
    _state: RunState = field(init=False)
    _files: FileJudge = field(init=False)
    _now: float = field(init=False, factory=time.time)
    _joined: set[str] = field(factory=set)
    _ended: dict[str, float] = field(factory=dict)
    _first_seen: OrderedDict[str, float] = field(factory=OrderedDict)
    _sizes: dict[str, int] = field(factory=dict)
    _size: int = 0
    _labels: set[str] = field(factory=set)
    _acceptance: Acceptance = field(factory=Acceptance)

    def __attrs_post_init__(self) -> None:
        """Start without any task; no failure is raised."""
        self.recorder = Recorder(strict=self.strict, raised_at_most=0)
        self.counters = Counters(base_url=self.base_url)
        models = self.contract.catalog.models
        self._state = RunState(models, self._keys, True, False, lambda: self._now)
        self._files = FileJudge(self._state.tasks)

    def observe(
        self,
        exchange: Exchange,
        started: float | None = None,
        ended: float | None = None,
        *,
        complete: bool = True,
    ) -> None:
        """Judge an exchange; nothing is raised.

        Args:
            exchange: the request, and the response with its decoded body.
            started: when the request was sent, in Unix seconds; by default now.
            ended: when the response had been received; by default now.
            complete: whether both bodies are known as a whole.
        """
        now = time.time()
        with _LOCK, observing(self.recorder):
            anonymous, account = self._accounts.anonymous(exchange)
            if account:
                self._keys[account] = account
            times = (now if started is None else started, now if ended is None else ended)
            self._now = _server_time(anonymous, times[1])
            with self._safely(anonymous):
                self._judge(anonymous, account, times, complete)

    def result(self) -> RunResult:
        """Return what was found."""
        with _LOCK:
            with observing(self.recorder):
                for one in self._acceptance.rest():
                    require_accepted(one)
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
        said = []
        if self.forgotten:
            said.append(
                f"{self.forgotten} tasks were forgotten, the oldest ones; what came of them later"
                " was judged without what came before"
            )
        if self.unread:
            said.append(f"{self.unread} exchanges came faster than they could be judged")
        return said

    def _checks_of(self, label: str) -> list[str]:
        return sorted(self.recorder.evaluated_by.get(label, ()))

    @contextmanager
    def _safely(self, exchange: Exchange) -> Iterator[None]:
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
        if exchange.method == "GET" and self._files.knows(exchange.url):
            self._begin("the files of tasks")
            self._files.judge(exchange, self._now, complete)
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
        if exchange.status in _NOT_OF_THE_SERVER:
            return
        if contract.is_submission:
            self._judge_submission(contract, exchange)
        else:
            self._judge_poll(contract, exchange, account, times)

    def _begin(self, label: str) -> None:
        self._labels.add(label)
        self.recorder.begin(label)

    def path_of(self, url: str) -> str:
        """Return the part of a URL that the API documents, or what is after the base URL."""
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        if self.base_url:
            base = urlsplit(self.base_url)
            inside = (parts.scheme, parts.netloc) == (base.scheme, base.netloc)
            prefix = base.path.rstrip("/")
            return path.removeprefix(prefix) if inside and path.startswith(prefix) else ""
        starts = [at for at, char in enumerate(parts.path) if char == "/"]
        found = (path[at:] for at in starts if self.contract.operation_at(path[at:]))
        return next(found, "")

    def knows_file(self, url: str) -> bool:
        """Return whether a URL is that of a result of a task that was seen."""
        return self._files.knows(url)

    def _judge_submission(self, contract: OperationContract, exchange: Exchange) -> None:
        expectation = expectation_of_request(
            contract, exchange.method, dict(exchange.request_headers), exchange.sent
        )
        body = exchange.decoded()
        made = body.get("id") if isinstance(body, dict) else None
        if isinstance(made, str) and made in self._joined:
            self._forget(made)  # it is known from polls that were recorded earlier
        if _is_of_the_account(exchange, body) or THIS_MACHINE.search(exchange.sent):
            expectation = expectation and _EITHER
        refused = exchange.status != 200 and exchange.sent_header("authorization") is not None
        if expectation is not None and expectation.expected is Expected.ACCEPT:
            self._acceptance.record(exchange)
            with independent():
                self._state.check(contract, _EITHER if refused else expectation, exchange)
            for one in self._acceptance.judgeable():
                require_accepted(one)
        else:
            self._state.check(contract, expectation, exchange)
        if isinstance(made, str) and made in self._state.tasks:
            self._remember(made, contract, exchange, expectation)

    def _remember(
        self,
        made: str,
        contract: OperationContract,
        exchange: Exchange,
        expectation: Expectation | None,
    ) -> None:
        """Count a task."""
        asked = self._state.tasks[made].request
        if expectation is not None:
            self.counters.keywords.update(sides(self._state.tasks[made].model, asked, expectation))
        self.counters.tasks += made not in self._first_seen
        self._first_seen.setdefault(made, self._now)
        self._measure(made)

    def _measure(self, task_id: str) -> None:
        """Measure a task of which there is news, and forget the oldest ones if all are too many."""
        history = self._state.tasks[task_id]
        size = sum(len(one.sent) + len(one.content) for one in (history.first, history.last))
        self._size += size - self._sizes.get(task_id, 0)
        self._sizes[task_id] = size
        while len(self._first_seen) > _MOST_TASKS or (
            self._size > _MOST_BYTES and len(self._first_seen) > 1
        ):
            self.forgotten += 1
            self._forget(next(iter(self._first_seen)))

    def _forget(self, task_id: str) -> None:
        self._size -= self._sizes.pop(task_id, 0)
        self._state.tasks.pop(task_id, None)
        self._first_seen.pop(task_id, None)
        self._ended.pop(task_id, None)
        self._joined.discard(task_id)

    def _judge_poll(
        self,
        contract: OperationContract,
        exchange: Exchange,
        account: str,
        times: tuple[float, float],
    ) -> None:
        queried = unquote(exchange.path.partition("?")[0].rpartition("/")[2])
        history, body = self._state.tasks.get(queried), exchange.decoded()
        if self._judged_alone(history, queried, exchange, account, times):
            self._state.check(contract, _EITHER, exchange)
            return
        if history is not None and account != history.account and account:
            self._accounts.same_account(account, history.account)
            exchange = _with_account(exchange, history.account)
        if history is not None and queried in self._joined:
            _assume_requested(history, body)
        self._state.check(contract, None, exchange)
        if history is None and account:
            self._join(queried, account, body, exchange)
        if queried in self._state.tasks:
            self._ended[queried] = max(times[1], self._ended.get(queried, 0.0))
            self._files.add(self._state.tasks[queried])
            self._measure(queried)

    def _judged_alone(
        self,
        history: TaskHistory | None,
        queried: str,
        exchange: Exchange,
        account: str,
        times: tuple[float, float],
    ) -> bool:
        """Return whether nothing follows from a response for the task.

        A response that overlapped with another one of the task may be older than that.
        """
        if exchange.status in _OF_THE_ACCOUNT and account:
            return True
        if history is None or exchange.method != "GET":
            return False
        of_another = account != history.account and exchange.status != 200
        gone = exchange.status in {404, 410} and self._age(queried) > _DAY
        return of_another or gone or times[0] < self._ended.get(queried, 0.0)

    def _age(self, task_id: str) -> float:
        return self._now - self._first_seen.get(task_id, self._now)

    def _join(self, queried: str, account: str, body: Any, exchange: Exchange) -> None:
        """Start the history of a task that was submitted before the watch began, with a poll."""
        if exchange.status != 200 or not isinstance(body, dict) or body.get("id") != queried:
            return
        model = self._state.models.get(str(body.get("model")))
        if model is None or exchange.method != "GET":
            return
        asked: dict[str, Any] = {"model": model.name}
        results = body.get("results")
        asked["n"] = len(results) if isinstance(results, list) and results else 1
        history = start(model, asked, account, body, exchange)
        history.polls = 1
        self._state.tasks[queried] = history
        self._joined.add(queried)
        self._first_seen[queried] = self._now
        self._state.register(history, history.links, exchange)


def exit_code_of(result: RunResult) -> ExitCode:
    """Return what a watch ends with; a finding counts more than an error inside a check."""
    if any(one.kind == NEW for one in result.findings):
        return ExitCode.FINDINGS
    return ExitCode.SUITE_ERROR if result.errors else ExitCode.PASSED


def _assume_requested(history: TaskHistory, body: Any) -> None:
    """Assume that a task has as many results as were requested, because nobody saw its request."""
    results = body.get("results") if isinstance(body, dict) else None
    if isinstance(results, list) and results and not history.ended:
        history.request["n"] = len(results)


def _with_account(exchange: Exchange, account: str) -> Exchange:
    headers = tuple(
        (name, f"Bearer {account}" if name.lower() == "authorization" else value)
        for name, value in exchange.request_headers
    )
    return evolve(exchange, request_headers=headers, secrets=(account,))


def _is_of_the_account(exchange: Exchange, body: Any) -> bool:
    """Return whether a refusal is about the account, the load or the content of a request."""
    error = body.get("error") if isinstance(body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    by_content = exchange.status == 400 and isinstance(code, str) and code in _BY_CONTENT
    of_a_used_key = exchange.status in _OF_A_USED_KEY and exchange.sent_header(IDEMPOTENCY_KEY)
    return exchange.status in _OF_THE_ACCOUNT or by_content or bool(of_a_used_key)


def _server_time(exchange: Exchange, ended: float) -> float:
    """Return the server's time, as its Date header says; else that of the response."""
    with suppress(ValueError, TypeError, OverflowError):
        return parsedate_to_datetime(exchange.header("date") or "").timestamp()
    return ended
