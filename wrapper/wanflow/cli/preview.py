"""The dry run: the exact request that a submission would send."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from wanflow.cli.prose import one_line, printable

if TYPE_CHECKING:
    from wanflow.cli.connection import Connection


def preview(body: dict[str, Any], connection: Connection, *, as_json: bool, **terms: Any) -> None:
    """Print the request of a submission, without the key; no key is needed.

    Raises:
        InvalidRequest: it breaks a rule.
        ConfigurationError: the URL is malformed.
    """
    with connection.client(key="not-sent") as client:
        request = client.preview(body, **terms)
    if as_json:
        facts = {"method": request.method, "url": request.url, "headers": dict(request.headers)}
        told = {**facts, "body": dict(request.body), "advice": list(request.advice)}
        click.echo(json.dumps({"event": "dry_run", **told}))
        return
    for advice in request.advice:
        click.echo(one_line(advice), err=True)
    headers = [f"{name}: {value}" for name, value in request.headers.items()]
    lines = [f"{request.method} {request.url}", *headers, "", request.content.decode()]
    click.echo(printable("\n".join(lines)))
