"""Shows what a request will cost, for several commands."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click
from attrs import asdict

import wanflow
from wanflow.cli.ledger_options import read_ledger
from wanflow.cli.text import one_line

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from wanflow._core.prices import Estimate
    from wanflow.cli.ledger_options import LedgerOptions
    from wanflow.ledger import Ledger


def existing_ledger(options: LedgerOptions) -> AbstractContextManager[Ledger | None]:
    """Open the ledger for its prices; None if it is disabled or doesn't exist yet.

    Raises:
        LedgerError: it can't be read.
    """
    return read_ledger(options.path) if options.exists() else nullcontext()


def estimate_request(
    body: dict[str, Any], base_url: str | None, ledger: Ledger, *, validate: bool = True
) -> Estimate:
    """Estimate the price of a request; its local files need no uploader.

    Raises:
        InvalidRequest: the request is invalid.
        ConfigurationError: the URL is malformed, or the model is at another server.
        LedgerError: the ledger can't be read.
    """
    client = wanflow.Client("not-sent", base_url, ledger=ledger, uploader=str)
    with client:
        return client.estimate(body, validate=validate)


def print_estimate(estimate: Estimate | None, *, err: bool = False) -> None:
    """Print a line about the price, if there is a ledger."""
    if estimate is not None:
        click.echo(f"price: {one_line(estimate.describe())}", err=err)


def estimate_as_dict(estimate: Estimate | None) -> dict[str, Any]:
    """Return the member `estimate` of a JSON line; none without a ledger."""
    return {} if estimate is None else {"estimate": asdict(estimate)}
