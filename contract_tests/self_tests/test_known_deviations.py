"""Known deviations of a response end no test, hide no other check, and absorb no other deviation.

The responses are those that the documents describe, each with one or two values changed.
"""

from __future__ import annotations

import json
import time
from copy import deepcopy
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from wanflow_contract.checks.boundaries import ABSENT, cheapest
from wanflow_contract.checks.check import CheckFailed, NotJudged, observing
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.request_expectation import expectation_of_request
from wanflow_contract.checks.run_state import RunState
from wanflow_contract.findings.recorder import Recorder
from wanflow_contract.support.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wanflow.catalog.catalog import Model

CONTRACT = packaged_contract()
MODELS = [
    min((one for one in CONTRACT.catalog.models.values() if one.kind == kind), key=str)
    for kind in sorted({one.kind for one in CONTRACT.catalog.models.values()})
]
KEYS = {"one": "the-first-key-0001", "two": "the-second-key-0002"}
TASK = "task-unified-1756817821-4x3rx6ny"
# One value of each kind that a finding distinguishes.
VALUES = (None, "unknown", "", 5, -1, 0.5, True, [], ["a"], {}, ABSENT)
STATUSES = (200, 201, 204, 302, 400, 401, 403, 404, 418, 500, 503)
BODIES = (b"", b"<h1>no</h1>", b"[]", b"null", b'"a"', b"5", b"{}", b'[{"id": "a"}]')


@frozen(eq=False)
class Change:
    """One value of a response that is changed: a field, the status, the type, or the body."""

    place: tuple[str, ...]
    value: Any

    def __call__(self, exchange: Exchange) -> Exchange:
        """Return the exchange with the value changed; as it was if the field is not there."""
        match self.place:
            case ("status",):
                return evolve(exchange, status=self.value)
            case ("content-type",):
                return evolve(exchange, headers=(("content-type", self.value),))
            case ("body",):
                return _with_content(exchange, self.value)
        body = exchange.decoded()
        inner = body
        for name in self.place[1:-1]:
            inner = inner.get(name) if isinstance(inner, dict) else None
        if not isinstance(inner, dict):
            return exchange
        inner[self.place[-1]] = self.value
        if self.value is ABSENT:
            del inner[self.place[-1]]
        return _with_content(exchange, json.dumps(body).encode())


def _with_content(exchange: Exchange, content: bytes) -> Exchange:
    return evolve(exchange, content=content)


@frozen
class Scenario:
    """Exchanges in order; the last one is changed."""

    name: str
    exchanges: tuple[Exchange, ...] = field(repr=False)

    def __str__(self) -> str:
        return self.name

    @property
    def changes(self) -> list[Change]:
        """All changes of the last response."""
        last = self.exchanges[-1]
        found = [
            Change(("field", *path), value) for path in _paths(last.json()) for value in VALUES
        ]
        found += [Change(("status",), status) for status in STATUSES]
        found += [Change(("body",), content) for content in BODIES]
        found += [Change(("content-type",), kind) for kind in ("text/html", "text/plain")]
        return [one for one in found if one(last) != last]

    def findings(self, *changes: Change) -> set[str]:
        """Return the ids of what is found; everything is known, so nothing may be raised."""
        *before, last = self.exchanges
        for one in changes:
            last = one(last)
        recorder = Recorder(strict=True, is_known=lambda _finding: True)
        models = CONTRACT.catalog.models
        state = RunState(
            models, KEYS, has_mock_controls=False, accepts_any_key=False, clock=time.time
        )
        with observing(recorder):
            for exchange in (*before, last):
                recorder.begin("a test")
                contract = CONTRACT.operation_at(exchange.path)
                sent = dict(exchange.request_headers)
                expected = expectation_of_request(contract, exchange.method, sent, exchange.sent)
                state.check(contract, expected, exchange)
        return set(recorder.findings)


def _paths(body: dict[str, Any], *path: str) -> Iterator[tuple[str, ...]]:
    for name, value in body.items():
        yield (*path, name)
        if isinstance(value, dict):
            yield from _paths(value, *path, name)


def _exchange(method: str, path: str, sent: Any, status: int, body: Any) -> Exchange:
    headers = (("Authorization", f"Bearer {KEYS['one']}"), ("Content-Type", "application/json"))
    content = json.dumps(sent).encode() if sent is not None else b""
    received = (("content-type", "application/json"),)
    url = f"http://api.example{path}"
    return Exchange(
        method, url, path, headers, content, status, received, json.dumps(body).encode()
    )


