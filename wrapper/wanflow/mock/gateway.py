"""What the mock does with a request, without sockets: submit a task, look at one."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from attrs import define, field

from wanflow.mock.clock import Clock, RealClock
from wanflow.mock.order import Menu, menu_of
from wanflow.mock.pace import Looks, Pace
from wanflow.mock.prices import billing_rules, credits_of, nominal_seconds
from wanflow.mock.refusal import Refusal
from wanflow.mock.task import Task, task_id, values_of
from wanflow.mock.tasks import TaskStore
from wanflow.mock.triggers import wishes_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.mock.account import Account
    from wanflow.mock.contract import Contract, Query, Submission
    from wanflow.mock.order import Order
    from wanflow.spec.catalog import Model
    from wanflow.spec.document import Json


@define
class Gateway:
    """The tasks of all accounts, and the rules of the document that they are made by.

    `origin` is scheme, host and port of the links to results.
    """

    contract: Contract
    origin: str
    seed: int = 0
    clock: Clock = field(factory=RealClock)
    pace: Pace = field(factory=Looks)
    tasks: TaskStore = field(factory=TaskStore)
    _menus: Mapping[str, Menu] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Read every model's parameters once."""
        found = (model for one in self.contract.submissions for model in one.models.values())
        self._menus = {model.name: menu_of(model) for model in found}

    def submit(self, endpoint: Submission, account: Account, body: Json) -> Json:
        """Take a request and return the answer to it.

        Raises:
            Refusal: the request breaks a rule, or a magic word in it asks for another status.
        """
        model = self._model(endpoint, body)
        violations = self.contract.rules.violations(model, body)
        if violations:
            worst = violations[0]
            raise Refusal(400, worst.message, param=worst.parameter or None, model=model.name)
        wishes = wishes_of(body)
        if wishes.code not in {None, endpoint.success}:
            raise Refusal(wishes.code or 0, model=model.name)
        task = self.opened(
            account,
            model.name,
            self._menus[model.name].order(body),
            prompt=str(body.get("prompt", "")),
            failure=wishes.failure,
        )
        self.tasks.add(task)
        return self.receipt(endpoint, task)

    def look(self, endpoint: Query, account: Account, raw_id: str) -> Json:
        """Return the state of an account's task, and count the look.

        Raises:
            Refusal: 400, no id of a task; 404, no task of this account.
        """
        name = unquote(raw_id)
        task = self.tasks.get(name)
        if task is None or task.account is not account:
            if not endpoint.ids.is_valid(name):
                raise Refusal(400, param=endpoint.parameter)
            raise Refusal(404)
        task.looks += 1
        return self.detail(endpoint, task)

    def detail(self, endpoint: Query, task: Task) -> Json:
        """Return what the task query says of a task now."""
        phase = task.phase(self.clock.now())
        return endpoint.answer.build(values_of(task, phase, self.origin))

    def _model(self, endpoint: Submission, body: Json) -> Model:
        name = body.get("model")
        if not isinstance(name, str):
            allowed = ", ".join(endpoint.models)
            what = "is required" if "model" not in body else "must be a string"
            raise Refusal(400, f"model {what}: one of {allowed}", param="model")
        model = endpoint.models.get(name)
        if model is None:
            raise Refusal(404)
        return model

    def opened(
        self,
        account: Account,
        model: str,
        order: Order,
        *,
        prompt: str = "",
        failure: str | None = None,
        pace: Pace | None = None,
    ) -> Task:
        """Make a task of an account, not yet remembered."""
        created = self.clock.now()
        account.submitted += 1
        name = task_id(created, self.seed, account.name, account.submitted)
        while name in self.tasks:
            name = task_id(created, self.seed, account.name, account.submitted, name)
        pace = pace or self.pace
        return Task(
            id=name,
            created=created,
            model=model,
            account=account,
            order=order,
            pace=pace,
            seed=self.seed,
            prompt=prompt,
            failure=failure,
            credits=credits_of(order),
            estimate=pace.estimate(nominal_seconds(order)),
        )

    def receipt(self, endpoint: Submission, task: Task) -> Json:
        """Return the answer to the submission that made a task."""
        answer = endpoint.answer
        values = values_of(task, task.phase(task.created), self.origin)
        values["task_info.estimated_time"] = task.estimate
        values["usage.billing_rule"] = answer.choose(
            "usage.billing_rule", *billing_rules(task.order)
        )
        values["usage.credits_reserved"] = task.credits
        values["usage.user_group"] = answer.choose("usage.user_group", "default")
        return answer.build(values)
