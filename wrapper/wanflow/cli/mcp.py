"""`wanflow mcp`: a server of the Model Context Protocol, for agents."""

from __future__ import annotations

import math
import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click

from wanflow._core.recorder import Budget
from wanflow.catalog.catalog import packaged_catalog
from wanflow.cli.connection import Connection, read_secret
from wanflow.cli.ledger_options import ledger_option, open_ledger, prompts_option
from wanflow.cli.options import (
    address_options,
    connection_options,
    max_credits_option,
    output_dir_option,
    parse_credits,
    resubmit_option,
    uploader_option,
)
from wanflow.cli.values import ParsedValue
from wanflow.errors import ConfigurationError
from wanflow.mcp_server.agent_client import AgentClient
from wanflow.mcp_server.settings import MAX_CALL_SECONDS, Settings, budget_prefix

if TYPE_CHECKING:
    from wanflow.ledger import Ledger
    from wanflow.mcp_server.tools import Tools

TOKEN_VARIABLE = "WANFLOW_MCP_TOKEN"  # noqa: S105 - the name of the variable
_MIN_TOKEN_LENGTH = 16
_MAX_TOKEN_LENGTH = 4096
_DIRECTORY = click.Path(path_type=Path, file_okay=False, exists=True)


def _options() -> list[click.Parameter]:
    limit = max_credits_option("The most that all jobs of the budget may cost, at any time")
    limit.required = True
    return [
        limit,
        click.Option(
            ["--budget"],
            default="default",
            show_default=True,
            metavar="NAME",
            help="The budget that jobs count to, in this ledger, across restarts.",
        ),
        click.Option(
            ["--unknown-price"],
            type=ParsedValue(parse_credits),
            metavar="CREDITS",
            help="What a job of unknown price counts with; by default, it is not sent.",
        ),
        output_dir_option(required=True, local=True),
        click.Option(
            ["--input-dir"],
            multiple=True,
            type=_DIRECTORY,
            help="Directory of local files that may be sent; may be repeated.",
        ),
        click.Option(
            ["--call-timeout"],
            type=click.FloatRange(0.1, MAX_CALL_SECONDS),
            default=MAX_CALL_SECONDS,
            show_default=True,
            metavar="SECONDS",
            help="The longest time of a call, for clients that give up sooner.",
        ),
        click.Option(["--http"], is_flag=True, help="Serve HTTP instead of stdin and stdout."),
        *address_options(8720),
        click.Option(
            ["--allowed-host"],
            multiple=True,
            metavar="HOST[:PORT]",
            help="Further value of the Host header, for a proxy; may be repeated.",
        ),
        click.Option(
            ["--token-file"],
            type=click.Path(path_type=Path, dir_okay=False),
            help=f"File with the token for HTTP; default: {TOKEN_VARIABLE}, or a random one.",
        ),
        resubmit_option(),
        uploader_option(),
        ledger_option(),
        prompts_option(),
        *(one for one in connection_options() if one.name != "as_json"),
    ]


@click.command(params=_options())
def mcp(**options: Any) -> None:
    """Serve agents, over stdin and stdout or HTTP.

    The agents' jobs are charged to your account: --max-credits limits what they may cost.
    """
    try:  # the help needs no extra
        from wanflow.mcp_server.run import run_stdio
        from wanflow.mcp_server.tools import Tools
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"this command needs {missing.name}; run: pip install 'wanflow[mcp]'"
        ) from missing
    settings = make_settings(options)
    keep_prompts = not options["no_prompts"]
    with open_ledger(options["ledger"], create=True, keep_prompts=keep_prompts) as ledger:
        tools = Tools(make_client(options, ledger), ledger, packaged_catalog(), settings)
        if options["http"]:
            _run_http(tools, options)
        else:
            anyio.run(run_stdio, tools)


def make_settings(options: dict[str, Any]) -> Settings:
    """Return the settings of the server that the options give."""
    name = options["budget"]
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name, re.ASCII):
        raise click.UsageError(
            f"--budget must have 1 to 64 characters of A-Z a-z 0-9 . _ - (got {name!r})"
        )
    if math.isinf(options["max_credits"]):
        raise click.UsageError("--max-credits must be a finite number of credits")
    budget = Budget(budget_prefix(name), options["max_credits"], options["unknown_price"])
    return Settings(
        budget,
        options["output_dir"].absolute(),
        options["input_dir"],
        options["resubmit_uncertain"],
        options["call_timeout"],
    )


def make_client(options: dict[str, Any], ledger: Ledger) -> AgentClient:
    """Return the client of the API that the options give."""
    connection = Connection.from_options(options)
    return AgentClient(
        connection.key(),
        connection.base_url,
        ledger=ledger,
        uploader=connection.uploader,
        app="mcp",
    )


def _run_http(tools: Tools, options: dict[str, Any]) -> None:
    from wanflow.mcp_server.http import PATH, listen
    from wanflow.mcp_server.run import run_http

    token, given = _token(options["token_file"])
    try:
        listener = listen(options["host"], options["port"])
    except OSError as error:
        address = f"{options['host']}:{options['port']}"
        raise ConfigurationError(f"{address} can't be used: {error.strerror or error}") from None
    with listener:
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        click.echo(f"listening on http://{shown}:{port}{PATH}; stop with Ctrl+C", err=True)
        if not given:
            click.echo(f"token: {token}", err=True)
        anyio.run(run_http, tools, listener, token, options["allowed_host"])


def _token(path: Path | None) -> tuple[str, bool]:
    """Return the token, and whether the user gave it.

    Raises:
        ConfigurationError: it is too short, or its file can't be read.
    """
    if path is not None:
        given = read_secret(path, "token file", _MAX_TOKEN_LENGTH).strip()
    else:
        given = os.environ.get(TOKEN_VARIABLE, "")
    if path is None and not given:
        return secrets.token_urlsafe(32), False
    if len(given) < _MIN_TOKEN_LENGTH or not given.isascii() or not given.isprintable():
        raise ConfigurationError(
            f"the token for HTTP must have at least {_MIN_TOKEN_LENGTH} printable ASCII characters"
        )
    return given, True
