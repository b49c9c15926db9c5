"""Generate the signatures of calls with a request, as mypy and other type checkers take them."""

from __future__ import annotations

import re
from collections import Counter
from textwrap import indent
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from wanflow.spec.generate.typed_parameters import is_field, union_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# The options of each method besides the model's parameters, in signature order. Those of `preview`
# are those of `submit`.
ESTIMATE_OPTIONS = {
    "extra": "Mapping[str, Any] | None",
    "validate": "bool",
}
SUBMIT_OPTIONS = {
    **ESTIMATE_OPTIONS,
    "idempotency_key": "str | None",
    "resubmit_uncertain": "bool",
    "max_credits": "float | None",
    "name": "str | None",
}
RUN_OPTIONS = {
    "output_dir": "str | PathLike[str] | None",
    "timeout": "float",
    "on_update": "OnUpdateT | None",
    **SUBMIT_OPTIONS,
}
_FOR_MYPY = '''
class Other(Protocol[ItemT_co]):
    """With Never: a type that no value has, but that mypy takes for similar to each."""

    def __repr__(self) -> ItemT_co: ...


class NotAParameter(Protocol[ItemT_co]):
    """No model has a parameter of this name."""

    def __repr__(self) -> ItemT_co: ...


class ModelWithTheseParametersAndValues(Protocol[ItemT_co]):
    """The model has no such parameter or value, or requires one more."""

    def __repr__(self) -> ItemT_co: ...


class WithoutAModel(Protocol[ItemT_co]):
    """The argument `model` is missing."""

    def __repr__(self) -> ItemT_co: ...


'''
_FOR_OTHERS = '''
class NotAParameter:
    """The model has no parameter of this name."""


class Missing:
    """The model requires this parameter."""


MISSING = Missing()
'''


def signatures(requests: list[Request]) -> str:
    """Return the source of the protocols Submit, Run and EstimateCost."""
    variables = _TypeVariables()
    mypy = [protocol.for_mypy(requests) for protocol in _PROTOCOLS]
    others = [protocol.for_others(requests, variables) for protocol in _PROTOCOLS]
    return "\n\n".join(
        [
            f"if MYPY:\n{_block(_FOR_MYPY, *mypy)}",
            f"else:\n{_block(_FOR_OTHERS, variables.source, *others)}",
        ]
    )


def _block(*parts: str) -> str:
    return indent("\n".join(parts), "    ")


@frozen
class Request:
    """A request class: its models, its TypedDict, and the annotation of each key of that."""

    models: list[str]
    typed_dict: str
    fields: dict[str, str]
    typed_dicts: Collection[str]

    @property
    def required(self) -> dict[str, str]:
        """The types of the parameters that the request must have, by name."""
        return {
            name: kind.removeprefix("Required[").removesuffix("]")
            for name, kind in self.fields.items()
            if kind.startswith("Required[")
        }

    @property
    def types(self) -> dict[str, str]:
        """The types of the parameters that can be written as keywords, by name."""
        return {
            name: kind for name, kind in (self.fields | self.required).items() if is_field(name)
        }

    @property
    def objects(self) -> list[str]:
        """The names of the parameters that are objects or lists, or may be."""
        of_objects = {"dict", "list", *self.typed_dicts}
        words = {name: re.findall(r"\w+", kind) for name, kind in self.types.items()}
        return [name for name, found in words.items() if of_objects.intersection(found)]

    @property
    def exact(self) -> list[set[str]]:
        """Which parameters have their own type, for each overload that explains an error.

        A dict or list is of a type only where this type is expected. So one overload explains
        errors of the other parameters, and one each those of such a parameter.
        """
        objects = self.objects
        return [set(objects), *(set(objects) - {name} for name in objects)]

    def default(self, name: str, exact: set[str]) -> str:
        """Return the default of a parameter in an overload that explains an error.

        A default is checked in a call only if the parameter's type is a type variable. An object
        has one where its own errors are explained, so it must be given there.
        """
        required = name in self.required
        if required and name not in exact:
            return " = MISSING"
        return "" if required or name in {*self.objects} - exact else " = ..."

    @property
    def can_be_written(self) -> bool:
        """Whether every parameter can be written as a keyword."""
        return self.types.keys() == self.fields.keys()

    @property
    def model(self) -> str:
        """The parameter `model`."""
        return f"*, model: {model_literal(self.models)}"

    def unpacked(self, options: str) -> list[str]:
        """Return the signature of a call by the TypedDict."""
        return [self.model, options, f"**parameters: Unpack[{self.typed_dict}]"]

    def written(self, options: str) -> list[str]:
        """Return the signature of a call with each parameter: editors complete their values."""
        if not self.can_be_written:
            return self.unpacked(options)
        required = self.required
        parameters = [
            f"{name}: {kind}" if name in required else f"{name}: {kind} = ..."
            for name, kind in self.types.items()
        ]
        return [self.model, *parameters, options]


