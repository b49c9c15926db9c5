"""The mock or the server: sends requests to it, and judges the responses by the spec."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
from attrs import define, field, frozen

from wanflow_contract.checks.check import Check, CheckFailed, NotJudged, observing
from wanflow_contract.checks.file_checks import check_file, check_requested
from wanflow_contract.checks.run_state import RunState
from wanflow_contract.drift.requests import NONE, OWN, WRONG
from wanflow_contract.findings.shape import shape_of
from wanflow_contract.support.http_client import RateLimitedClient

if TYPE_CHECKING:
    from wanflow_contract.checks.documented_responses import Contract
    from wanflow_contract.checks.expectation import Expectation
    from wanflow_contract.drift.requests import PlannedRequest
    from wanflow_contract.support.exchange import Exchange

_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.05, 5.0, 1.5
_POLLS_AFTER_THE_END = 4
_STATUS = re.compile(r"[45][0-9]{2}: ")
_WRONG_KEY = "wanflow-drift-wrong-key"


@frozen
class Place:
    """Where a response deviates from the spec: the operation, the check, the field, the form."""

    operation: str
    check: str
    pointer: str
    shape: str


@frozen
class JudgedResponse:
    """A response, and each check that it fails."""

    exchange: Exchange = field(repr=False)
    failures: dict[Place, CheckFailed] = field(repr=False)

    @property
    def accepted(self) -> bool:
        """Whether the response is a success."""
        return self.exchange.status // 100 == 2


@define(eq=False)
class Collector:
    """Lets every failure pass, and keeps those of checks that rest on the documents."""

    failures: list[CheckFailed] = field(factory=list)

    def evaluated(self, check: Check, exchanges: tuple[Exchange, ...], /) -> None:
        """Record nothing."""

    def tolerates(self, failure: CheckFailed, /) -> bool:
        """Keep a failure."""
        if not failure.check.note:
            self.failures.append(failure)
        return True


@define(eq=False)
class Target:
    """The mock or the server, with the key for it."""

    contract: Contract
    base_url: str
    key: str = field(repr=False)
    sent: int = 0
    client: RateLimitedClient = field(init=False, repr=False)
    _state: RunState = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Start without any task."""
        self.client = RateLimitedClient(self.base_url.rstrip("/"), (self.key,))
        models = self.contract.catalog.models
        self._state = RunState(models, {"API_KEY": self.key}, False, False, time.time)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def send(self, request: PlannedRequest) -> Exchange:
        """Send a request.

        Raises:
            CheckFailed: there is no response.
        """
        self.sent += 1
        headers = {} if request.body is None else {"Content-Type": "application/json"}
        key = {OWN: self.key, WRONG: _WRONG_KEY, NONE: ""}[request.key]
        if key:
            headers["Authorization"] = f"Bearer {key}"
        return self.client.send(request.method, request.path, headers, request.body)

    def judge(self, request: PlannedRequest, exchange: Exchange) -> JudgedResponse:
        """Judge a response by the spec."""
        collector = Collector()
        with observing(collector), suppress(NotJudged):
            self._state.check(request.operation, request.expectation, exchange)
        return JudgedResponse(exchange, _by_place(request.operation.id, collector.failures))

    def without_response(self, request: PlannedRequest, failure: CheckFailed) -> JudgedResponse:
        """Return the result of a request without a response."""
        return JudgedResponse(failure.exchanges[-1], _by_place(request.operation.id, [failure]))

    def run_task(self, task_id: str, poll: PlannedRequest, timeout: float) -> list[JudgedResponse]:
        """Poll a task to its end and a few times more, and read one file."""
        until, pause, left, seen = (
            time.monotonic() + timeout,
            _FIRST_PAUSE,
            None,
            list[JudgedResponse](),
        )
        while left != 0 and time.monotonic() < until:
            exchange = self.send(poll)
            seen.append(self.judge(poll, exchange))
            history = self._state.tasks.get(task_id)
            if history is None or exchange.status != 200:
                break
            if left is not None or history.ended:
                left = (_POLLS_AFTER_THE_END if left is None else left) - 1
            time.sleep(_FIRST_PAUSE if left is not None else pause)
            pause = min(_LONGEST_PAUSE, pause * _GROWTH)
        return [*seen, *self._file_of(task_id)]

    def _file_of(self, task_id: str) -> list[JudgedResponse]:
        """Read the first file of a task, without a key."""
        history = self._state.tasks.get(task_id)
        links = [] if history is None else [one for one in history.links if _is_web(one)]
        if history is None or not links:
            return []
        collector = Collector()
        try:
            with observing(collector), suppress(NotJudged):
                exchange = self.client.send("GET", links[0])
                check_file(history, exchange)
                check_requested(history, exchange.content)
        except httpx.HTTPError:
            return []
        return [JudgedResponse(exchange, _by_place("a file", collector.failures))]


def _is_web(link: Any) -> bool:
    return isinstance(link, str) and link.startswith(("http://", "https://"))


def _by_place(operation: str, failures: list[CheckFailed]) -> dict[Place, CheckFailed]:
    """Return failures by place; two statuses that are both right make no difference."""
    found = ((one, _STATUS.sub("", shape_of(one), count=1)) for one in failures)
    return {Place(operation, one.check.name, one.pointer, shape): one for one, shape in found}


def wanted_of(expectation: Expectation | None) -> str:
    """Return what the spec expects of a submission, in words."""
    if expectation is None:
        return ""
    reason = f": {expectation.reason}" if expectation.reason else ""
    return f"the request {expectation.expected.value}{reason}"
