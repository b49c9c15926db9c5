"""The same seed gives the same generated requests, and another one gives others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, core, given, settings

from wanflow_contract.support.cases import make_schema

if TYPE_CHECKING:
    import pytest

CHOSEN = settings(
    max_examples=5,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def generated(monkeypatch: pytest.MonkeyPatch, seed: int) -> list[str]:
    """Return the paths and bodies that a run with a seed generates for an operation."""
    monkeypatch.setattr(core, "global_force_seed", seed)
    schema, drawn = make_schema(), list[str]()
    (operation, *_) = [found.ok() for found in schema.get_all_operations()]

    @CHOSEN
    @given(operation.as_strategy())
    def draw(case: object) -> None:
        drawn.append(repr(case))

    draw()
    return [str(schema.config.seed), *drawn]


def test_a_seed_decides_what_is_generated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Schemathesis' own seed would make each run different."""
    first = generated(monkeypatch, 5)
    assert len(first) > 1
    assert generated(monkeypatch, 5) == first
    assert generated(monkeypatch, 6) != first
