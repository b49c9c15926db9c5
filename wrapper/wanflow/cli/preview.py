"""The dry run: the exact request that would leave, seen where it would leave, and not sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from wanflow.cli.prose import printable

if TYPE_CHECKING:
    import httpx

    from wanflow.cli.connection import Connection

_KEY_HEADER = "authorization"
# What the transport itself adds says nothing of the request.
_PLUMBING = frozenset({"accept-encoding", "connection"})


def preview(body: dict[str, Any], connection: Connection, *, as_json: bool, **terms: Any) -> None:
    """Print the request of a submission, without the key; no key is needed.

    Raises:
        InvalidRequest: it breaks a rule.
        ConfigurationError: the URL is malformed.
    """
    request = _captured(body, connection, terms)
    headers = {
        name: "Bearer …" if name == _KEY_HEADER else value
        for name, value in request.headers.items()
        if name not in _PLUMBING
    }
    content = request.content.decode()
    if as_json:
        facts = {"method": request.method, "url": str(request.url), "headers": headers}
        click.echo(json.dumps({"event": "dry_run", **facts, "body": json.loads(content)}))
        return
    head = [f"{request.method} {request.url}", *(f"{k}: {v}" for k, v in headers.items())]
    click.echo(printable("\n".join([*head, "", content])))


def _captured(body: dict[str, Any], connection: Connection, terms: dict[str, Any]) -> httpx.Request:
    """Submit over a transport that keeps the request, and answers for the API."""
    import httpx  # noqa: PLC0415 - only a dry run needs it here

    kept: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        kept.append(request)
        return httpx.Response(200, json={"id": "dry-run"})

    with connection.client("not-sent", httpx.MockTransport(answer)) as client:
        client.submit(body, **terms)
    return kept[0]
