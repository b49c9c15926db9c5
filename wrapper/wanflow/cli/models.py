"""`wanflow models`: list the models, or show the parameters of one."""

from __future__ import annotations

import json
import shlex
import sys
from shutil import get_terminal_size
from textwrap import fill
from typing import TYPE_CHECKING, Any

import click

from wanflow._core.model_lookup import find_model
from wanflow.catalog.catalog import packaged_catalog
from wanflow.catalog.deprecation import deprecation_of
from wanflow.cli.json_output import emit
from wanflow.cli.model_options import parameters_of
from wanflow.cli.options import json_option
from wanflow.cli.run import display_name
from wanflow.cli.text import one_line, strike_through
from wanflow.cli.values import ParsedValue

if TYPE_CHECKING:
    from wanflow.catalog.catalog import Catalog, Model
    from wanflow.cli.model_options import Parameter


_MIN_COLUMN_WIDTH = 20


def _model_names() -> list[str]:
    return list(packaged_catalog().models)


@click.command(
    params=[
        click.Argument(
            ["model"], required=False, metavar="[MODEL]", type=ParsedValue(choices=_model_names)
        ),
        json_option(),
    ]
)
def models(model: str | None, as_json: bool) -> None:
    """List the models, or show one in detail."""
    catalog = packaged_catalog()
    chosen = list(catalog.models.values()) if model is None else [find_model(catalog, model)]
    if as_json:
        for one in chosen:
            emit("model", **_model_as_dict(one))
    elif model is None:
        _print_table(chosen)
    else:
        _print_details(catalog, chosen[0])


def _model_as_dict(model: Model) -> dict[str, Any]:
    return {
        "model": model.name,
        "kind": model.kind,
        "path": model.path,
        "summary": model.summary,
        "deprecated": None if model.deprecation is None else model.deprecation.describe(model.name),
        "required": list(model.required),
        "parameters": model.parameters,
        "example": model.example,
    }


def _print_table(models: list[Model]) -> None:
    width = max(len(click.unstyle(display_name(model))) for model in models)
    for model in models:
        name = display_name(model)
        space = " " * (width - len(click.unstyle(name)))
        head = f"{name}{space}  {model.kind}  "
        click.echo(
            _wrapped(head, " ".join(_display_parameter(model, one) for one in model.parameters))
        )
    click.echo(
        "\n[Brackets] mark optional parameters; see wanflow models MODEL for details.", err=True
    )


def _display_parameter(model: Model, name: str) -> str:
    shown = one_line(name if name in model.required else f"[{name}]")
    return shown if deprecation_of(model.parameters[name]) is None else strike_through(shown)


def _wrapped(head: str, words: str) -> str:
    """Wrap a line to the terminal's width; don't wrap if stdout isn't a terminal."""
    if not sys.stdout.isatty():
        return head + words
    indent = " " * len(click.unstyle(head))
    width = (
        max(get_terminal_size().columns, len(indent) + _MIN_COLUMN_WIDTH) + len(head) - len(indent)
    )
    return fill(
        words,
        width,
        initial_indent=head,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _display_option(parameter: Parameter) -> str:
    shown = one_line(f"{parameter.name}  {parameter.metavar}")
    return strike_through(shown) if parameter.deprecated else shown


def _print_details(catalog: Catalog, model: Model) -> None:
    formatter = click.HelpFormatter(max_width=100)
    formatter.write_text(f"{display_name(model)} ({model.kind}): {one_line(model.summary)}")
    if model.deprecation is not None:
        formatter.write_text(one_line(model.deprecation.describe("This model")))
    with formatter.section("Parameters"):
        formatter.write_dl(
            [
                (_display_option(parameter), parameter.help)
                for parameter in parameters_of(catalog.document, model)
            ]
        )
    click.echo(formatter.getvalue())
    if model.example:
        body = shlex.quote(json.dumps(model.example, ensure_ascii=False))
        click.echo(one_line(f"echo {body} | wanflow run --request - -o out/"))
