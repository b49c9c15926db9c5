"""`wanflow contract explain` and `replay`: work with what a run found."""

from __future__ import annotations

from pathlib import Path

import click

from wanflow_contract.triage.explain import UnknownName, explain_name

_report_option = click.option(
    "--report",
    type=click.Path(path_type=Path),
    default=Path("contract-report"),
    show_default=True,
    help="The report folder of the run, or its report.json.",
)


@click.command()
@click.argument("name")
@_report_option
def explain(name: str, report: Path) -> None:
    """Explain a check, or a finding of a report, by its id.

    Prints the check, the sentence of the documents, why it matters, and what a correct server does.
    """
    try:
        click.echo(explain_name(name, report))
    except UnknownName as error:
        raise click.UsageError(str(error)) from error