def _scenarios_of(model: Model) -> Iterator[Scenario]:
    operation = CONTRACT.operations[model.operation_id]
    receipt = {
        **deepcopy(operation.responses[200].examples[0]),
        "id": TASK,
        "created": int(time.time()),
        "model": model.name,
        "type": model.kind,
        "object": f"{model.kind}.generation.task",
    }
    submitted = _exchange("POST", model.path, cheapest(model), 200, receipt)
    yield Scenario(f"{model.kind}: a receipt", (submitted,))
    running = {
        **receipt,
        "status": "processing",
        "progress": 50,
        "task_info": {"can_cancel": False},
    }
    done = {"status": "completed", "progress": 100, "results": ["https://a.example/file"]}
    error = {"code": "service_error", "message": "Sorry", "type": "task_error"}
    for name, more in (
        ("running", {}),
        ("completed", done),
        ("failed", {"status": "failed", "progress": 0, "error": error}),
    ):
        polled = _exchange("GET", f"/v1/tasks/{TASK}", None, 200, {**running, **more})
        yield Scenario(f"{model.kind}: {name}", (submitted, polled))
    refused = deepcopy(operation.responses[400].examples[0])
    refused["error"]["param"] = "prompt"
    invalid = {**cheapest(model), "prompt": 5}
    yield Scenario(
        f"{model.kind}: refused", (_exchange("POST", model.path, invalid, 400, refused),)
    )


UNKNOWN = CONTRACT.status_operation.responses[404].examples[0]
SCENARIOS = [
    *(scenario for model in MODELS for scenario in _scenarios_of(model)),
    Scenario("an unknown task", (_exchange("GET", f"/v1/tasks/{TASK}", None, 404, UNKNOWN),)),
]
each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=str)


@each_scenario
def test_the_documented_responses_are_right(scenario) -> None:
    """Without a change nothing is found, so whatever is found is because of a change."""
    assert not scenario.findings()
    assert sum(bool(scenario.findings(one)) for one in scenario.changes) > len(BODIES)


@each_scenario
def test_no_known_deviation_ends_the_judging_of_a_response(scenario) -> None:
    """Whatever a response is, a test goes on after it if all that it shows is known."""
    for one in scenario.changes:
        try:
            scenario.findings(one)
        except (CheckFailed, NotJudged, TypeError, ValueError, LookupError) as error:
            pytest.fail(f"{one} ends a test: {error!r}")


@each_scenario
def test_no_known_deviation_absorbs_another_one_of_the_same_place(scenario) -> None:
    """Null where a number is known is another deviation: every pair of kinds of values."""
    found = {one: scenario.findings(one) for one in scenario.changes if one.place[0] == "field"}
    pairs = [
        (known, new)
        for known, new in permutations(found, 2)
        if known.place == new.place and found[new]
    ]
    assert len(pairs) > len(VALUES)
    absorbed = [pair for pair in pairs if found[pair[1]] <= found[pair[0]]]
    assert absorbed == []


@each_scenario
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_no_known_deviation_hides_one_of_another_place(scenario, data) -> None:
    """With a known deviation in a response, another field's deviation is still found.

    What is judged only for a certain status of the task can't be judged without that status.
    """
    changes = [one for one in scenario.changes if one.place[0] == "field"]
    known, new = (data.draw(st.sampled_from(changes)) for _ in range(2))
    last = scenario.exchanges[-1]
    shows = new(known(last)) not in {known(last), new(last)}
    if shows and known.place != ("field", "status") and scenario.findings(new):
        assert not scenario.findings(known, new) <= scenario.findings(known)


@pytest.mark.parametrize("status", [200, 201, 409, 418, 500])
@pytest.mark.parametrize(
    "scenario", [one for one in SCENARIOS if one.exchanges[-1].status >= 400], ids=str
)
def test_an_error_with_a_known_wrong_status_is_still_judged(scenario, status) -> None:
    """Its code, its type and its message are judged, although it has the status of a success."""
    known = Change(("status",), status)
    for name in ("code", "message", "type"):
        found = scenario.findings(known, Change(("field", "error", name), -1))
        assert not found <= scenario.findings(known), name
