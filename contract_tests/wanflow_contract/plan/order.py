"""The order of a run with a spend limit: what costs nothing, then one life a model, then the rest.

A test declares its cost with `@pytest.mark.costs(tasks, stage=...)`; without it, a test of the
server submits one task. A test with a `probe` costs what the documents say of its request.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from wanflow_contract.checks.boundaries import Probe, cheapest
from wanflow_contract.checks.documented_responses import packaged_contract
from wanflow_contract.checks.expectation import Expectation, Expected, packaged_oracle
from wanflow_contract.plan.combined import CombinedProbe, price_of
from wanflow_contract.plan.prices import documented

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pytest

    from wanflow.catalog.catalog import Model

_TARGETS = frozenset({"target", "callback_target", "calling_target", "end_to_end_runs"})


class Stage(IntEnum):
    """When a test runs."""

    FREE = 0
    """Every request must be rejected, or queries an unknown task: it costs nothing."""
    GENERATED = 1
    """The same with generated requests."""
    LIFE = 2
    """One task of each model, from its submission to its files."""
    SEVERAL = 3
    """A task of two results, where a model is charged by their number."""
    SHARED = 4
    """It uses a task that is already there."""
    LIMITS = 5
    """Valid requests that are at many limits together."""
    PRICES = 6
    """Valid requests that differ in what the documents name a price of."""
    PAID = 7
    """The rest, except for"""
    PAIRS = 8
    """valid requests that have each pair of limits, and"""
    SINGLE = 9
    """valid requests that test one value each."""
    AGAIN = 10
    """All tasks that the others paid for, to their files: it costs nothing more."""


@frozen
class Step:
    """A test in the order of a run: its stage, its cost by the documents, and what it varies.

    `values` are its parameters, or the rules that its request violates or satisfies.
    """

    item: pytest.Item = field(repr=False)
    function: str
    stage: Stage
    tasks: int
    credits: float
    values: frozenset[object]
    probe: Probe | None = None
    model: Model | None = None


def ordered(steps: Sequence[Step]) -> list[Step]:
    """Return tests in the order in which they find most for the credits.

    Of each test function, the cases that vary something new come before others. Within a round,
    the cheapest come first.
    """
    return sorted(steps, key=_key(rounds(steps)))


def _key(turn: dict[int, int]) -> Any:
    def key(step: Step) -> tuple[object, ...]:
        probing = step.probe is not None
        match step.stage:
            case Stage.FREE:
                return step.stage, probing, turn[id(step)], step.credits
            case Stage.LIFE:
                price = price_of(step.model) if step.model is not None else (0.0, 0.0)
                return step.stage, *price, step.model.name if step.model else "", -step.tasks
            case _:
                return step.stage, turn[id(step)], step.credits

    return key


def rounds(steps: Iterable[Step]) -> dict[int, int]:
    """Return in which round each test runs, by its identity.

    A round of a function has every value once that is left; in the first of them, no test repeats
    one of another test if it can be avoided.
    """
    by_function = defaultdict[tuple[str, Stage], list[Step]](list)
    for step in steps:
        by_function[step.function, step.stage].append(step)
    turns = dict[int, int]()
    for some in by_function.values():
        left, number = sorted(some, key=_price_in_rounds), 0
        while left:
            for step in _round(left):
                turns[id(step)] = number
            left = [step for step in left if id(step) not in turns]
            number += 1
    return turns


def _price_in_rounds(step: Step) -> float:
    """Return what orders the tests of a function: requests at limits have an order of their own."""
    return 0.0 if step.stage is Stage.LIMITS else step.credits


def _round(left: Sequence[Step]) -> list[Step]:
    """Return tests that have all values of the others between them, each as rarely as possible."""
    seen, chosen = set[object](), dict[int, Step]()
    for wanted in (_all_new, _some_new):
        for step in left:
            if id(step) not in chosen and wanted(step, seen):
                chosen[id(step)] = step
                seen |= step.values
    return list(chosen.values()) or list(left)


def _all_new(step: Step, seen: set[object]) -> bool:
    return not step.values & seen


def _some_new(step: Step, seen: set[object]) -> bool:
    return bool(step.values - seen)


def step_of(item: pytest.Item) -> Step:
    """Return a test with its stage and its cost by the documents."""
    params: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    function = f"{item.path.stem}.{getattr(item, 'originalname', item.name)}"
    probe, model = params.get("probe"), _model_of(params)
    if isinstance(probe, Probe) and model is not None:
        return _step_of_probe(item, function, probe, model)
    tasks, stage = _declared(item)
    body = cheapest(model or cheapest_model())
    values = frozenset((name, repr(value)) for name, value in params.items())
    return Step(item, function, stage, tasks, tasks * documented(body), values, None, model)


def _step_of_probe(item: pytest.Item, function: str, probe: Probe, model: Model) -> Step:
    expectation = packaged_oracle().expectation(model.operation_id, probe.body)
    if expectation.expected is Expected.REJECT:
        rules = rules_violated(model, probe, expectation)
        cost, stage = documented(probe.body), Stage.FREE  # it orders them: mild ones first
        return Step(item, function, stage, 0, cost, rules, probe, model)
    stage, values = Stage.SINGLE, frozenset[object]({(model.name, probe.field)})
    if isinstance(probe, CombinedProbe):
        paid = Stage.PAIRS if probe.for_pairs else Stage.PAID
        stage = Stage.LIMITS if probe.at_limits else paid
        values = frozenset({model.name})
    return Step(item, function, stage, 1, documented(probe.body), values, probe, model)


def rules_violated(model: Model, probe: Probe, expectation: Expectation) -> frozenset[object]:
    """Return which rules a request violates, as model, field and keyword."""
    found = expectation.violated or {(probe.field, "unknown")}
    return frozenset((model.name, *one) for one in found)


def _declared(item: pytest.Item) -> tuple[int, Stage]:
    mark = item.get_closest_marker("costs")
    if mark is not None:
        (tasks,) = mark.args
        default = Stage.PAID if tasks else Stage.FREE
        return tasks, mark.kwargs.get("stage", default)
    uses = bool(_TARGETS & set(getattr(item, "fixturenames", ())))
    return (1, Stage.PAID) if uses else (0, Stage.FREE)


@cache
def cheapest_model() -> Model:
    """Return the model whose cheapest request costs least."""
    return min(packaged_contract().catalog.models.values(), key=price_of)


def _model_of(params: dict[str, Any]) -> Model | None:
    models = packaged_contract().catalog.models
    for value in params.values():
        name = getattr(value, "name", value)
        if isinstance(name, str) and name in models:
            return models[name]
    operation = params.get("operation_id")
    return next((one for one in models.values() if one.operation_id == operation), None)


def left_out(steps: Sequence[Step], limit: float, most: float) -> tuple[list[Step], Counter[str]]:
    """Return the tests that a limit probably pays for, and how many of each function it doesn't.

    Args:
        steps: the tests in their order.
        limit: the credits that may be spent.
        most: the tasks that may be submitted.
    """
    spent, tasks, planned, rest = 0.0, 0, list[Step](), Counter[str]()
    for step in steps:
        cost = step.credits if step.tasks else 0.0
        if spent + cost > limit or tasks + step.tasks > most:
            rest[step.function] += 1
            continue
        spent, tasks = spent + cost, tasks + step.tasks
        planned.append(step)
    return planned, rest
