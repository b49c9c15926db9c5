"""The options of a model's command, and the request that they make."""

from __future__ import annotations

from itertools import chain, count
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from wanflow.cli.prose import struck
from wanflow.cli.values import types_of
from wanflow.cli.words import Words
from wanflow.spec.document import Json, is_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wanflow.cli.parameters import Parameter


@frozen
class Form:
    """The options of a model beside those that every model has, by the key of their values."""

    entries: Mapping[str, tuple[Parameter, click.Option]]

    @classmethod
    def of(cls, parameters: list[Parameter], taken: Iterable[str]) -> Form:
        """Make an option for each parameter, under a name that isn't `taken`.

        A name is taken by the command's own options, or where two parameters differ only in
        what an option's name can't show; the later one gets a prefix and a number then.
        """
        used = set(taken)
        entries: dict[str, tuple[Parameter, click.Option]] = {}
        for number, parameter in enumerate(parameters):
            flag = _free(parameter.flag, used)
            used.add(flag)
            key = f"parameter_{number}"
            entries[key] = (parameter, _option(key, flag, parameter))
        for parameter, option in entries.values():
            if parameter.singular is not None and parameter.singular not in used:
                option.opts.insert(0, parameter.singular)
                used.add(parameter.singular)
        return cls(entries)

    @property
    def options(self) -> list[click.Option]:
        """The options, in the parameters' order."""
        return [option for _, option in self.entries.values()]

    def body(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Make the request's fields of the options that were given."""
        body: dict[str, Any] = {}
        for key, (parameter, _) in self.entries.items():
            value = values.get(key)
            if value is None or value == ():
                continue
            if parameter.is_array:
                value = [entry for entries in value for entry in entries]
            _put(body, parameter.path, value)
        return body


class _Struck(click.Option):
    """An option of a deprecated parameter."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Strike its names through."""
        record = super().get_help_record(ctx)
        return None if record is None else (struck(record[0]), record[1])


def _option(key: str, flag: str, parameter: Parameter) -> click.Option:
    boolean = types_of(parameter.schema) == {"boolean"}
    optional: dict[str, Any] = {"is_flag": False, "flag_value": "true"} if boolean else {}
    return (_Struck if parameter.deprecated else click.Option)(
        [flag, key],
        type=Words(parameter.read, lambda: parameter.choices),
        multiple=parameter.is_array,
        metavar=parameter.metavar,
        help=parameter.help,
        **optional,
    )


def _free(flag: str, used: set[str]) -> str:
    stem = f"--parameter-{flag.removeprefix('--')}"
    names = chain([flag, stem], (f"{stem}-{number}" for number in count(2)))
    return next(name for name in names if name not in used)


def _put(body: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *parents, last = path
    node = body
    for parent in parents:
        inner = node.get(parent)
        if not is_object(inner):
            inner = node[parent] = Json()
        node = inner
    node[last] = value
