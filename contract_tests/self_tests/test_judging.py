"""How a test goes on after a failure that is tolerated, and how long it waits."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import (
    CheckFailed,
    NotJudged,
    independent,
    observing,
    stop_judging,
)
from wanflow_contract.checks.definitions.responses import SCHEMA
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import Expectation, Expected
from wanflow_contract.checks.run_state import RunState
from wanflow_contract.findings.recorder import Recorder
from wanflow_contract.plan.budget import SpendBudget
from wanflow_contract.support import api_under_test
from wanflow_contract.support.api_under_test import ApiUnderTest
from wanflow_contract.support.exchange import Exchange
from wanflow_contract.support.http_client import RateLimitedClient

KEY = "the-key-of-the-first-account"
MODELS = packaged_contract().catalog.models
MODEL = next(iter(MODELS.values()))


def tolerating() -> Any:
    """Tolerate every failure until the end of the block."""
    return observing(Recorder(is_known=lambda _finding: True))


def test_a_block_that_cannot_go_on_after_a_tolerated_failure_is_left() -> None:
    """What follows from the failure is ignored, and what comes after the block runs."""
    reached = []
    with tolerating():
        for consequence in (KeyError, TypeError, NotJudged):
            with independent():
                SCHEMA.require(False, "it is 5")
                if consequence is NotJudged:
                    stop_judging()
                raise consequence
            reached.append(consequence)
    assert len(reached) == 3


def test_a_fault_of_the_suite_is_raised_from_an_independent_block() -> None:
    """Without a tolerated failure in the block, an error is one of the suite."""
    with tolerating():
        SCHEMA.require(False, "it is 5")
        with pytest.raises(KeyError), independent():
            raise KeyError


def test_a_failure_that_is_not_tolerated_is_raised_from_an_independent_block() -> None:
    """A failed check always ends the test then."""
    with observing(Recorder()), pytest.raises(CheckFailed), independent():
        SCHEMA.require(False, "it is 5")


def test_the_reason_to_stop_is_the_last_tolerated_failure() -> None:
    """The message names its check."""
    with tolerating():
        SCHEMA.require(False, "it is 5")
        with pytest.raises(NotJudged, match="tolerated failure of schema"):
            stop_judging()


def test_a_generated_case_that_stops_is_not_taken_for_a_failure() -> None:
    """Hypothesis tries the other cases."""
    seen = []

    @given(st.integers(0, 50))
    def cases(number: int) -> None:
        seen.append(number)
        if number % 2:
            SCHEMA.require(False, "it is odd")
            stop_judging()

    with tolerating():
        cases()
    assert {number % 2 for number in seen} == {0, 1}


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_a_task_is_known_whichever_2xx_accepted_it(status) -> None:
    """A status that isn't documented is a failure, and the task is followed all the same."""
    state = RunState(MODELS, {"one": KEY}, False, False, time.time)
    body = {
        "id": "task-unified-1-abcdefgh",
        "model": MODEL.name,
        "status": "pending",
        "created": int(time.time()),
        "object": f"{MODEL.kind}.generation.task",
        "type": MODEL.kind,
    }
    headers = (("Authorization", f"Bearer {KEY}"), ("content-type", "application/json"))
    exchange = Exchange(
        "POST",
        "http://api.example" + MODEL.path,
        MODEL.path,
        headers,
        json.dumps(cheapest(MODEL)).encode(),
        status,
        (("content-type", "application/json"),),
        json.dumps(body).encode(),
    )
    recorder = Recorder(is_known=lambda _finding: True)
    operation = packaged_contract().operation_at(MODEL.path)
    with observing(recorder):
        state.check(operation, Expectation(Expected.ACCEPT), exchange)
    assert list(state.tasks) == [body["id"]]
    assert bool(recorder.findings) == (status != 200)


def test_a_model_whose_task_does_not_end_is_waited_for_once(monkeypatch) -> None:
    """Later tasks of the model get a short time, those of other models the whole one."""
    clock = SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    clock.sleep = lambda seconds: setattr(clock, "now", clock.now + seconds)
    monkeypatch.setattr(api_under_test, "time", clock)

    class Stuck(ApiUnderTest):
        def poll(self, history: Any) -> Any:
            history.polls += 1
            return history

    target = Stuck(RateLimitedClient("http://api.example"), {"one": KEY}, SpendBudget())
    first, other = list(MODELS.values())[:2]
    seen = Exchange("GET", "http://api.example/v1/tasks/a", "/v1/tasks/a", (), b"", 200, (), b"{}")
    waited = []
    with tolerating():
        for model in (first, first, first, other):
            begun = clock.now
            history: Any = SimpleNamespace(
                model=model, ended=False, status="pending", polls=1, first=seen, last=seen
            )
            with pytest.raises(NotJudged):
                target.wait(history)
            waited.append(clock.now - begun)
    assert waited[0] >= target.timeout <= waited[3]
    assert max(waited[1:3]) <= target.timeout / 10
