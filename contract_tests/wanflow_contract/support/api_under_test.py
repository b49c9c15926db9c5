"""The server under test, used through its published API; every response is checked."""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from attrs import define, field

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import stop_judging
from wanflow_contract.checks.definitions.tasks import ENDS
from wanflow_contract.checks.refusals import require_accepted
from wanflow_contract.checks.response_checks import check_response
from wanflow_contract.checks.task_history import TaskHistory, start
from wanflow_contract.plan.order import cheapest_model
from wanflow_contract.support.checked_requests import CheckedRequests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.catalog.catalog import Model
    from wanflow_contract.support.exchange import Exchange


@define(eq=False, repr=False)
class ApiUnderTest(CheckedRequests):
    """A server under test, and all tasks that this run submitted to it.

    `poll_interval` and `timeout` are in seconds; `boundaries` counts the boundary requests by what
    is expected of them.
    """

    poll_interval: float = 0.0
    timeout: float = 900.0
    boundaries: Counter[str] = field(factory=Counter, repr=False)
    _late: set[str] = field(factory=set, init=False, repr=False)

    def __repr__(self) -> str:
        """Return a short text, because Hypothesis prints it with each failing example."""
        return f"<Target {self.base_url}>"

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

    def exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        content: bytes | None = None,
    ) -> Exchange:
        """Send a request, and check the response; see `CheckedRequests`.

        After the first submission of a run with a limit, its task is polled until it has ended.
        """
        self.budget.first.thread.is_polled = True
        try:
            exchange = super().exchange(method, path, headers, content)
        except Exception:
            with suppress(Exception):
                self._see_first_task()
            raise
        finally:
            self.budget.first.thread.is_polled = False
        self._see_first_task()
        return exchange

    def _see_first_task(self) -> None:
        """Poll the task that was submitted last, if it is the first one."""
        if not self.budget.first.thread.is_here:
            return
        self.budget.first.thread.is_here = False  # it is no submission of its own polls
        made = self.client.journal[-1].task_id if self.client.journal else None
        try:
            if made in self.tasks:
                self.wait(self.tasks[made])
        finally:
            self.budget.end_first(made)

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
        if not history.id:
            stop_judging()
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
        while not self.polled(history).ended:
            late = time.monotonic() >= until
            if late:
                self._late.add(name)
            ENDS.require(
                not late,
                f"still {history.status} after {seconds:.0f} s and {history.polls} polls",
                history.first,
                history.last,
                shape=f"{history.model.kind}: still {history.status}",
            )
            if late:
                stop_judging()
            if self.has_mock_controls and history.polls > _POLLS_BEFORE_ADVANCE:
                self.controls.advance_time(2)
            time.sleep(pause)
            pause = min(max(pause * 1.5, 0.02), 5.0)
        return history

    def polled(self, history: TaskHistory) -> TaskHistory:
        """Poll a task with its own key; a tolerated failure that hides its state ends the test."""
        before = history.polls
        self.poll(history)
        if history.polls == before:
            stop_judging()
        return history


# After so many polls, a task that progresses by time gets its clock advanced.
_POLLS_BEFORE_ADVANCE = 3
# How many times shorter a model is waited for after a task of it didn't end.
_SHORTENED = 20
