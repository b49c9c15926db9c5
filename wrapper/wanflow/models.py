"""The generated request classes, one for each schema: `client.submit(wanflow.models.NAME(…))`."""

from __future__ import annotations

from typing import Any

from wanflow._flows.request_builder import generated


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    return getattr(generated("models"), name)


def __dir__() -> list[str]:
    names: list[str] = generated("models").__all__
    return sorted(names)
