"""Which model to suggest in place of an unknown one: one that does the same with the request."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wanflow.catalog.catalog import Model
    from wanflow.catalog.document import JsonObject

_NEARLY_EQUAL = 0.9
_MAX_NAME = 100


def suggested_model(models: Mapping[str, Model], name: str, body: JsonObject) -> str:
    """Return the name of the model that an unknown name most probably means.

    That is a model whose name is almost the same. If there is none, it is the model that the
    parameters fit best, and of equal ones that with the most similar name.
    """
    wanted = name[:_MAX_NAME].casefold()

    def likeness(model: Model) -> tuple[float, int, float]:
        similar = SequenceMatcher(None, wanted, model.name.casefold()).ratio()
        misfits = len((set(model.required) ^ body.keys()) - _optional(model, body))
        return similar if similar >= _NEARLY_EQUAL else 0.0, -misfits, similar

    return max(models.values(), key=likeness).name


def _optional(model: Model, body: JsonObject) -> set[str]:
    """Return the parameters of a request that the model knows but doesn't require, and `model`."""
    return {"model", *(model.parameters.keys() & body.keys() - set(model.required))}
