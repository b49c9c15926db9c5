"""The mocked service, without sockets: submits, polls and ends tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow.mock.clock import Clock, RealClock
from wanflow.mock.errors import HTTPError
from wanflow.mock.gateway.directives import NO_DIRECTIVES, Directives
from wanflow.mock.gateway.lifecycle import AfterPolls, Phase, Progression
from wanflow.mock.gateway.outputs import ModelDefaults, OutputSpec, defaults_of
from wanflow.mock.gateway.pricing import billing_rules, credits_of, nominal_seconds
from wanflow.mock.gateway.response_cache import ResponseTemplates
from wanflow.mock.gateway.scheduler import Scheduler
from wanflow.mock.gateway.suggestion import suggested_model
from wanflow.mock.gateway.tasks import Task, TaskStore, response_values, task_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wanflow.catalog.catalog import Model
    from wanflow.catalog.document import JsonObject
    from wanflow.catalog.violation import Violation
    from wanflow.mock.gateway.accounts import Account
    from wanflow.mock.gateway.endpoints import Api, SubmitEndpoint

_LONGEST_PROMPT = 500


@define(eq=False)
class Gateway:
    """The tasks of all accounts, and the spec that they follow.

    `origin` is what result URLs begin with if a request says nothing else; violations for which
    `ignore_violation` returns True are ignored; `on_done` is called once for each task that ends,
    after it is billed; `on_change` is called whenever a task changes.
    """

    api: Api
    origin: str
    seed: int = 0
    clock: Clock = field(factory=RealClock)
    progression: Progression = field(factory=AfterPolls)
    tasks: TaskStore = field(factory=TaskStore)
    ignore_violation: Callable[[Violation], bool] | None = None
    on_done: Callable[[Task], None] | None = None
    on_change: Callable[[Task], None] | None = None
    scheduler: Scheduler = field(init=False, repr=False)
    _templates: ResponseTemplates = field(factory=ResponseTemplates, init=False, repr=False)
    _defaults: Mapping[str, ModelDefaults] = field(init=False, repr=False)
    _billing: Mapping[tuple[str, str], Mapping[str, Any]] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Read the parameters of all models."""
        found = (model for one in self.api.submit_endpoints for model in one.models.values())
        self._defaults = {model.name: defaults_of(model) for model in found}
        self.scheduler = Scheduler(self.clock)
        self._billing = {
            (one.path, model.kind): _billing_fields(one, model.kind)
            for one in self.api.submit_endpoints
            for model in one.models.values()
        }

    def validate(self, endpoint: SubmitEndpoint, account: Account, body: JsonObject) -> Model:
        """Return the model of a valid request.

        Raises:
            HTTPError: 404, the model is unknown; 403, the account may not use it; 400, with the
                first violation and its parameter.
        """
        model = _model(endpoint, body)
        account.check_model(model.name)
        violations = self.api.validator.violations(model, body)
        if violations and self.ignore_violation is not None:
            violations = [one for one in violations if not self.ignore_violation(one)]
        if violations:
            worst = violations[0]
            raise HTTPError(400, worst.message, param=worst.parameter or None, model=model.name)
        return model

    def submit(
        self,
        account: Account,
        model: Model,
        body: JsonObject,
        directives: Directives = NO_DIRECTIVES,
        link_base: str = "",
    ) -> Task:
        """Create the task of a valid request; its links begin with `link_base`, or the origin.

        Raises:
            HTTPError: 402, the account has too few credits.
        """
        output = self._defaults[model.name].output_spec(body)
        price = credits_of(output)
        account.reserve(price)
        task = self.make_task(
            account,
            model.name,
            output,
            price,
            prompt=str(body.get("prompt", ""))[:_LONGEST_PROMPT],
            callback_url=body.get("callback_url"),
            failure=directives.failure,
            failure_detail=directives.failure_detail,
            progression=directives.progression,
            status_faults=directives.status_faults,
            download_faults=directives.download_faults,
            link_base=link_base,
        )
        self.tasks.add(task)
        due = task.progression.ends_after()
        if due is not None:
            self._when_due(task, task.created + due)
        if self.on_change is not None:
            self.on_change(task)
        return task

    def resume(self, task: Task) -> None:
        """Add a task of an earlier run; if it should have ended since, it ends now."""
        self.tasks.add(task)
        due = task.progression.ends_after()
        if due is not None and task.ended is None:
            self.scheduler.call_at(task.created + due, lambda: self.settle(task))

    def get(self, account: Account, name: str) -> Task | None:
        """Return a task, None if it is unknown or belongs to another account."""
        task = self.tasks.get(name, self.clock.now())
        return task if task is not None and task.account is account else None

    def poll(self, task: Task) -> None:
        """Count a poll of a task."""
        task.polls += 1
        self.settle(task)
        if self.on_change is not None:
            self.on_change(task)

    def status_response(self, task: Task, link_base: str = "") -> JsonObject:
        """Return the current status response of a task.

        Its links begin with `link_base`; without one, as those of the submission's response did.
        """
        phase, base = task.phase(self.clock.now()), self._base(task, link_base)
        return self._status_response(task, phase, base)

    def encoded_status_response(self, task: Task, link_base: str = "") -> bytes:
        """Return the current status response of a task, encoded."""
        phase, base = task.phase(self.clock.now()), self._base(task, link_base)
        failure = task.failure, task.failure_detail
        key = (base, task.model, task.output, failure, phase)
        return self._templates.render(
            key, task, lambda blank: self._status_response(blank, phase, base)
        )

    def _base(self, task: Task, link_base: str = "") -> str:
        return link_base or task.link_base or self.origin

    def _status_response(self, task: Task, phase: Phase, link_base: str) -> JsonObject:
        return self.api.status_endpoint.template.build(response_values(task, phase, link_base))

    def settle(self, task: Task) -> None:
        """Bill a task that has ended, or release its credits."""
        if task.end(self.clock.now()):
            task.account.settle(task.credits, billed=task.failure is None)
            if self.on_change is not None:
                self.on_change(task)
            if self.on_done is not None:
                self.on_done(task)

    def make_task(
        self,
        account: Account,
        model: str,
        output: OutputSpec,
        price: float = 0.0,
        *,
        progression: Progression | None = None,
        **more: Any,
    ) -> Task:
        """Create a task of an account, without storing it."""
        created = self.clock.now()
        account.submitted += 1
        name = task_id(created, self.seed, account.name, account.submitted)
        while name in self.tasks:
            name = task_id(created, self.seed, account.name, account.submitted, name)
        progression = progression or self.progression
        return Task(
            id=name,
            created=created,
            model=model,
            account=account,
            output=output,
            progression=progression,
            seed=self.seed,
            credits=price,
            estimate=progression.estimate(nominal_seconds(output)),
            **more,
        )

    def submit_response(self, endpoint: SubmitEndpoint, task: Task) -> JsonObject:
        """Return the submit response of a task."""
        return self._submit_response(endpoint, task, task.phase(task.created))

    def encoded_submit_response(self, endpoint: SubmitEndpoint, task: Task) -> bytes:
        """Return the submit response of a task, encoded."""
        phase = task.phase(task.created)
        key = (self._base(task), task.model, task.output, task.failure, phase, task.estimate)
        return self._templates.render(
            key, task, lambda blank: self._submit_response(endpoint, blank, phase)
        )

    def _submit_response(self, endpoint: SubmitEndpoint, task: Task, phase: Phase) -> JsonObject:
        values = response_values(task, phase, self._base(task))
        values["task_info.estimated_time"] = task.estimate
        values["usage.credits_reserved"] = task.credits
        values |= self._billing[endpoint.path, task.output.kind]
        # The spec may allow fewer statuses in a submit response than in a status response.
        values["status"] = endpoint.template.choose("status", phase.name)
        return endpoint.template.build(values)

    def _when_due(self, task: Task, when: float) -> None:
        if when <= self.clock.now():
            self.settle(task)
        else:
            self.scheduler.call_at(when, lambda: self.settle(task))


def _billing_fields(endpoint: SubmitEndpoint, kind: str) -> dict[str, Any]:
    """Return the billing fields of a kind of task, with values that the spec allows."""
    choose = endpoint.template.choose
    return {
        "usage.billing_rule": choose("usage.billing_rule", *billing_rules(kind)),
        "usage.user_group": choose("usage.user_group", "default"),
    }


def _model(endpoint: SubmitEndpoint, body: JsonObject) -> Model:
    name = body.get("model")
    if not isinstance(name, str):
        allowed = ", ".join(endpoint.models)
        what = "is required" if "model" not in body else "must be a string"
        raise HTTPError(400, f"model {what}: one of {allowed}", param="model")
    model = endpoint.models.get(name)
    if model is None:
        near = suggested_model(endpoint.models, name, body)
        note = f"no model {name[:100]!r}; did you mean {near}?"
        raise HTTPError(404, model=near, suggestion=near, log_note=note)
    return model
