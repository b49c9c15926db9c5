"""Generate the module of typed signatures: what `submit` and `run` take for each model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow.catalog.document import JsonObject, resolve_ref
from wanflow.spec.generate.call_signatures import (
    RUN_OPTIONS,
    Request,
    model_literal,
    signatures,
)
from wanflow.spec.generate.python_names import class_name
from wanflow.spec.generate.typed_parameters import TypeAnnotations
from wanflow.spec.schema.index import operations_of, reference_name

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE_NAME = "parameters.py"
RESERVED_PARAMETERS = frozenset({*RUN_OPTIONS, "request", "self"})
"""The names of the arguments of `submit` and `run`; a parameter can't have them as a keyword."""

_HEADER = '''\
"""The parameters of each model, for type checkers and editors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import (
    Any,
    Literal,
    Never,
    Protocol,
    Required,
    TypeAlias,
    TypedDict,
    TypeVar,
    Unpack,
    overload,
)

from . import models

# mypy takes this as true, the others as false. Each explains an error by other overloads: those
# after the first ones, which alone accept a call.
MYPY = False

ItemT_co = TypeVar("ItemT_co", covariant=True)

ResultT_co = TypeVar("ResultT_co", covariant=True)
OnUpdateT = TypeVar("OnUpdateT", contravariant=True)


class Several(Protocol[ItemT_co]):
    """A sequence such as a list or a tuple, but not a string, whose items are strings too."""

    def __contains__(self, value: object, /) -> bool: ...

    def __getitem__(self, index: int, /) -> ItemT_co: ...

    def __iter__(self) -> Iterator[ItemT_co]: ...

    def __len__(self) -> int: ...
'''


def parameters_module(document: JsonObject) -> str:
    """Return the source of the module for a published spec."""
    annotations = TypeAnnotations(document)
    variants = _variants(document)
    taken = {*RESERVED_PARAMETERS, "model"}
    requests: list[Request] = []
    for name, models in variants.items():
        schema = resolve_ref(document, {"$ref": f"#/components/schemas/{name}"})
        found = annotations.typed_dict(_class_of(name), schema, taken)
        requests.append(Request(models, found, annotations.fields[found], annotations.classes))
    models = sorted(model for names in variants.values() for model in names)
    parts = [
        _HEADER,
        f"ModelName: TypeAlias = {model_literal(models)}\n",
        f"Request: TypeAlias = {_class_union(f'models.{class_name(name)}' for name in variants)}\n",
        *annotations.classes.values(),
        signatures(requests),
    ]
    return "\n\n".join(parts)


def _class_union(classes: Iterable[str]) -> str:
    return " | ".join(classes) or "Any"


def _variants(document: JsonObject) -> dict[str, list[str]]:
    """Return the models of each request class, sorted by class name."""
    found: dict[str, list[str]] = {}
    for _, _, node in operations_of(document):
        for media in node.get("requestBody", {}).get("content", {}).values():
            schema = resolve_ref(document, media["schema"])
            mapping = schema.get("discriminator", {}).get("mapping", {})
            for model, reference in mapping.items():
                found.setdefault(reference_name({"$ref": reference}), []).append(model)
    return {name: sorted(found[name]) for name in sorted(found)}


def _class_of(request: str) -> str:
    return f"{request.removesuffix('Request')}Parameters"
