"""`wanflow mock`: the mock in a terminal, until it is told to stop."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

import click

from wanflow.mock.server import MockServer, MockUnavailable
from wanflow.mock.unservable import UnservableSpec

if TYPE_CHECKING:
    from types import FrameType

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8700,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option("--api-key", help="The one key to let in; any key is, where none is given.")
@click.option("--seed", type=int, default=0, show_default=True, help="What ids are made from.")
@click.option("--looks", type=click.IntRange(0), help="End a task at this many queries.")
@click.option("--seconds", type=click.FloatRange(0), help="End a task after this time; 5 if unset.")
def mock(
    *,
    host: str,
    port: int,
    api_key: str | None,
    seed: int,
    looks: int | None,
    seconds: float | None,
) -> None:
    """Serve a mock of the gateway, with tasks, files and errors of its own.

    Point a client at the base URL that is printed. Nothing costs anything here.
    """
    if looks is not None and seconds is not None:
        raise click.UsageError("Give --looks or --seconds, not both.")
    if looks is None and seconds is None:
        seconds = 5.0
    try:
        with MockServer(
            host=host, port=port, api_key=api_key, seed=seed, looks=looks, seconds=seconds
        ) as server:
            _announce(server, any_key=api_key is None)
            _wait()
    except (MockUnavailable, UnservableSpec) as error:
        raise click.ClickException(f"{error}.") from error


def _announce(server: MockServer, *, any_key: bool) -> None:
    keys = f"any, such as {server.api_key}" if any_key else "the one that you gave"
    bound = (
        f"loopback only ({server.host})"
        if server.host in _LOOPBACK
        else f"{server.host}: others on the network can reach it"
    )
    click.echo(f"wanflow mock: {server.base_url}")
    click.echo(f"  API key:   {keys}")
    click.echo(f"  listens:   {bound}")
    click.echo("  stop with Ctrl+C")


def _wait() -> None:
    """Sleep until SIGINT or SIGTERM; the previous handlers are put back."""
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    handlers: dict[signal.Signals, Any] = {
        number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        while not stop.wait(3600):
            pass
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
