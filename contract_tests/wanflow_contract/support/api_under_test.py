"""The server under test, used through its published API; every response is checked."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import independent, stop_judging
from wanflow_contract.checks.definitions.tasks import ENDS
from wanflow_contract.checks.documented_responses import (
    Contract,
    packaged_contract,
)
from wanflow_contract.checks.expectation import Expectation, Expected
from wanflow_contract.checks.header_checks import check_headers
from wanflow_contract.checks.refusals import require_accepted
from wanflow_contract.checks.request_expectation import THIS_MACHINE, expectation_of_request
from wanflow_contract.checks.response_checks import check_response
from wanflow_contract.checks.run_state import RunState
from wanflow_contract.checks.task_history import TaskHistory, start
from wanflow_contract.plan.order import cheapest_model
from wanflow_contract.plan.rules import sides

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.catalog.catalog import Model
    from wanflow_contract.plan.budget import SpendBudget
    from wanflow_contract.support.exchange import Exchange
    from wanflow_contract.support.http_client import RateLimitedClient


@define(eq=False, repr=False)
class ApiUnderTest:
    """A server under test, and all tasks that this run submitted to it.

    `keys` are API keys by account name, the first one the suite's own. With `has_mock_controls` the
    server is a mock with controls; with `accepts_any_key` each key is an account; `idempotent`
    says that it is known to honour idempotency keys, `calls_loopback` that it sends callbacks to
    this machine. `poll_interval` and `timeout` are in seconds.
    """

    client: RateLimitedClient
    keys: Mapping[str, str] = field(repr=False)
    budget: SpendBudget
    has_mock_controls: bool = False
    accepts_any_key: bool = False
    idempotent: bool = False
    calls_loopback: bool = False
    poll_interval: float = 0.0
    timeout: float = 900.0
    contract: Contract = field(factory=packaged_contract)
    run_state: RunState = field(init=False, repr=False)
    boundaries: Counter[str] = field(factory=Counter, repr=False)
    keywords: Counter[str] = field(factory=Counter, repr=False)
    _late: set[str] = field(factory=set, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Create the run state."""
        self.run_state = RunState(
            self.models, self.keys, self.has_mock_controls, self.accepts_any_key, self._clock
        )
        self.client.check_limit = self._check_limit

    def __repr__(self) -> str:
        """Return a short text, because Hypothesis prints it with each failing example."""
        return f"<Target {self.base_url}>"

    @property
    def base_url(self) -> str:
        """The URL that the spec's paths are appended to."""
        return self.client.base_url

    @property
    def account(self) -> str:
        """The name of the suite's own account."""
        return next(iter(self.keys))

    @property
    def models(self) -> Mapping[str, Model]:
        """The models of the spec."""
        return self.contract.catalog.models

    @property
    def tasks(self) -> dict[str, TaskHistory]:
        """All tasks of this run, by their ids."""
        return self.run_state.tasks

    def authorization(self, account: str | None = None) -> dict[str, str]:
        """Return the Authorization header of an account."""
        return {"Authorization": f"Bearer {self.keys[account or self.account]}"}

    def post(
        self,
        model: Model,
        body: Any,
        account: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Send a body to a model's operation with the key of an account, and check the response.

        Raises:
            CheckFailed: a check of the response fails.
            BudgetExceeded: the submission might exceed the budget.
        """
        return self.post_bytes(model, json.dumps(body).encode(), account, headers)

    def post_bytes(
        self,
        model: Model,
        content: bytes,
        account: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Send a body that is already encoded, as `post` does.

        Raises:
            CheckFailed: a check of the response fails.
            BudgetExceeded: the submission might exceed the budget.
        """
        sent = {**self.authorization(account), "Content-Type": "application/json"}
        return self.exchange("POST", model.path, {**sent, **(headers or {})}, content)

    def submit(
        self, body: dict[str, Any], account: str | None = None, **headers: str
    ) -> TaskHistory:
        """Submit a valid request, and return its task.

        Raises:
            CheckFailed: it isn't accepted, or a check of the response fails.
        """
        model = self.models[body["model"]]
        exchange = self.post(model, body, account, headers)
        require_accepted(exchange)
        made = exchange.decoded()
        history = self.tasks.get(str(made.get("id"))) if isinstance(made, dict) else None
        return history or stop_judging()

    def equal_task(self, body: dict[str, Any]) -> TaskHistory | None:
        """Return a task that was made by an equal request, if tasks cost too much to make more."""
        if self.budget.ample:
            return None
        own = (one for one in self.tasks.values() if one.account == self.account)
        return next((one for one in own if one.request == body), None)

    def some_task(self) -> TaskHistory:
        """Return a task of the suite's own account; a new one if there is an ample budget."""
        own = [one for one in self.tasks.values() if one.account == self.account]
        return own[0] if own and not self.budget.ample else self.submit(cheapest(self.usual_model))

    @property
    def usual_model(self) -> Model:
        """The model to submit with where any will do: the cheapest, unless the budget is ample."""
        return self.models[min(self.models)] if self.budget.ample else cheapest_model()

    def advance_time(self, seconds: float) -> None:
        """Advance a mock's clock, or sleep if the server has no controls."""
        if not self.has_mock_controls:
            time.sleep(seconds)
            return
        headers = {"Content-Type": "application/json"}
        content = json.dumps({"seconds": seconds}).encode()
        self.client.send("POST", self.control_url("clock/advance"), headers, content)

    def _clock(self) -> float:
        """Return a mock's time, which may be ahead; else this machine's."""
        response = self.client.send("GET", self.control_url("clock"))
        return float(response.json()["now"]) if response.status == 200 else time.time()

    def account_status(self) -> dict[str, Any]:
        """Return a mock's status of the suite's own account."""
        shown = self.client.send("GET", self.control_url("account"), self.authorization())
        found = shown.json() if shown.status == 200 else {}
        return dict(found)

    def control_url(self, name: str) -> str:
        """Return the URL of one of a mock's controls."""
        return f"{self.base_url[: self.base_url.index('/', 8)]}/_mock/{name}"

    def track(
        self,
        asked: dict[str, Any],
        account: str,
        receipt: dict[str, Any],
        exchange: Exchange | None = None,
    ) -> TaskHistory:
        """Track a task that was submitted in another way, with one of the keys.

        Without the exchange of its submission, the task is polled to have one.

        Raises:
            CheckFailed: its receipt or the response to the poll is wrong.
        """
        headers = self.authorization(account)
        seen = exchange or self.client.send("GET", self.task_path(receipt["id"]), headers)
        history = start(self.models[asked["model"]], asked, account, receipt, seen)
        self.tasks[history.id] = history
        if exchange is None:
            history.observe(check_response(self.contract.status_operation, seen), seen)
        return history

    def register(self, history: TaskHistory, links: list[str], exchange: Exchange) -> None:
        """Check that result URLs belong to one task only.

        Raises:
            CheckFailed: another task has one of them.
        """
        self.run_state.register(history, links, exchange)

    def task_path(self, task_id: str) -> str:
        """Return the path of a task."""
        path = self.contract.status_operation.operation.path
        return f"{path[: path.index('{')]}{task_id}{path[path.index('}') + 1 :]}"

    def poll(self, history: TaskHistory) -> TaskHistory:
        """Poll a task with its own key.

        Raises:
            CheckFailed: a check of the response fails.
        """
        self.get_task(history.id, history.account)
        return history

    def get_task(self, task_id: str, account: str | None = None, **headers: str) -> Exchange:
        """Query a task by its id, and check the response."""
        sent = {**self.authorization(account), **headers}
        return self.exchange("GET", self.task_path(task_id), sent)

    def wait(self, history: TaskHistory) -> TaskHistory:
        """Poll a task until it has ended.

        A model of which a task didn't end in time is waited for a shorter time from then on.

        Raises:
            CheckFailed: it doesn't end in time, or a check of a response fails.
        """
        name, pause = history.model.name, self.poll_interval
        seconds = self.timeout / (_SHORTENED if name in self._late else 1)
        until = time.monotonic() + seconds
        while not self._polled(history).ended:
            late = time.monotonic() >= until
            if late:
                self._late.add(name)
            ENDS.require(
                not late,
                f"still {history.status} after {seconds:.0f} s and {history.polls} polls",
                history.first,
                history.last,
            )
            if late:
                stop_judging()
            if self.has_mock_controls and history.polls > _POLLS_BEFORE_ADVANCE:
                self.advance_time(2)
            time.sleep(pause)
            pause = min(max(pause * 1.5, 0.02), 5.0)
        return history

    def _polled(self, history: TaskHistory) -> TaskHistory:
        """Poll a task; a tolerated failure that hides its state ends the test."""
        before = history.polls
        self.poll(history)
        if history.polls == before:
            stop_judging()
        return history

    def exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: bytes | None = None,
    ) -> Exchange:
        """Send a request unchanged, and check the response against the documents.

        Raises:
            CheckFailed: there is no response, or a check of it fails.
            BudgetExceeded: it might exceed the budget.
        """
        expectation = self.expectation(method, path, headers, content)
        exchange = self._send_paid(expectation, method, path, headers, content)
        self.run_state.check(self.contract.operation_at(path), expectation, exchange)
        return exchange

    def submit_paid(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: bytes | None = None,
    ) -> Exchange:
        """Send a request within the budget and record its cost, without checking the response."""
        expectation = self.expectation(method, path, headers, content)
        return self._send_paid(expectation, method, path, headers, content)

    def _send_paid(
        self,
        expectation: Expectation | None,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: bytes | None,
    ) -> Exchange:
        payable = expectation or (None if method in _SAFE_METHODS else _UNDOCUMENTED)
        if payable is not None and not self._shows_key(headers):
            payable = _UNDOCUMENTED
        exchange = self.budget.pay(
            payable, content, lambda: self.client.send(method, path, headers, content)
        )
        contract = self.contract.operation_at(path)
        if contract is not None:
            self.client.statuses[contract.id, exchange.status] += 1
        self._count_keywords(expectation, exchange)
        return exchange

    def _shows_key(self, headers: Mapping[str, str]) -> bool:
        """Return whether a request has a key, without which a correct server rejects it."""
        return self.accepts_any_key or any(
            name.lower() == "authorization"
            and value.partition(" ")[2].strip() in self.keys.values()
            for name, value in headers.items()
        )

    def _check_limit(self, exchange: Exchange) -> None:
        """Check a refusal by the rate limit like any response of its operation."""
        contract = self.contract.operation_at(exchange.path)
        if contract is not None and exchange.method == contract.operation.method.upper():
            self.client.statuses[contract.id, exchange.status] += 1
            with independent():
                check_headers(contract, exchange)
            check_response(contract, exchange)

    def _count_keywords(self, expectation: Expectation | None, exchange: Exchange) -> None:
        body = exchange.request_body() if expectation is not None else None
        model = self.models.get(str(body.get("model"))) if isinstance(body, dict) else None
        if model is not None and expectation is not None:
            self.keywords.update(sides(model, body, expectation))
        elif isinstance(body, dict) and "model" not in body:
            # No model is named: count it for each model of the path.
            meant = (one for one in self.models.values() if one.path == exchange.path)
            self.keywords.update(f"{one.name} model required invalid" for one in meant)

    def expectation(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes | None
    ) -> Expectation | None:
        """Return what is expected of a request, None if it isn't a submission."""
        expectation = expectation_of_request(
            self.contract.operation_at(path), method, headers, content
        )
        if self.calls_loopback and content is not None and THIS_MACHINE.search(content):
            return expectation and Expectation(
                Expected.EITHER, "this mock allows callbacks to this machine"
            )
        return expectation


_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_UNDOCUMENTED = Expectation(Expected.REJECT, "the documents have no such request")
# After so many polls, a task that progresses by time gets its clock advanced.
_POLLS_BEFORE_ADVANCE = 3
# How many times shorter a model is waited for after a task of it didn't end.
_SHORTENED = 20
