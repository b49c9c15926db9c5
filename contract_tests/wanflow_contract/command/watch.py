"""`wanflow contract proxy` and `read`: judge exchanges that happen anyway."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wanflow.cli.text import counted
from wanflow_contract.findings.finding import printable
from wanflow_contract.report.formats import write_reports
from wanflow_contract.report.publish import lines_of, write_step_summary
from wanflow_contract.report.result import ExitCode
from wanflow_contract.support.unavailable import TargetUnavailable
from wanflow_contract.watch.har import HarUnusable, judge_har, read_har
from wanflow_contract.watch.observer import Observer
from wanflow_contract.watch.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wanflow_contract.watch.proxy import Proxy

_report_option = click.option(
    "--report",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write report.html and report.json here.",
)
_strict_option = click.option(
    "--strict", is_flag=True, help="Also fail for notes: checks without a sentence."
)
_FORMATS = ("html", "json")


@click.command()
@click.option(
    "--upstream", required=True, metavar="URL", help="The server; requests go nowhere else."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port; any free one by default."
)
@_report_option
@_strict_option
@click.pass_context
def proxy(
    ctx: click.Context, upstream: str, host: str, port: int, report: Path | None, strict: bool
) -> None:
    """Forward requests to a server, and judge the exchanges, at no credits.

    \b
      wanflow contract proxy --upstream https://api.example/v1 --port 8080 --report out
      WANFLOW_BASE_URL=http://127.0.0.1:8080 python my_program.py

    Ends with Ctrl-C or SIGTERM, and reports then: exit code 0 without a finding, 1 with findings,
    4 if no exchange could be judged. Bodies are in the report; API keys are not.
    """
    try:
        server = Upstream.of(upstream.strip())
    except ValueError as error:
        raise click.UsageError(f"--upstream: {error}") from error
    from wanflow_contract.watch.proxy import Proxy

    running = Proxy(server, Observer(server.url, strict))
    try:
        asyncio.run(_serve(running, host, port))
    except TargetUnavailable as error:
        click.echo(f"wanflow contract: {error}", err=True)
        ctx.exit(ExitCode.NOT_TESTED)
    except OSError as error:
        raise click.UsageError(
            f"the proxy can't listen on {host}:{port}: {error.strerror or error}"
        ) from error
    failed = counted(running.failures, "request")
    said = f"{failed} got no response from the server, and the answer 502"
    ctx.exit(_finish(running.observer, report, [said] if running.failures else []))


async def _serve(running: Proxy, host: str, port: int) -> None:
    """Serve until the first Ctrl-C or SIGTERM."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: Ctrl-C cancels this task
            loop.add_signal_handler(name, stop.set)
    found = await running.start(host, port)
    shown = f"[{host}]" if ":" in host else host
    click.echo(
        f"http://{shown}:{found} forwards to {running.upstream.url}; Ctrl-C ends it", err=True
    )
    try:
        await stop.wait()
    except asyncio.CancelledError:
        pass
    finally:
        await running.stop()


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--base-url", metavar="URL", help="The server; by default the one of most requests.")
@_report_option
@_strict_option
@click.pass_context
def read(
    ctx: click.Context, file: Path, base_url: str | None, report: Path | None, strict: bool
) -> None:
    """Judge the exchanges of a HAR FILE, as browsers and mitmproxy write it.

    Sends nothing. Exits with 0 without a finding, with 1 with findings, and with 4 if no exchange
    could be judged.
    """
    try:
        server = Upstream.of(base_url.strip()).url if base_url else ""
    except ValueError as error:
        raise click.UsageError(f"--base-url: {error}") from error
    observer = Observer(server, strict)
    try:
        done = judge_har(read_har(file), observer)
    except HarUnusable as error:
        raise click.UsageError(str(error)) from error
    ctx.exit(_finish(observer, report, done.lines()))


def _finish(observer: Observer, folder: Path | None, more: Sequence[str]) -> int:
    """Print the result, write the report, and return the exit code."""
    result = observer.result()
    for line in (*more, *observer.limits(), *lines_of(result), *write_step_summary(result)):
        click.echo(printable(line))
    if folder is not None:
        try:
            written: Any = write_reports(result, folder, _FORMATS)
        except OSError as error:
            raise click.UsageError(
                f"the report can't be written to {folder}: {error.strerror}"
            ) from error
        click.echo(f"contract report: {written[0]}")
    return result.exit_code
