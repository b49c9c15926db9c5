"""`wanflow models`: what there is, and what each model takes."""

from __future__ import annotations

import json
import shlex
import sys
from shutil import get_terminal_size
from textwrap import fill
from typing import TYPE_CHECKING, Any

import click

from wanflow._core.discriminate import find_model
from wanflow.cli.options import json_option
from wanflow.cli.parameters import parameters_of
from wanflow.cli.prose import one_line
from wanflow.cli.words import Words
from wanflow.spec.catalog import packaged_catalog

if TYPE_CHECKING:
    from wanflow.spec.catalog import Catalog, Model


_NARROWEST = 20


def _names() -> list[str]:
    return list(packaged_catalog().models)


@click.command(
    params=[
        click.Argument(["model"], required=False, metavar="[MODEL]", type=Words(choices=_names)),
        json_option(),
    ]
)
def models(model: str | None, as_json: bool) -> None:
    """List the models, or tell all about one."""
    catalog = packaged_catalog()
    chosen = list(catalog.models.values()) if model is None else [find_model(catalog, model)]
    if as_json:
        for one in chosen:
            click.echo(json.dumps(_facts(one)))
    elif model is None:
        _table(chosen)
    else:
        _details(catalog, chosen[0])


def _facts(model: Model) -> dict[str, Any]:
    return {
        "model": model.name,
        "kind": model.kind,
        "path": model.path,
        "summary": model.summary,
        "required": list(model.required),
        "parameters": model.parameters,
        "example": model.example,
    }


def _table(models: list[Model]) -> None:
    width = max(len(one_line(model.name)) for model in models)
    for model in models:
        names = [name if name in model.required else f"[{name}]" for name in model.parameters]
        head = f"{one_line(model.name):<{width}}  {model.kind}  "
        click.echo(_hung(head, one_line(" ".join(names))))
    click.echo("\nWhat is in brackets may be left out; wanflow models MODEL tells more.", err=True)


def _hung(head: str, words: str) -> str:
    """Break a line between words where a terminal ends, for a person; a pipe gets it whole."""
    if not sys.stdout.isatty():
        return head + words
    width = max(get_terminal_size().columns, len(head) + _NARROWEST)
    return fill(
        words,
        width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _details(catalog: Catalog, model: Model) -> None:
    formatter = click.HelpFormatter(max_width=100)
    formatter.write_text(one_line(f"{model.name} ({model.kind}): {model.summary}"))
    with formatter.section("Parameters"):
        formatter.write_dl(
            [
                (one_line(f"{parameter.name}  {parameter.metavar}"), parameter.help)
                for parameter in parameters_of(catalog.document, model)
            ]
        )
    click.echo(formatter.getvalue())
    if model.example:
        body = shlex.quote(json.dumps(model.example, ensure_ascii=False))
        click.echo(one_line(f"echo {body} | wanflow run --request - -o out/"))
