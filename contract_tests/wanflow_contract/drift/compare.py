"""Sends the same requests to the mock and a server, and compares the responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import CheckFailed
from wanflow_contract.checks.expectation import Expectation, Expected
from wanflow_contract.drift.difference import Difference, differences
from wanflow_contract.drift.requests import PlannedRequest, planned_requests, submission
from wanflow_contract.plan.budget import BudgetExceeded, SpendBudget
from wanflow_contract.plan.prices import amount_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from wanflow.catalog.catalog import Catalog, Model
    from wanflow_contract.drift.target import JudgedResponse, Place, Target

_EITHER = Expectation(Expected.EITHER, "the mock and the spec disagree about it")
_ACCEPT = Expectation(Expected.ACCEPT)


@define(eq=False)
class Drift:
    """A comparison; `models` are those that submissions are for, all of them if it is empty.

    `not_sent` are the names of requests that are not sent, because they may cost too much. Once
    an operation of the server has accepted an invalid request, it is sent no other.
    """

    mock: Target
    server: Target
    other: Catalog
    models: Collection[str] = ()
    budget: SpendBudget = field(factory=lambda: SpendBudget(0.0))
    timeout: float = 600.0
    differences: list[Difference] = field(factory=list)
    not_sent: list[str] = field(factory=list)
    tasks_run: list[str] = field(factory=list)
    _found: dict[tuple[Place, str], Difference] = field(factory=dict)
    _accepts_invalid: set[str] = field(factory=set)
    _covered: set[object] = field(factory=set)

    def run(self) -> None:
        """Ask both, and fill `differences`."""
        for request in planned_requests(self.server.contract, self.other, self.models):
            mock = _send(self.mock, request)
            if self._is_worth_sending(request, mock):
                self._compare(request, mock)
        for model in self._cheapest_of_each_kind():
            self._run_task(model)
        self.differences = list(self._found.values())

    def _is_worth_sending(self, request: PlannedRequest, mock: JudgedResponse) -> bool:
        """Return whether to send a request to the server: one for each constraint and deviation.

        What the spec and the mock accept is only sent as a life.
        """
        if not request.submits:
            return True
        agreed = self._agreed(request, mock)
        if agreed and mock.accepted:
            return False
        known = {(request.about, agreed), *mock.failures} - {((), agreed)}
        news = not known <= self._covered
        self._covered |= known
        return news or not request.about

    def _agreed(self, request: PlannedRequest, mock: JudgedResponse) -> bool:
        return mock.accepted is (request.expected is Expected.ACCEPT)

    def _compare(self, request: PlannedRequest, mock: JudgedResponse) -> None:
        """Ask the server, if that is free or within the limit."""
        server: list[JudgedResponse] | None
        try:
            server = [self._pay(request, mock)]
        except BudgetExceeded:
            server = None
            self.not_sent.append(request.name)
        self._add(request, [mock], server)

    def _pay(self, request: PlannedRequest, mock: JudgedResponse) -> JudgedResponse:
        """Ask the server; what it may accept is paid for from the budget.

        Raises:
            BudgetExceeded: too little is left.
        """
        if not request.submits:
            return _send(self.server, request)
        agreed = self._agreed(request, mock)
        invalid = agreed and request.expected is Expected.REJECT
        if invalid and request.operation.id in self._accepts_invalid:
            raise BudgetExceeded("the server has accepted an invalid request")
        expectation = request.expectation if agreed else _EITHER
        try:
            exchange = self.budget.pay(expectation, request.body, lambda: self.server.send(request))
        except CheckFailed as failure:
            return self.server.without_response(request, failure)
        if invalid and exchange.status // 100 == 2:
            self._accepts_invalid.add(request.operation.id)
        return self.server.judge(request, exchange)

    def _run_task(self, model: Model) -> None:
        """Run a task on both, within the limit."""
        operation = self.server.contract.operations[model.operation_id]
        request = submission(f"a task of {model.name}", operation, cheapest(model), _ACCEPT)
        mock = _send(self.mock, request)
        try:
            server = self._pay(request, mock)
        except BudgetExceeded:
            self.not_sent.append(request.name)
            return
        self.tasks_run.append(model.name)
        self._add(request, [mock], [server])
        ids = (mock.exchange.task_id, server.exchange.task_id)
        if not all(ids) or not (mock.accepted and server.accepted):
            return
        from_mock, from_server = (
            target.run_task(str(name), self._poll(request, str(name)), self.timeout)
            for target, name in zip((self.mock, self.server), ids, strict=True)
        )
        self._add(evolve(request, expectation=None), from_mock, from_server)

    def _poll(self, submission: PlannedRequest, task_id: str) -> PlannedRequest:
        operation = self.server.contract.status_operation
        prefix, _, rest = operation.operation.path.partition("{")
        path = f"{prefix}{task_id}{rest.partition('}')[2]}"
        return PlannedRequest(submission.name, operation, path)

    def _cheapest_of_each_kind(self) -> list[Model]:
        found: dict[str, Model] = {}
        for model in self.server.contract.catalog.models.values():
            known = found.get(model.kind)
            if self.models and model.name not in self.models:
                continue
            if known is None or _size(model) < _size(known):
                found[model.kind] = model
        return list(found.values())

    def _add(
        self,
        request: PlannedRequest,
        mock: Iterable[JudgedResponse],
        server: Iterable[JudgedResponse] | None,
    ) -> None:
        for place, one in differences(request, mock, server).items():
            known = self._found.setdefault((place, one.alone), one)
            if known is not one:
                known.count += 1

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON data."""
        return {
            "server": self.server.base_url,
            "differences": [one.to_json() for one in self.differences],
            "not_sent": self.not_sent,
            "tasks": self.tasks_run,
            "sent": {"mock": self.mock.sent, "server": self.server.sent},
            "credits": self.budget.spent_here,
        }


def _send(side: Target, request: PlannedRequest) -> JudgedResponse:
    try:
        return side.judge(request, side.send(request))
    except CheckFailed as failure:
        return side.without_response(request, failure)


def _size(model: Model) -> float:
    amount = amount_of(cheapest(model))
    return amount.units * amount.area
