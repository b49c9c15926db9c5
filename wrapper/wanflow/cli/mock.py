"""`wanflow mock`: the mock in a terminal, until it is told to stop."""

from __future__ import annotations

import gc
import signal
import threading
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wanflow.mock.clock import Clock, RealClock, VirtualClock
from wanflow.mock.errors import UnsupportedSpec
from wanflow.mock.files.media import available
from wanflow.mock.gateway.fault import FAULT_KINDS, syntax
from wanflow.mock.gateway.limits import parse_rate
from wanflow.mock.server import MockServer, MockUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import FrameType

F = TypeVar("F", bound="Callable[..., object]")

_A_WHILE = 1.0  # Ctrl+C can't interrupt a wait on Windows
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Written(click.ParamType[Any]):
    """An option that is written in a small language of its own."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the text; what is no text was read before."""
        try:
            return self._read(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _told(tell: Callable[[], str]) -> Callable[[click.Context, click.Parameter, bool], None]:
    """Return what prints a text and ends, where an option asks for it."""

    def show(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
        if wanted:
            click.echo(tell(), nl=False)
            context.exit()

    return show


def _faults() -> str:
    rows = [(syntax(name), kind.effect, kind.value_format) for name, kind in FAULT_KINDS.items()]
    return "".join(
        f"{written:<20} {effect}{f'; {takes.placeholder} is {takes.description}' if takes else ''}\n"
        for written, effect, takes in rows
    )


def _guide() -> str:
    return files("wanflow.mock").joinpath("README.md").read_text(encoding="utf-8")


def _shows(name: str, text: str, tell: Callable[[], str]) -> Callable[[F], F]:
    show = _told(tell)
    return click.option(
        name, is_flag=True, is_eager=True, expose_value=False, callback=show, help=text
    )


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
@click.option("--polls", type=click.IntRange(0), help="End a task at this many queries.")
@click.option("--seconds", type=click.FloatRange(0), help="End a task after this time; 5 if unset.")
@click.option(
    "--progression", help="Any way to a task's end, such as seconds=60,queue=10,progress=stuck."
)
@click.option("--virtual-clock", is_flag=True, help="Let time pass by POST /_mock/clock/advance.")
@click.option("--credits", type=click.FloatRange(0), help="Credits of each account.")
@click.option("--rate", type=Written("REQUESTS/SECONDS", parse_rate), help="Rate of each account.")
@click.option("--no-idempotency", is_flag=True, help="Ignore Idempotency-Key.")
@click.option("--scenario", type=click.Path(exists=True, dir_okay=False), help="JSON to play.")
@click.option("--state", type=click.Path(dir_okay=False), help="SQLite file to keep tasks in.")
@click.option("--loopback-callbacks", is_flag=True, help="Send callbacks to this machine, too.")
@_shows("--faults", "List the faults that can be ordered, and end.", _faults)
@_shows("--guide", "Show how to order faults, ends, accounts and time, and end.", _guide)
def mock(
    *,
    virtual_clock: bool,
    no_idempotency: bool,
    **options: Any,
) -> None:
    """Serve a mock of the gateway, with tasks, files and errors of its own.

    Point a client at the base URL that is printed. Nothing costs anything here.

    The page at /_mock/ shows what happens, and has switches for clock and faults. Faults can also
    be ordered by a header (X-Mock-Fault: reset), by words in a prompt ([mock:fault=reset]), by
    POST /_mock/faults, or in a scenario file: --guide tells how, --faults which there are.
    """
    ways = [name for name in ("polls", "seconds", "progression") if options[name] is not None]
    if len(ways) > 1:
        raise click.UsageError(f"Give --{ways[0]} or --{ways[1]}, not both.")
    if not ways:
        options["seconds"] = 5.0
    clock: Clock = VirtualClock() if virtual_clock else RealClock()
    options |= {"clock": clock, "idempotency": not no_idempotency}
    try:
        with _told_to_stop() as stop, MockServer(**options) as server:
            _announce(server, options)
            _collect_seldom()
            while not stop.wait(_A_WHILE):
                pass
    except (MockUnavailable, UnsupportedSpec, ValueError) as error:
        raise click.ClickException(f"{error}.") from error


def _announce(server: MockServer, options: dict[str, Any]) -> None:
    key = "the one that you gave" if options["api_key"] else f"any, such as {server.api_key}"
    click.echo(f"wanflow mock: {server.base_url}")
    click.echo(f"  API key:   {key}")
    click.echo(f"  page:      {server.url}/_mock/")
    if server.host in _LOOPBACK:
        click.echo(f"  listens:   loopback only ({server.host})")
    else:
        click.echo(f"  listens:   {server.host}: OTHERS ON THE NETWORK CAN REACH IT")
    if not available():
        click.echo("  files:     small placeholders; pip install 'wanflow[media]' for real ones")
    if options["loopback_callbacks"]:
        click.echo("  callbacks: LOOPBACK IS ALLOWED (--loopback-callbacks)")
    click.echo("  stop with Ctrl+C")


def _collect_seldom() -> None:
    """Look for lost cycles seldom: an exchange leaves none, and each search takes milliseconds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


@contextmanager
def _told_to_stop() -> Generator[threading.Event]:
    """Return what SIGINT and SIGTERM set, from before the start until all is tidied up.

    A second one changes nothing. The previous handlers are put back.
    """
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    handlers: dict[signal.Signals, Any] = {
        number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
