"""`wanflow mock`: run a mock server until Ctrl+C or SIGTERM."""

from __future__ import annotations

import gc
import signal
import threading
from contextlib import contextmanager, nullcontext
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wanflow.cli.exit_codes import STOP_SIGNALS
from wanflow.cli.mock_spec import read_spec
from wanflow.cli.recording import recording_of, recording_options
from wanflow.cli.values import ParsedValue
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

_MAX_WAIT = 1.0  # Ctrl+C can't interrupt a longer wait on Windows
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def _printer(
    make_text: Callable[[], str],
) -> Callable[[click.Context, click.Parameter, bool], None]:
    """Return an option callback that prints a text and exits."""

    def show(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
        if wanted:
            click.echo(make_text(), nl=False)
            context.exit()

    return show


def _faults() -> str:
    rows = [(syntax(name), kind.effect, kind.value_format) for name, kind in FAULT_KINDS.items()]
    return "".join(
        f"{text:<20} {effect}{f'; {form.placeholder} is {form.description}' if form else ''}\n"
        for text, effect, form in rows
    )


def _guide() -> str:
    return files("wanflow.mock").joinpath("README.md").read_text(encoding="utf-8")


def _print_option(name: str, text: str, make_text: Callable[[], str]) -> Callable[[F], F]:
    show = _printer(make_text)
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
@click.option("--api-key", help="The only accepted key; by default any key is accepted.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed for ids and files.")
@click.option("--polls", type=click.IntRange(0), help="End a task at this number of polls.")
@click.option("--seconds", type=click.FloatRange(0), help="End a task after this time; default 5.")
@click.option(
    "--progression", help="Progression of tasks, such as seconds=60,queue=10,progress=stuck."
)
@click.option(
    "--virtual-clock", is_flag=True, help="Advance time only by POST /_mock/clock/advance."
)
@click.option("--credits", type=click.FloatRange(0), help="Credits of each account.")
@click.option(
    "--rate",
    type=ParsedValue(parse_rate),
    metavar="REQUESTS/SECONDS",
    help="Rate limit of each account.",
)
@click.option("--no-idempotency", is_flag=True, help="Ignore Idempotency-Key.")
@click.option(
    "--idempotency-keys",
    type=click.IntRange(0),
    default=10_000,
    show_default=True,
    help="Remember this many Idempotency-Keys of each account.",
)
@click.option(
    "--idempotency-seconds", type=click.FloatRange(0), help="Forget an Idempotency-Key after this."
)
@click.option("--latency", metavar="DELAY", help="Delay every response, such as lognormal=0.2,1.5.")
@click.option("--public-url", metavar="URL", help="Begin links with this URL.")
@click.option(
    "--allow-host",
    "allow_hosts",
    multiple=True,
    metavar="HOST",
    help="Also begin links with this host if a request names it; repeatable.",
)
@click.option(
    "--cors",
    multiple=True,
    metavar="ORIGIN",
    help="Allow pages of this origin, such as http://localhost:5173, or *; repeatable.",
)
@click.option(
    "--journal-entries",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    help="Keep this many requests in the journal.",
)
@click.option(
    "--spec",
    "document",
    type=ParsedValue(read_spec, paths="file"),
    metavar="FILE",
    help="Serve this merged spec or document, instead of the installed spec.",
)
@click.option(
    "--scenario", type=click.Path(exists=True, dir_okay=False), help="Scenario file (JSON)."
)
@click.option("--state", type=click.Path(dir_okay=False), help="SQLite file to keep tasks in.")
@click.option(
    "--loopback-callbacks", is_flag=True, help="Also allow callback URLs of this machine."
)
@click.option(
    "--fetch-files",
    is_flag=True,
    help="Fetch the links to input files, and check the files; links of this machine, too.",
)
@recording_options
@_print_option("--faults", "List the available faults and exit.", _faults)
@_print_option("--guide", "Print the guide to the mock and exit.", _guide)
def mock(
    *,
    virtual_clock: bool,
    no_idempotency: bool,
    **options: Any,
) -> None:
    """Run a mock server.

    Set the base URL of a client to the one that is printed. Nothing costs anything.

    The web page at /_mock/ shows tasks and requests, and can set clock and faults. Faults can also
    be set by a header (X-Mock-Fault: reset), a prompt directive ([mock:fault=reset]),
    POST /_mock/faults or a scenario file: see --guide and --faults.
    """
    recording = recording_of(options)
    given = [name for name in ("polls", "seconds", "progression") if options[name] is not None]
    if len(given) > 1:
        raise click.UsageError(f"Give --{given[0]} or --{given[1]}, not both.")
    if not given:
        options["seconds"] = 5.0
    clock: Clock = VirtualClock() if virtual_clock else RealClock()
    options |= {"clock": clock, "idempotency": not no_idempotency}
    try:
        server = MockServer(**options)
        recorded = nullcontext() if recording is None else recording.running(server)
        with _stop_event() as stop, recorded, server:
            _announce(server, options)
            if recording is not None:
                recording.announce()
            _collect_rarely()
            while not stop.wait(_MAX_WAIT):
                pass
    except (MockUnavailable, UnsupportedSpec, ValueError) as error:
        raise click.ClickException(f"{error}.") from error


def _announce(server: MockServer, options: dict[str, Any]) -> None:
    key = "the one of --api-key" if options["api_key"] else f"any, such as {server.api_key}"
    click.echo(f"wanflow mock: {server.base_url}")
    click.echo(f"  API key:   {key}")
    click.echo(f"  page:      {server.url}/_mock/")
    if server.app.public_url is not None:
        click.echo(f"  links:     {server.app.public_url}")
    if server.host in _LOOPBACK:
        click.echo(f"  listens:   loopback only ({server.host})")
    else:
        click.echo(f"  listens:   {server.host}: OTHERS ON THE NETWORK CAN REACH IT")
    if not available():
        click.echo("  files:     small placeholders; pip install 'wanflow[media]' for real ones")
    if options["loopback_callbacks"]:
        click.echo("  callbacks: LOOPBACK IS ALLOWED (--loopback-callbacks)")
    click.echo("  stop with Ctrl+C")


def _collect_rarely() -> None:
    """Collect garbage rarely: requests leave no cycles, and each collection takes milliseconds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


@contextmanager
def _stop_event() -> Generator[threading.Event]:
    """Yield an event that SIGINT, SIGTERM and Ctrl-Break set, until the server has stopped.

    A second signal has no effect. The previous handlers are restored at the end.
    """
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    handlers: dict[signal.Signals, Any] = {
        number: signal.signal(number, end) for number in STOP_SIGNALS
    }
    try:
        yield stop
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
