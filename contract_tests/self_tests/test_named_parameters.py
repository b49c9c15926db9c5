"""Which parameters the error of an invalid request may name."""

from __future__ import annotations

from wanflow.catalog.violation import name_of
from wanflow_contract.checks.boundaries import cheapest
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import packaged_oracle
from wanflow_contract.checks.invalid_requests import invalid_requests_of

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
                assert ORACLE.causes(model.operation_id, body) == {"model", name, "unknown"}
