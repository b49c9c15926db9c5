"""Requests to the server under test: sent within the budget, each response checked."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from attrs import define, field

from wanflow_contract.checks.check import independent
from wanflow_contract.checks.documented_responses import Contract, packaged_contract
from wanflow_contract.checks.expectation import Expectation, Expected
from wanflow_contract.checks.header_checks import check_headers
from wanflow_contract.checks.request_expectation import THIS_MACHINE, expectation_of_request
from wanflow_contract.checks.response_checks import check_response
from wanflow_contract.checks.run_state import RunState
from wanflow_contract.plan.payable import payable, shows_key
from wanflow_contract.plan.rules import judged
from wanflow_contract.plan.unpaid import UnpaidRequests
from wanflow_contract.support.mock_controls import MockControls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.catalog.catalog import Model
    from wanflow_contract.checks.task_history import TaskHistory
    from wanflow_contract.plan.budget import SpendBudget
    from wanflow_contract.support.exchange import Exchange
    from wanflow_contract.support.http_client import RateLimitedClient


@define(eq=False, repr=False)
class CheckedRequests:
    """Sends requests to a server, and checks each response against what the run knows.

    `keys` are API keys by account name, the first one the suite's own. With `has_mock_controls` the
    server is a mock with controls; with `accepts_any_key` each key is an account; `idempotent`
    says that it is known to honour idempotency keys, `calls_loopback` that it accepts callback
    URLs of this machine. `inputs` are the parameters whose files the user has given. `keywords`
    counts which rules of the requests were tested.
    """

    client: RateLimitedClient
    keys: Mapping[str, str] = field(repr=False)
    budget: SpendBudget
    has_mock_controls: bool = False
    accepts_any_key: bool = False
    idempotent: bool = False
    calls_loopback: bool = False
    inputs: frozenset[str] = frozenset()
    contract: Contract = field(factory=packaged_contract)
    controls: MockControls = field(init=False, repr=False)
    run_state: RunState = field(init=False, repr=False)
    keywords: Counter[str] = field(factory=Counter[str], repr=False)
    unpaid: UnpaidRequests = field(factory=UnpaidRequests, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Create the run state."""
        self.controls = MockControls(self.client, self.has_mock_controls)
        self.run_state = RunState(
            self.models,
            self.keys,
            self.has_mock_controls,
            self.accepts_any_key,
            self.controls.now,
            inputs=self.inputs,
        )
        self.client.check_refusal = self._check_refusal

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
            NotJudged: the account has no access, or no credits.
            BudgetExceeded: it might exceed the budget, or the account can't pay it.
        """
        expectation = self.expectation(method, path, headers, content)
        exchange = self._send_paid(expectation, method, path, headers, content)
        if expectation is None and exchange.status == 200:
            self.budget.record_used(exchange.decoded())
        self.run_state.check(self.contract.operation_at(path), expectation, exchange)
        self.run_state.stop_without_access(expectation, exchange)
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
        exchange = self._send_paid(expectation, method, path, headers, content)
        self.run_state.stop_without_access(expectation, exchange)
        return exchange

    def _send_paid(
        self,
        expectation: Expectation | None,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: bytes | None,
    ) -> Exchange:
        key = headers.get("Authorization", "")
        why_not = self.unpaid.why_not(key, expectation, content)
        if why_not:
            self.budget.refuse(why_not)

        def pay() -> Exchange:
            return self.budget.pay(
                payable(expectation, method, shows_key=self._shows_key(headers)),
                content,
                lambda: self.client.send(method, path, headers, content),
            )

        # The client itself sends again what is never charged.
        is_safe = method in {"GET", "HEAD"}
        exchange = pay() if is_safe else self.client.interruptions.send(pay, self._check_refusal)
        contract = self.contract.operation_at(path)
        if contract is not None:
            self.client.statuses[contract.id, exchange.status] += 1
        self.keywords.update(judged(self.models, expectation, exchange))
        if not self.has_mock_controls:
            self.unpaid.record(key, expectation, exchange)
        return exchange

    def _shows_key(self, headers: Mapping[str, str]) -> bool:
        """Return whether a request has a key, without which a correct server rejects it."""
        return self.accepts_any_key or shows_key(headers, self.keys.values())

    def _check_refusal(self, exchange: Exchange) -> None:
        """Check a response that doesn't answer a request like any response of its operation."""
        contract = self.contract.operation_at(exchange.path)
        if contract is not None and exchange.method == contract.operation.method.upper():
            self.client.statuses[contract.id, exchange.status] += 1
            with independent():
                check_headers(contract, exchange)
            check_response(contract, exchange)

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
