"""Refusals because of the account: notes, unless the server contradicts them."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from typing import Any

import pytest

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import NotJudged, observing
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import Expectation, Expected, packaged_oracle
from wanflow_contract.checks.request_expectation import expectation_of_request
from wanflow_contract.checks.run_state import RunState
from wanflow_contract.findings.finding import NOTE
from wanflow_contract.findings.recorder import Recorder
from wanflow_contract.plan.unpaid import UnpaidRequests
from wanflow_contract.support.exchange import Exchange

KEY = "the-key-of-the-first-account"
MODEL, OTHER = list(packaged_contract().catalog.models.values())[:2]
JSON = ("content-type", "application/json")
VALID = cheapest(MODEL)
INVALID = {**VALID, "prompt": 5}
OPEN = {**VALID, "prompt": "\x07"}
DENIED = {"code": 403, "message": "Denied", "type": "permission_error", "param": "model"}
NAMELESS = {name: value for name, value in DENIED.items() if name != "param"}
OF_PROMPT = {**DENIED, "param": "prompt"}
POOR = {"code": 402, "message": "No credits", "type": "insufficient_quota_error"}


def accepted(model: Any = MODEL) -> tuple[dict[str, Any], int, dict[str, Any]]:
    """Return a valid request, the status and the body of its acceptance."""
    made = {"id": f"task-unified-1-{time.monotonic_ns()}", "model": model.name}
    more = {"status": "pending", "created": int(time.time())}
    return cheapest(model), 200, {**made, **more}


def submission(asked: Any, status: int, body: Any) -> Exchange:
    """Return a submission with the key of the account, and its response."""
    content = body if status == 200 else {"error": body}
    sent, received = (json.dumps(one).encode() for one in (asked, content))
    path = packaged_contract().catalog.models[asked["model"]].path
    headers = (("Authorization", f"Bearer {KEY}"), JSON)
    return Exchange(
        "POST", f"http://api.example{path}", path, headers, sent, status, (JSON,), received
    )


def judged(*exchanges: Any, mock: bool = False) -> list[tuple[str, bool]]:
    """Return the checks that failed, and whether each is a note."""
    state = RunState(packaged_contract().catalog.models, {"one": KEY}, mock, False, time.time)
    recorder = Recorder(is_known=lambda _finding: True)
    with observing(recorder):
        for one in exchanges:
            exchange = submission(*one)
            operation = packaged_contract().operation_at(exchange.path)
            headers = dict(exchange.request_headers)
            expected = expectation_of_request(operation, "POST", headers, exchange.sent)
            state.check(operation, expected, exchange)
    return sorted({(one.check, one.kind == NOTE) for one in recorder.findings.values()})


@pytest.mark.parametrize(
    "exchanges",
    [
        [(VALID, 403, DENIED)],
        [(VALID, 403, NAMELESS)],
        [(VALID, 403, DENIED), accepted(OTHER), (INVALID, 403, DENIED)],
        [(INVALID, 403, DENIED)],
        [(VALID, 402, POOR), (INVALID, 402, POOR)],
        [accepted(), (VALID, 402, POOR), accepted()],
        [(OPEN, 402, POOR)],
        [(OPEN, 403, DENIED), accepted()],
        [(OPEN, 402, POOR), (INVALID, 402, POOR)],
    ],
)
def test_a_refusal_because_of_the_account_is_a_note(exchanges) -> None:
    """The documents have "Access denied for this model", and accounts run out of credits."""
    assert judged(*exchanges) == [("model-access", True)]


@pytest.mark.parametrize(
    ("check", "exchanges"),
    [
        ("accepts", [(VALID, 403, DENIED), accepted()]),
        ("accepts", [accepted(), (VALID, 403, DENIED)]),
        ("accepts", [(VALID, 403, OF_PROMPT)]),
        ("rejects", [(INVALID, 403, DENIED), accepted()]),
        ("rejects", [accepted(), (INVALID, 403, DENIED)]),
        ("rejects", [(INVALID, 403, NAMELESS)]),
        ("rejects", [(INVALID, 402, POOR)]),
        ("rejects", [(INVALID, 402, POOR), accepted()]),
    ],
)
def test_what_the_account_is_not_the_reason_of_is_a_finding(check, exchanges) -> None:
    """An account that gets a task of a model has access to it."""
    assert (check, False) in judged(*exchanges)


@pytest.mark.parametrize("refused", [(VALID, 402, POOR), (VALID, 403, DENIED)])
def test_an_account_of_a_mock_has_all(refused) -> None:
    """There a refusal is a finding."""
    assert judged(refused, mock=True) == [("accepts", False)]


@pytest.mark.parametrize("expected", [Expected.ACCEPT, Expected.EITHER])
@pytest.mark.parametrize("mock", [False, True])
def test_a_test_that_the_account_may_not_run_ends(mock, expected) -> None:
    """So nothing else is said of the refusal, except on a mock."""
    state = RunState(packaged_contract().catalog.models, {"one": KEY}, mock, False, time.time)
    refused = submission(VALID, 402, POOR)
    with observing(Recorder()), nullcontext() if mock else pytest.raises(NotJudged):
        state.stop_without_access(Expectation(expected), refused)


LARGE = {**VALID, next(name for name in ("n", "duration") if name in MODEL.parameters): 4}
REFUSED = (VALID, 402, POOR)


def why_not(asked: dict[str, Any], *exchanges: Any, key: str = "one") -> str:
    """Return why a request isn't sent after some others."""
    unpaid = UnpaidRequests()
    for one in exchanges:
        unpaid.record("one", expected_of(one[0]), submission(*one))
    return unpaid.why_not(key, expected_of(asked), json.dumps(asked).encode())


def expected_of(asked: dict[str, Any]) -> Expectation:
    operation = packaged_contract().catalog.models[asked["model"]].operation_id
    return packaged_oracle().expectation(operation, asked)


@pytest.mark.parametrize("asked", [VALID, LARGE, OPEN])
def test_what_an_account_could_not_pay_twice_is_not_sent_again(asked) -> None:
    """Nor is what costs more; the reason says how often it was refused."""
    assert "2 valid requests of this model were refused with 402" in why_not(
        asked, REFUSED, REFUSED
    )


@pytest.mark.parametrize(
    ("asked", "exchanges"),
    [
        (VALID, [REFUSED]),
        (INVALID, [REFUSED] * 9),
        (VALID, [(LARGE, 402, POOR)] * 9),
        (VALID, [(INVALID, 402, POOR)] * 9),
        (VALID, [(VALID, 403, DENIED)] * 9),
        (cheapest(OTHER), [REFUSED] * 9),
        (VALID, [REFUSED, REFUSED, accepted()]),
    ],
)
def test_what_an_account_may_pay_and_what_must_be_refused_is_sent(asked, exchanges) -> None:
    """One refusal is not enough, and neither are those of larger or of invalid requests."""
    assert not why_not(asked, *exchanges)


def test_another_account_may_pay_it() -> None:
    """What one key can't pay says nothing about another one."""
    assert not why_not(VALID, REFUSED, REFUSED, key="two")
