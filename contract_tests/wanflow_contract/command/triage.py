"""`wanflow contract explain` and `replay`: work with what a run found."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from wanflow.cli.text import counted
from wanflow_contract.command.environment import api_keys
from wanflow_contract.findings.finding import printable
from wanflow_contract.plan.budget import UNLIMITED, SpendBudget
from wanflow_contract.report.result import ExitCode
from wanflow_contract.support.target_options import check_access, mock_controls
from wanflow_contract.support.unavailable import TargetUnavailable, check_keys
from wanflow_contract.triage.explain import UnknownName, explain_name, list_checks
from wanflow_contract.triage.replay import NotReplayed, Replay
from wanflow_contract.triage.report_file import ReportUnusable, find_finding, load_report

_report_option = click.option(
    "--report",
    type=click.Path(path_type=Path),
    default=Path("contract-report"),
    show_default=True,
    help="The report folder of the run, or its report.json.",
)


@click.command()
@click.argument("name", required=False)
@_report_option
@click.pass_context
def explain(ctx: click.Context, name: str | None, report: Path) -> None:
    """Explain a check, or a finding of a report, by its id; without NAME, list all checks.

    Prints the check, the sentence of the documents, why it matters, and what a correct server does.
    """
    given = ctx.get_parameter_source("report") is not ParameterSource.DEFAULT
    try:
        click.echo(list_checks() if name is None else explain_name(name, report, required=given))
    except (UnknownName, ReportUnusable) as error:
        raise click.UsageError(str(error)) from error


@click.command()
@click.argument("finding")
@_report_option
@click.option("--base-url", metavar="URL", help="Another server; by default that of the report.")
@click.option("--spend-limit", type=click.FloatRange(0), help="Credits that this may cost.")
@click.option("--yes", is_flag=True, help="Send the requests whatever they may cost.")
@click.pass_context
def replay(
    ctx: click.Context,
    finding: str,
    report: Path,
    base_url: str | None,
    spend_limit: float | None,
    yes: bool,
) -> None:
    """Send the requests of a FINDING of a report again, and say whether the failure occurs.

    Exits with 0 if it doesn't occur, and with 1 if it does. The API key is read from the
    environment, and is sent to the server of the report only, or to that of --base-url.
    """
    keys = api_keys()
    try:
        result = load_report(report)
        budget = SpendBudget(UNLIMITED if yes else spend_limit or 0.0)
        server = base_url or result.counters.base_url
        wanted = Replay(find_finding(result, finding), server, keys, budget)
        _check_cost(wanted.may_cost(), spend_limit, yes=yes)
        check_keys(*keys.values())
        mock_controls(wanted.base_url)
        check_access(wanted.base_url, *keys.values())
        last = wanted.run()
    except ReportUnusable as error:
        raise click.UsageError(str(error)) from error
    except (NotReplayed, TargetUnavailable) as error:
        click.echo(f"wanflow contract: {error}", err=True)
        ctx.exit(ExitCode.NOT_TESTED)
    occurs, sentence = wanted.verdict(last)
    click.echo(last.redacted(printable(f"{wanted.finding.id}: {sentence}")))
    click.echo(printable(last.format()))
    if budget.submissions:
        click.echo(f"{counted(budget.submissions, 'task')}, {budget.spent_here:g} credits spent")
    ctx.exit(ExitCode.FINDINGS if occurs else ExitCode.PASSED)


def _check_cost(credits_: float, limit: float | None, *, yes: bool) -> None:
    if credits_ and not yes and credits_ > (limit or 0):
        raise click.UsageError(
            f"these requests may cost {credits_:g} credits; "
            f"give --spend-limit {credits_:g}, or --yes"
        )
