"""`wanflow drift`: compare a spec, the mock and a server."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from wanflow.catalog.catalog import Catalog
from wanflow.catalog.document import load_packaged
from wanflow.cli.json_output import emit
from wanflow.cli.mock_spec import read_spec
from wanflow.cli.text import counted
from wanflow.cli.values import ParsedValue
from wanflow.mock import MockServer
from wanflow_contract.checks.check import CheckFailed
from wanflow_contract.checks.documented_responses import Contract
from wanflow_contract.command.environment import api_keys
from wanflow_contract.command.exit_codes import ExitCode
from wanflow_contract.drift.compare import Drift
from wanflow_contract.drift.difference import Alone
from wanflow_contract.drift.requests import PlannedRequest
from wanflow_contract.drift.target import Target
from wanflow_contract.findings.finding import printable
from wanflow_contract.plan.budget import SpendBudget
from wanflow_contract.support.pace import RateLimited
from wanflow_contract.support.server_url import split_url
from wanflow_contract.support.unavailable import TargetUnavailable, check_keys, tls_context

if TYPE_CHECKING:
    from collections.abc import Collection

    from wanflow.catalog.document import JsonObject

MOCK_KEY = "wanflow-drift-mock-key"
"""The only key of the mock."""
_UNKNOWN_TASK = "task-unified-1756817821-nosuchid"


@click.command()
@click.argument("url")
@click.option(
    "--spend-limit",
    type=click.FloatRange(0),
    default=0.0,
    metavar="CREDITS",
    help="What may be spent in all; by default nothing. With it, one task of each kind is run.",
)
@click.option(
    "--spec",
    "document",
    type=ParsedValue(read_spec, paths="file"),
    metavar="FILE",
    help="Judge by this merged spec or document, instead of the installed spec.",
)
@click.option(
    "--task-timeout",
    type=click.FloatRange(1),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the end of a task.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    help="Only submissions for this model; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.pass_context
def drift(
    ctx: click.Context,
    url: str,
    spend_limit: float,
    document: JsonObject | None,
    task_timeout: float,
    models: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say where the spec, the mock and the server at URL disagree, and which one is alone.

    \b
      wanflow drift https://api.example/v1                    free requests only
      wanflow drift https://api.example/v1 --spend-limit 20   and a task of each kind

    Sends the same requests to the server and to a mock in this process, and judges both by the
    spec. Where both deviate from it in the same way, the spec is alone. The key is the one of
    WANFLOW_API_KEY.

    Exits with 0 without a difference, 1 with differences, 2 after wrong usage, 3 after an error of
    its own, and 4 if the server doesn't respond or the key isn't accepted.
    """
    contract = Contract(Catalog(document or load_packaged()))
    unknown = set(models) - contract.catalog.models.keys()
    if unknown:
        known = ", ".join(contract.catalog.models)
        raise click.UsageError(f"--model: {min(unknown)!r} is none of {known}")
    key = api_keys()["API_KEY"]
    if not key:
        ctx.exit(_not_tested("there is no API key; set WANFLOW_API_KEY"))
    try:
        check_keys(key, None)
        tls_context()
    except TargetUnavailable as error:
        ctx.exit(_not_tested(str(error)))
    with closing(Target(contract, _checked(url), key)) as server:
        code = _run(server, SpendBudget(spend_limit), models, task_timeout, as_json=as_json)
    ctx.exit(code)


def compared(
    server: Target,
    mock: MockServer,
    budget: SpendBudget,
    models: Collection[str] = (),
    timeout: float = 600.0,
) -> Drift:
    """Compare a server with a mock that accepts the key of this command."""
    own = mock.gateway.api.validator.catalog
    with closing(Target(server.contract, mock.base_url, MOCK_KEY)) as target:
        found = Drift(target, server, own, models, budget, timeout)
        found.run()
    return found


def _run(
    server: Target, budget: SpendBudget, models: Collection[str], timeout: float, *, as_json: bool
) -> int:
    try:
        problem = _problem(server)
        if problem:
            return _not_tested(problem)
        with MockServer(api_key=MOCK_KEY, polls=2) as mock:
            found = compared(server, mock, budget, models, timeout)
    except RateLimited as error:
        return _not_tested(str(error))
    except Exception as error:  # never mixed with a difference
        click.echo(f"wanflow drift: unexpected {type(error).__name__}: {error}", err=True)
        return int(ExitCode.SUITE_ERROR)
    if as_json:
        emit("drift", **found.to_json())
    else:
        click.echo(printable(report_of(found)))
    return int(ExitCode.FINDINGS if found.differences else ExitCode.PASSED)


def _not_tested(why: str) -> int:
    click.echo(f"wanflow drift: {why}", err=True)
    return int(ExitCode.NOT_TESTED)


def _problem(server: Target) -> str:
    """Return why the server can't be tested, empty if it can."""
    operation = server.contract.status_operation
    path = operation.operation.path.partition("{")[0] + _UNKNOWN_TASK
    try:
        status = server.send(PlannedRequest("", operation, path)).status
    except CheckFailed as failure:
        return f"{server.base_url} doesn't respond: {failure.detail}"
    return "the server doesn't accept the API key" if status in {401, 403} else ""


def _checked(url: str) -> str:
    try:
        return split_url(url).geturl().rstrip("/")
    except ValueError as error:
        raise click.UsageError(str(error)) from error


_ROWS = (("spec", "spec"), ("mock", "mock"), ("server", "server"))


def report_of(found: Drift) -> str:
    """Return the result as text: a table of three rows for each difference."""
    lines = list[str]()
    for number, one in enumerate(found.differences, 1):
        times = f", seen {one.count} times" if one.count > 1 else ""
        lines.append(f"{number}. {one.place} ({one.check}; {one.example}{times})")
        for name, row in _ROWS:
            mark = "  <- alone" if one.alone.value == name else ""
            lines.append(f"   {row:<7} {getattr(one, name)}{mark}")
        if one.alone in {Alone.NOBODY, Alone.UNKNOWN}:
            lines.append(f"   alone   {one.alone.value}")
    if not found.differences:
        lines.append("no difference between the spec, the mock and the server")
    return "\n".join([*lines, *_summary(found)])


def _summary(found: Drift) -> list[str]:
    sent = f"{counted(found.server.sent, 'request')} sent to the server"
    said = [f"{sent}, {found.budget.spent_here:g} of {found.budget.limit:g} credits spent"]
    if found.not_sent:
        count = counted(len(found.not_sent), "request")
        said.append(f"{count} not sent, because of a cost above what is left")
    return said
