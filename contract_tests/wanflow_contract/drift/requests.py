"""The requests that are sent to the mock and a server, made from a spec."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow.catalog.validator import RequestValidator
from wanflow_contract.checks.boundaries import cheapest, probes_of
from wanflow_contract.checks.expectation import NO_JSON, Expectation, Expected, RequestOracle

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from wanflow.catalog.catalog import Catalog, Model
    from wanflow_contract.checks.documented_responses import Contract, OperationContract

OWN, WRONG, NONE = "own", "wrong", "none"
"""Which key a request is sent with."""


@frozen
class PlannedRequest:
    """A request, and what the spec expects of a submission; `about` is what it tests."""

    name: str
    operation: OperationContract = field(repr=False)
    path: str
    body: bytes | None = field(repr=False, default=None)
    key: str = OWN
    expectation: Expectation | None = None
    about: tuple[object, ...] = ()

    @property
    def method(self) -> str:
        """The method of the operation."""
        return self.operation.operation.method.upper()

    @property
    def submits(self) -> bool:
        """Whether a server may accept it and charge for it."""
        return self.expectation is not None and self.key == OWN

    @property
    def expected(self) -> Expected | None:
        """What the spec expects of a submission."""
        return None if self.expectation is None else self.expectation.expected


def planned_requests(
    contract: Contract, other: Catalog, models: Collection[str] = ()
) -> Iterator[PlannedRequest]:
    """Yield requests at each constraint of a spec, and of another one that the mock may have.

    Only those of some `models`, or of all if it is empty.
    """
    for operation in contract.operations.values():
        yield from _of_operation(contract, operation)
    oracle = RequestOracle(RequestValidator(contract.catalog))
    others = RequestOracle(RequestValidator(other))
    for model in contract.catalog.models.values():
        if models and model.name not in models:
            continue
        operation = contract.operations[model.operation_id]
        for name, body in _bodies(model, other.models.get(model.name)):
            expectation = oracle.expectation(model.operation_id, body)
            if expectation.expected is Expected.EITHER:
                continue
            second = others.expectation(model.operation_id, body)
            about = (model.name, name.partition("-")[0], expectation.expected, second.expected)
            rules = tuple(sorted(expectation.violated | second.violated))
            yield submission(f"{model.name} {name}", operation, body, expectation, (*about, rules))


def submission(
    name: str,
    operation: OperationContract,
    body: Any,
    expectation: Expectation,
    about: tuple[object, ...] = (),
) -> PlannedRequest:
    """Return a submission."""
    content = json.dumps(body).encode()
    return PlannedRequest(
        name, operation, operation.operation.path, content, expectation=expectation, about=about
    )


def _bodies(model: Model, other: Model | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the requests at the boundaries of single parameters."""
    for one in (model, other or model):
        alone = {"", "model", *one.parameters, *one.required}
        for probe in probes_of(one):
            if probe.field in alone:
                yield str(probe), dict(probe.body)


def _of_operation(contract: Contract, operation: OperationContract) -> Iterator[PlannedRequest]:
    path = operation.operation.path
    if operation.is_submission:
        models = contract.catalog.models.values()
        model = next((one for one in models if one.operation_id == operation.id), None)
        if model is None:
            return
        body = json.dumps(cheapest(model)).encode()
        accepted = Expectation(Expected.ACCEPT)
        for key in (NONE, WRONG):
            yield PlannedRequest(f"with {key} key", operation, path, body, key, accepted)
        broken = Expectation(Expected.REJECT, NO_JSON)
        yield PlannedRequest("no JSON", operation, path, b"{", expectation=broken)
        return
    prefix, _, rest = path.partition("{")
    suffix = rest.partition("}")[2]
    for name, key in (("no", NONE), ("a wrong", WRONG)):
        unknown = f"{prefix}task-unified-1756817821-nosuchid{suffix}"
        yield PlannedRequest(f"with {name} key", operation, unknown, key=key)
    for name, task in (("an unknown id", "task-unified-1756817821-nosuchid"), ("no id", "none")):
        yield PlannedRequest(name, operation, f"{prefix}{task}{suffix}")
