"""Which parameters the error of an invalid request may name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wanflow.catalog.violation import name_of
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.check import CheckFailed
from wanflow_contract.checks.definitions.requests import PARAM
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import Expected, packaged_oracle
from wanflow_contract.checks.invalid_requests import invalid_requests_of
from wanflow_contract.checks.refusals import check_rejection, names_cause
from wanflow_contract.support.exchange import Exchange

MODELS = packaged_contract().catalog.models.values()
ORACLE = packaged_oracle()


def test_a_part_of_a_parameter_may_be_named_alone_or_with_its_parameter() -> None:
    """`shot_type`, `model_params.shot_type` and `model_params` blame the same value."""
    parts = 0
    for model in MODELS:
        for body, _ in invalid_requests_of(model):
            causes = ORACLE.causes(model.operation_id, body)
            for violation in ORACLE.rules.violations(model, body):
                path = violation.pointer.split("/")[1:]
                named = [one for one in path if not one.isdigit()]
                parts += len(named) > 1
                assert set(named) <= causes
                assert any(one in name_of(path) for one in causes)
    assert parts


def test_what_an_invalid_parameter_has_beside_its_fault_may_be_named() -> None:
    """A server that finds the unknown field first names it; other parameters are no cause."""
    for model in MODELS:
        for name, value in cheapest(model).items():
            if name != "model":
                body = {**cheapest(model), name: {"unknown": value}}
                causes = ORACLE.causes(model.operation_id, body)
                assert causes - {"model"} == {name, "unknown"}


def test_an_unknown_name_within_a_parameter_may_be_refused_and_named() -> None:
    """As one beside the parameters may be: the documents mention neither."""
    nested = [
        (model, name)
        for model in MODELS
        for name, rule in model.parameters.items()
        if "properties" in rule
    ]
    assert nested
    for model, name in nested:
        body = {**cheapest(model), name: {"unknown": 1}}
        expectation = ORACLE.expectation(model.operation_id, body)
        assert expectation.expected is Expected.EITHER
        assert f"{name}.unknown" in expectation.reason
        assert is_blamed(model, {**body, "prompt": 5}, f"{name}.unknown")
        assert is_blamed(model, {**body, "prompt": 5}, "unknown")


def is_blamed(model: Any, body: dict[str, Any], param: str) -> bool:
    """Return whether the law takes a refusal that names a parameter for a right one."""
    error = {"code": 400, "message": "No", "type": "invalid_request_error", "param": param}
    sent, received = (json.dumps(one).encode() for one in (body, {"error": error}))
    kind = (("Content-Type", "application/json"),)
    url = f"http://api.example{model.path}"
    exchange = Exchange("POST", url, model.path, kind, sent, 400, kind, received)
    expectation = ORACLE.expectation(model.operation_id, body)
    try:
        check_rejection(model.operation_id, expectation, exchange)
    except CheckFailed as failed:
        if failed.check is not PARAM:
            raise
        return False
    return True


def test_each_name_that_is_no_cause_is_wrong_and_each_cause_is_right() -> None:
    """However it begins, ends, or is a part of another name."""
    fields = {"model", *(name for model in MODELS for name in model.parameters)}
    wrong = 0
    for model in MODELS:
        for body, _ in invalid_requests_of(model):
            causes = ORACLE.causes(model.operation_id, body)
            more = {form for one in fields for form in (f"{one}s", f"my_{one}")}
            for name in {*fields, *more} - causes:
                wrong += 1
                assert not names_cause(name, causes), (body, name)
            for cause in causes & fields:
                for path in (cause, f"{cause}[0]", f"body.{cause}", f"/{cause}/1", f"$.{cause}"):
                    assert names_cause(path, causes), (body, path)
    assert wrong > 1000


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_model_is_named_only_if_another_one_would_be_right(model) -> None:
    """A number as a prompt is right for none; another model's field is a cause."""
    right = cheapest(model)
    assert not is_blamed(model, {**right, "prompt": 5}, "model")
    assert is_blamed(model, {**right, "model": "none"}, "model")
    assert is_blamed(model, {name: one for name, one in right.items() if name != "model"}, "model")
    others = [one for one in MODELS if one.operation_id == model.operation_id]
    foreign = {name for one in others for name in one.parameters} - model.parameters.keys()
    for name in foreign:
        assert is_blamed(model, {**right, "prompt": 5, name: 1}, "model")


def test_a_body_nested_deeper_than_calls_may_be_is_judged() -> None:
    """Newer Pythons parse what recursive functions can't go through."""
    (model, *_) = MODELS
    deep: Any = "a"
    for _ in range(5000):
        deep = {"a": [deep]}
    body = {**cheapest(model), "unknown": deep}
    assert "unknown" in ORACLE.causes(model.operation_id, body)
    assert ORACLE.expectation(model.operation_id, body).expected is Expected.EITHER