@define
class _TypeVariables:
    """Type variables that stand for types, with the type as their name.

    Of a value that is no member of a union, pyright prints a line for each member; of a value that
    is none of the types of a type variable one line, with the name of the variable.
    """

    variables: dict[tuple[str, str], str] = field(factory=dict[tuple[str, str], str])

    def of(self, kind: str, name: str) -> str:
        """Return the variable for a type, under a name."""
        return self.variables.setdefault((name, kind), f"T{len(self.variables) + 1}")

    def of_each(self, kinds: Mapping[str, str]) -> dict[str, str]:
        """Return another variable for each of the parameters of a signature, given their types."""
        counted: Counter[str] = Counter()
        found: dict[str, str] = {}
        for name, kind in kinds.items():
            # Variables of one name are one variable; a space is no difference to readers.
            found[name] = self.of(kind, kind + " " * counted[kind])
            counted[kind] += 1
        return found

    @property
    def source(self) -> str:
        """The definitions; the types are strings, since they may name a class that comes later."""
        return "".join(
            f"{variable} = TypeVar({name!r}, {kind!r}, Never)  # pyright: ignore\n"
            for (name, kind), variable in self.variables.items()
        )


@frozen
class _Protocol:
    """A callback protocol: an overload for a whole request, and one for each request class.

    If no overload matches, a type checker may print all of them, or all members of a union. So
    there are further overloads that accept nothing more, which it chooses to explain an error.
    """

    name: str
    generics: str
    text: str
    options: dict[str, str]

    def for_mypy(self, requests: list[Request]) -> str:
        """Return the source for mypy.

        It explains the first overload that matches without type arguments, where no literal
        matches, and prints all overloads if there is none. So these know no model.
        """
        kinds: dict[str, list[str]] = {}
        for request in requests:
            for name, kind in request.types.items():
                # mypy has much to say about why a value isn't of a protocol.
                kinds.setdefault(name, []).append(kind.replace("Several[", "Sequence["))
        kinds |= {name: [kind] for name, kind in self.options.items()}
        known = {name: union_of([*found, "Other[Never]", "None"]) for name, found in kinds.items()}
        model = "*, model: ModelWithTheseParametersAndValues[Never]"
        first = dict.fromkeys(next(iter(request.required), "") for request in requests)
        return self._source(
            [request.unpacked(_optional(self.options)) for request in requests],
            [
                [model, _optional(known), "**__others: NotAParameter[Never]"],
                [model, "**__others: object"],
                ["request: WithoutAModel[Never], /, **__others: object"],
                *(
                    [f"*, {name}: WithoutAModel[Never], **__others: object"]
                    for name in first
                    if is_field(name)
                ),
            ],
        )

    def for_others(self, requests: list[Request], variables: _TypeVariables) -> str:
        """Return the source for other type checkers.

        Of the overloads with the fewest wrong arguments, pyright explains the last.
        """
        return self._source(
            [request.written(_optional(self.options)) for request in requests],
            [
                self._explain(request, variables, exact)
                for request in requests
                if request.required.keys() <= request.types.keys()
                for exact in request.exact
            ],
        )

    def _explain(self, request: Request, variables: _TypeVariables, exact: set[str]) -> list[str]:
        """Return the parameters of an overload with type variables, but for `exact` ones."""
        model = variables.of(model_literal(request.models), "ModelName")
        # A variable can't stand for the variable of the class.
        own = {name: "OnUpdateT" for name, kind in self.options.items() if "OnUpdateT" in kind}
        own |= {name: request.types[name] for name in exact}
        given = request.types | self.options
        others = {name: kind for name, kind in given.items() if name not in own}
        kinds = variables.of_each(others) | own
        parameters = [
            f"{name}: {kinds[name]}{request.default(name, exact)}" for name in request.types
        ]
        options = _optional({name: kinds[name] for name in self.options})
        return [f"*, model: {model}", *parameters, options, "**__others: NotAParameter"]

    def _source(self, calls: list[list[str]], others: list[list[str]]) -> str:
        whole = ["request: Request | Mapping[str, Any], /, *", _optional(self.options)]
        lines = [f"class {self.name}(Protocol[{self.generics}]):", f'    """{self.text}"""', ""]
        for parameters in [whole, *calls, *others]:
            lines += [
                "    @overload",
                f"    def __call__(self, {', '.join(parameters)}) -> ResultT_co: ...",
                "",
            ]
        return "\n".join(lines)


_PROTOCOLS = (
    _Protocol("Submit", "ResultT_co", "Submit a request, or show it.", SUBMIT_OPTIONS),
    _Protocol("Run", "ResultT_co, OnUpdateT", "Run a request, and return its result.", RUN_OPTIONS),
    _Protocol("EstimateCost", "ResultT_co", "Estimate the cost of a request.", ESTIMATE_OPTIONS),
)


def _optional(parameters: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {kind} = ..." for name, kind in parameters.items())


def model_literal(models: list[str]) -> str:
    """Return the type of a model name; `str` if there is no model."""
    return f"Literal[{', '.join(map(repr, models))}]" if models else "str"
