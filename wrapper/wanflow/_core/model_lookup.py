"""Find the model that a request is for, and the parameters that it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wanflow.catalog.violation import Violation
from wanflow.errors import InvalidRequest, UnknownModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wanflow.catalog.catalog import Catalog, Model

EXTRA_HINT = " (extra={…} passes it all the same)"
"""What ends the sentence on a parameter that the documents don't know."""

_MAX_SHOWN = 60


def find_model(catalog: Catalog, name: object) -> Model:
    """Return the model of that name.

    Raises:
        InvalidRequest: no model was named.
        UnknownModel: the documents have none of that name; the message names the nearest.
    """
    if not isinstance(name, str) or not name:
        raise InvalidRequest(
            f"model is required: one of {', '.join(catalog.models)}",
            violations=(Violation("/model", "required", "model is required", name),),
        )
    found = catalog.models.get(name)
    if found is None:
        raise _unknown_model(name, catalog.models)
    return found


def unknown_parameters(catalog: Catalog, model: Model, names: Iterable[str]) -> list[Violation]:
    """List the parameters that the model doesn't take, each with who does take it."""
    return [
        Violation(
            f"/{name}",
            "additionalProperties",
            _unknown_parameter_message(catalog, model, name),
            None,
        )
        for name in names
        if name != "model" and name not in model.parameters
    ]


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known name that a name is most like, None where none is like it."""
    from difflib import get_close_matches  # noqa: PLC0415 - only for what is unknown

    return next(iter(get_close_matches(name, known, n=1, cutoff=cutoff)), None)


def _unknown_model(name: str, known: Mapping[str, Any]) -> UnknownModel:
    shown = name if len(name) <= _MAX_SHOWN else name[:_MAX_SHOWN] + "…"
    near = nearest(name, known, 0.5)
    hint = f"did you mean {near}? Otherwise, " if near else ""
    message = f"model {shown!r} is unknown; {hint}the models are {', '.join(known)}"
    return UnknownModel(message, violations=(Violation("/model", "enum", message, name),))


def _unknown_parameter_message(catalog: Catalog, model: Model, name: str) -> str:
    accepting_models = [other.name for other in catalog.models.values() if name in other.parameters]
    if accepting_models:
        return f"{name} is no parameter of {model.name}; {', '.join(accepting_models)} take it"
    near = nearest(name, model.parameters)
    hint = f"did you mean {near}?" if near else f"it takes {', '.join(model.parameters)}"
    return f"{name} is no parameter of {model.name}; {hint}{EXTRA_HINT}"
