"""Write the module that tells a type checker which parameters each model has.

It goes into the generated package beside what the generator makes. Its protocols are the
signatures of `submit` and `run`, one overload for each model, generic over what the sync and the
async client return; whoever has such a method declares it with one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wanflow.spec.annotations import Annotations
from wanflow.spec.document import resolve
from wanflow.spec.places import operations_of, reference_name
from wanflow.spec.python_names import class_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wanflow.spec.document import Json

FILE_NAME = "parameters.py"
# What `submit` and `run` take beside a model's own parameters, in the order of their signatures.
SUBMIT_OPTIONS = {
    "extra": "Mapping[str, Any] | None",
    "validate": "bool",
    "idempotency_key": "str | None",
    "resubmit_uncertain": "bool",
}
RUN_OPTIONS = {
    "out": "str | PathLike[str] | None",
    "timeout": "float",
    "on_update": "WatcherT",
    **SUBMIT_OPTIONS,
}
OWN_NAMES = frozenset({*RUN_OPTIONS, "request", "self"})
"""The names that `submit` and `run` have for themselves, so that no keyword sets a parameter."""

_HEADER = '''\
"""The parameters of each model, for type checkers and editors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike
from typing import Any, Literal, Protocol, Required, TypeAlias, TypedDict, TypeVar, Unpack, overload

from . import models

ItemT_co = TypeVar("ItemT_co", covariant=True)

MadeT_co = TypeVar("MadeT_co", covariant=True)
WatcherT = TypeVar("WatcherT", contravariant=True)


class Several(Protocol[ItemT_co]):
    """A list, a tuple or the like, and not one text, whose items are texts too."""

    def __contains__(self, value: object, /) -> bool: ...

    def __getitem__(self, index: int, /) -> ItemT_co: ...

    def __iter__(self) -> Iterator[ItemT_co]: ...

    def __len__(self) -> int: ...
'''


def _literal(models: list[str]) -> str:
    """Write the type of a model's name; any text where there is no model yet."""
    return f"Literal[{', '.join(map(repr, models))}]" if models else "str"


def _union(classes: Iterable[str]) -> str:
    return " | ".join(classes) or "Any"


def parameters_module(document: Json) -> str:
    """Write the module for a finished document."""
    annotations = Annotations(document)
    variants = _variants(document)
    taken = {*OWN_NAMES, "model"}
    classes: dict[str, str] = {}
    for name in variants:
        schema = resolve(document, {"$ref": f"#/components/schemas/{name}"})
        classes[name] = annotations.typed_dict(_class_of(name), schema, taken)
    models = sorted(model for names in variants.values() for model in names)
    parts = [
        _HEADER,
        f"ModelName: TypeAlias = {_literal(models)}\n",
        f"Request: TypeAlias = {_union(f'models.{class_name(name)}' for name in variants)}\n",
        *annotations.classes.values(),
        _protocol(
            "Submit", "MadeT_co", "Submit a request, and return its task.", variants, classes
        ),
        _protocol(
            "Run", "MadeT_co, WatcherT", "Run a request, and return its result.", variants, classes
        ),
    ]
    return "\n\n".join(parts)


def _variants(document: Json) -> dict[str, list[str]]:
    """Return the models of each request class, sorted by its name."""
    found: dict[str, list[str]] = {}
    for _, _, node in operations_of(document):
        for media in node.get("requestBody", {}).get("content", {}).values():
            schema = resolve(document, media["schema"])
            mapping = schema.get("discriminator", {}).get("mapping", {})
            for model, reference in mapping.items():
                found.setdefault(reference_name({"$ref": reference}), []).append(model)
    return {name: sorted(found[name]) for name in sorted(found)}


def _class_of(request: str) -> str:
    return f"{request.removesuffix('Request')}Parameters"


def _protocol(
    name: str,
    generics: str,
    text: str,
    variants: dict[str, list[str]],
    classes: dict[str, str],
) -> str:
    options = RUN_OPTIONS if name == "Run" else SUBMIT_OPTIONS
    shared = ", ".join(f"{option}: {kind} = ..." for option, kind in options.items())
    whole = "request: Request | Mapping[str, Any], /, *"
    lines = [f"class {name}(Protocol[{generics}]):", f'    """{text}"""', ""]
    lines += _overload(whole, shared, "")
    for request, models in variants.items():
        model = f"*, model: Literal[{', '.join(map(repr, models))}]"
        lines += _overload(model, shared, f", **parameters: Unpack[{classes[request]}]")
    return "\n".join(lines) + "\n"


def _overload(first: str, shared: str, last: str) -> list[str]:
    return [
        "    @overload",
        f"    def __call__(self, {first}, {shared}{last}) -> MadeT_co: ...",
        "",
    ]
