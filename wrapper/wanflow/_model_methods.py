"""The methods of a client for one model, with its parameters in their signatures and help."""

from __future__ import annotations

import inspect
from functools import cached_property
from inspect import Parameter
from keyword import iskeyword
from os import PathLike
from textwrap import fill, indent
from typing import TYPE_CHECKING, Any, Literal, Self, Union

from wanflow._core.model_lookup import find_model
from wanflow.catalog.document import JsonObject, resolve_ref
from wanflow.catalog.keywords import AUDIO_FILE, IMAGE_FILE

if TYPE_CHECKING:
    from collections.abc import Callable

    from wanflow.catalog.catalog import Catalog, Model

_TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list[Any],
    "object": dict[str, Any],
    "null": None,
}
_FILE = str | PathLike[str] | bytes


class ModelMethods:
    """Methods of a client for one model: they take its parameters, and `help` describes these.

    The arguments, results and errors are those of the client's methods of the same names.
    """

    def __init__(self, client: Any, model: Model, document: JsonObject) -> None:
        self._client = client
        self._model = model
        self._document = document

    @classmethod
    def of(cls, client: Any, catalog: Catalog, name: str) -> Self:
        """Return the methods of a client for the model of this name.

        Raises:
            UnknownModel: the spec has none; the message names the nearest.
        """
        return cls(client, find_model(catalog, name), catalog.document)

    @property
    def name(self) -> str:
        """The name of the model."""
        return self._model.name

    @cached_property
    def submit(self) -> Callable[..., Any]:
        """Submit a request, and return its task."""
        return self._bind("submit")

    @cached_property
    def run(self) -> Callable[..., Any]:
        """Submit and wait, and with `output_dir` download."""
        return self._bind("run")

    @cached_property
    def preview(self) -> Callable[..., Any]:
        """Return the HTTP request that `submit` would send. Nothing is sent."""
        return self._bind("preview")

    @cached_property
    def estimate(self) -> Callable[..., Any]:
        """Estimate what a request will cost. Nothing is sent."""
        return self._bind("estimate")

    def _bind(self, method_name: str) -> Callable[..., Any]:
        method = getattr(self._client, method_name)

        def call(**arguments: Any) -> Any:
            return method(model=self.name, **arguments)

        signature = inspect.signature(method)
        options = [
            option
            for option in signature.parameters.values()
            if option.kind is Parameter.KEYWORD_ONLY and option.name != "model"
        ]
        rules = _rules(self._model, self._document, {option.name for option in options})
        parameters = [_parameter(name, rule, self._model) for name, rule in rules.items()]
        # Those without a default, which are required, come first.
        parameters.sort(key=lambda one: one.default is not Parameter.empty)
        call.__signature__ = signature.replace(parameters=[*parameters, *options])  # type: ignore[attr-defined]
        call.__name__ = call.__qualname__ = method_name
        call.__doc__ = _documentation(self._model, rules, inspect.getdoc(method) or "")
        return call

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


def _rules(model: Model, document: JsonObject, taken: set[str]) -> dict[str, JsonObject]:
    """Return the schemas of the parameters that can be written as keywords."""
    return {
        name: resolve_ref(document, rule)
        for name, rule in model.parameters.items()
        if name.isidentifier() and not iskeyword(name) and name not in taken
    }


def _parameter(name: str, rule: JsonObject, model: Model) -> Parameter:
    annotation = _annotation(rule)
    if name in model.required:
        return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation)
    default = rule.get("default")
    annotation = annotation if default is not None else _union([annotation, None])
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _annotation(rule: JsonObject) -> Any:
    """Return the type of a parameter; a `Literal` if the spec lists its values."""
    values = [rule["const"]] if "const" in rule else rule.get("enum", [])
    if values and all(isinstance(value, str | int | float | None) for value in values):
        return Literal[tuple(values)]
    is_file = rule.keys() & {IMAGE_FILE, AUDIO_FILE}
    kinds = rule.get("type", ())
    named = [kinds] if isinstance(kinds, str) else kinds
    found = [_TYPES[kind] for kind in named if kind in _TYPES]
    if is_file:
        found = [list[_FILE] if "array" in named else _FILE]
    return _union(found) if found else Any


def _union(kinds: list[Any]) -> Any:
    return Union[tuple(kinds)]  # noqa: UP007 - of a list


def _documentation(model: Model, rules: dict[str, JsonObject], text: str) -> str:
    """Return the model's summary, its parameters as the spec describes them, and the method's."""
    described = [_description(name, rule, model) for name, rule in rules.items()]
    head = f"{model.name}: {model.summary}" if model.summary else model.name
    return "\n\n".join([head, "Parameters of the model:", *described, "Of any model:", text])


def _description(name: str, rule: JsonObject, model: Model) -> str:
    facts = ["required" if name in model.required else "optional"]
    facts += [inspect.formatannotation(_annotation(rule)).removeprefix("typing.")]
    if "default" in rule:
        facts.append(f"default {rule['default']!r}")
    lines = [line for line in str(rule.get("description", "")).splitlines() if line.strip()]
    wrapped = "\n".join(fill(line, 84, subsequent_indent="  ") for line in lines)
    return indent(f"{name} ({', '.join(facts)})\n{indent(wrapped, '    ')}", "    ")
