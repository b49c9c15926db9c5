"""Judge the submissions and the queries of tasks that a watch sees, in the order of their ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import unquote

from attrs import define, evolve, field

from wanflow_contract.checks.check import independent
from wanflow_contract.checks.expectation import Expectation, Expected
from wanflow_contract.checks.file_access import named_file
from wanflow_contract.checks.recent import Recent
from wanflow_contract.checks.refusals import IDEMPOTENCY_KEY, require_accepted
from wanflow_contract.checks.request_expectation import THIS_MACHINE, expectation_of_request
from wanflow_contract.checks.run_state import RunState
from wanflow_contract.checks.task_state import COMPLETED, results_of, status_of
from wanflow_contract.plan.rules import judged
from wanflow_contract.watch.acceptance import Acceptance
from wanflow_contract.watch.file_judge import FileJudge
from wanflow_contract.watch.joined import assume_requested, joined_history
from wanflow_contract.watch.other_reasons import OF_THE_ACCOUNT, is_of_the_account
from wanflow_contract.watch.remembered import RememberedTasks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.catalog.catalog import Model
    from wanflow_contract.checks.documented_responses import OperationContract
    from wanflow_contract.checks.task_history import TaskHistory
    from wanflow_contract.report.counters import Counters
    from wanflow_contract.support.exchange import Exchange
    from wanflow_contract.watch.anonymous import Accounts

_DAY = 86_400.0
_REFUSED = 400
_EITHER = Expectation(Expected.EITHER, "the response isn't about the request")


@define(eq=False, repr=False)
class TaskJudge:
    """The tasks of all accounts that were seen; `now` is the server's time."""

    models: Mapping[str, Model]
    counters: Counters
    accounts: Accounts
    now: float = field(factory=time.time)
    state: RunState = field(init=False)
    files: FileJudge = field(init=False)
    remembered: RememberedTasks = field(init=False)
    _acceptance: Acceptance = field(factory=Acceptance)
    _keys: Recent[tuple[str | None, str | None], int] = field(factory=Recent)

    def __attrs_post_init__(self) -> None:
        """Start without any task."""
        self.state = RunState(
            self.models, {}, True, False, lambda: self.now, prices_may_change=True
        )
        self.files = FileJudge(self.state.tasks)
        self.remembered = RememberedTasks(self.state.tasks)

    def begin(self, account: str, now: float) -> None:
        """Let the checks know whose exchange comes next, and at what time of the server."""
        self.now = now
        if account:
            self.state.add_account(account, account)

    def end(self) -> None:
        """Judge the refusals that no other submission explains.

        Raises:
            CheckFailed: there is one, and the failure isn't tolerated.
        """
        for one in self._acceptance.rest():
            require_accepted(one)

    def judge_submission(self, contract: OperationContract, exchange: Exchange) -> None:
        """Judge a submission, and remember its task.

        Raises:
            CheckFailed: a check fails, and the failure isn't tolerated.
        """
        expectation = expectation_of_request(
            contract, exchange.method, dict(exchange.request_headers), exchange.sent
        )
        body = exchange.decoded()
        made = body.get("id") if isinstance(body, dict) else None
        if isinstance(made, str) and made in self.remembered.joined:
            self.remembered.forget(made)  # it is known from polls that were recorded earlier
        reuses_key = self._reuses_key(exchange) and exchange.status == _REFUSED
        of_others = reuses_key or is_of_the_account(exchange, body) or named_file(exchange)
        if of_others or THIS_MACHINE.search(exchange.sent):
            expectation = expectation and _EITHER
        refused = exchange.status != 200 and exchange.sent_header("authorization") is not None
        if expectation is not None and expectation.expected is Expected.ACCEPT:
            self._acceptance.record(exchange)
            with independent():
                self.state.check(contract, _EITHER if refused else expectation, exchange)
            for one in self._acceptance.judgeable():
                require_accepted(one)
        else:
            self.state.check(contract, expectation, exchange)
        self.counters.keywords.update(judged(self.models, expectation, exchange))
        if isinstance(made, str) and made in self.state.tasks:
            self.counters.tasks += self.remembered.add(made, self.now)

    def _reuses_key(self, exchange: Exchange) -> bool:
        """Return whether a submission has the idempotency key of another one."""
        key, sent = exchange.sent_header(IDEMPOTENCY_KEY), hash(exchange.sent)
        known = exchange.sent_header("authorization"), key
        return bool(key) and self._keys.setdefault(known, sent) != sent

    def judge_poll(
        self,
        contract: OperationContract,
        exchange: Exchange,
        account: str,
        times: tuple[float, float],
    ) -> None:
        """Judge the query of a task; `times` are when it was sent, and when its response ended.

        Raises:
            CheckFailed: a check fails, and the failure isn't tolerated.
        """
        queried = unquote(exchange.path.partition("?")[0].rpartition("/")[2])
        history, body = self.state.tasks.get(queried), exchange.decoded()
        if self._judged_alone(history, queried, exchange, account, times):
            self.state.check(contract, _EITHER, exchange)
            return
        if history is not None and account != history.account and account:
            self.accounts.same_account(account, history.account)
            exchange = _with_account(exchange, history.account)
        if history is not None and queried in self.remembered.joined:
            assume_requested(history, body)
        self.state.check(contract, None, exchange)
        if history is None and account:
            self._join(queried, joined_history(self.models, queried, account, body, exchange))
        if queried in self.state.tasks:
            self.files.add(self.state.tasks[queried])
            self.remembered.polled(queried, times[1])

    def _join(self, queried: str, history: TaskHistory | None) -> None:
        """Begin with a task that was submitted before the watch began."""
        if history is None:
            return
        self.state.tasks[queried] = history
        self.remembered.joined.add(queried)
        self.remembered.add(queried, self.now)
        self.state.register(history, history.links, history.first)

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
        if exchange.status in OF_THE_ACCOUNT and account:
            return True
        if history is None or exchange.method != "GET":
            return False
        of_another = account != history.account and exchange.status != 200
        expired = self.remembered.age(queried, self.now) > _DAY and not _has_results(exchange)
        return of_another or expired or times[0] < self.remembered.last_polled(queried)


def _has_results(exchange: Exchange) -> bool:
    """Return whether a response isn't one about a task that is gone, or whose links are."""
    body = exchange.decoded()
    completed = isinstance(body, dict) and status_of(body) == COMPLETED
    return exchange.status not in {404, 410} and not (completed and not results_of(body))


def _with_account(exchange: Exchange, account: str) -> Exchange:
    headers = tuple(
        (name, f"Bearer {account}" if name.lower() == "authorization" else value)
        for name, value in exchange.request_headers
    )
    return evolve(exchange, request_headers=headers, secrets=(account,))
