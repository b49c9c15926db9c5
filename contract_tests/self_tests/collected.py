"""Collected tests, without a run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from wanflow_contract.plan.order import Step, ordered, step_of


def item_of(function: str, costs: tuple[Any, ...] | None = None, **params: Any) -> Any:
    """Return what stands for a collected test."""
    mark = None if costs is None else SimpleNamespace(args=costs[:1], kwargs=dict(costs[1:]))
    return SimpleNamespace(
        path=Path(f"test_{function}.py"),
        name=function,
        originalname=function,
        callspec=SimpleNamespace(params=params),
        fixturenames=("target",),
        get_closest_marker=lambda _name: mark,
    )


def steps_of(*items: Any) -> list[Step]:
    return ordered([step_of(item) for item in items])
