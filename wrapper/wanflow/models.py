"""The generated request classes, one for each schema: `wanflow.models.NAME(…)` goes to `submit`."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    return getattr(import_module("wanflow_client.models"), name)


def __dir__() -> list[str]:
    names: list[str] = import_module("wanflow_client.models").__all__
    return sorted(names)
