"""`wanflow contract URL`: run the suite in a pytest process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from argparse import ArgumentTypeError
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wanflow.cli.exit_codes import SigtermReceived
from wanflow_contract.command.environment import KEY2, KEYS, URL, api_keys
from wanflow_contract.command.exit_codes import INTERRUPTED, TERMINATED, ExitCode
from wanflow_contract.command.formats import FORMATS, TEXT, files_of, render
from wanflow_contract.command.main import help_sections
from wanflow_contract.report.result import read_result
from wanflow_contract.support.option_values import credit_limit, last_day, seed
from wanflow_contract.support.server_url import split_url
from wanflow_contract.support.target_options import NO_KEY, check_access, mock_controls
from wanflow_contract.support.unavailable import TargetUnavailable, check_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_PACKAGE = Path(__file__).parents[1]
# Other plugins of the user's environment might reorder, time out or wrap the tests.
_PLUGINS = ("xdist.plugin", "_hypothesis_pytestplugin", "schemathesis.pytest.plugin")
_MOST_JOBS = 64  # more only start, which takes each of them seconds
_PYTEST = "wanflow_contract.pytest_arguments"


class _Context(click.Context):
    """The context of the default subcommand, whose name nobody writes."""

    @property
    def command_path(self) -> str:
        """What a user types."""
        return self.parent.command_path if self.parent else super().command_path


class _Run(click.Command):
    """A command that passes on to pytest what follows `--`."""

    context_class = _Context

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take pytest's arguments away."""
        own, theirs = args, list[str]()
        if "--" in args:
            at = args.index("--")
            own, theirs = args[:at], args[at + 1 :]
        ctx.meta[_PYTEST] = theirs
        return super().parse_args(ctx, own)

    def format_usage(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the usage without the name of the default subcommand."""
        formatter.write_usage("wanflow contract", "[OPTIONS] [URL] [-- PYTEST-ARGS...]")

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the other subcommands and the exit codes."""
        for title, rows in help_sections():
            with formatter.section(title):
                formatter.write_dl(rows)


def _valid(read: Callable[[str], object]) -> Callable[..., str | None]:
    """Return a callback that checks a value before pytest starts, which takes seconds."""

    def check(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
        try:
            if value is not None:
                read(value)
        except ArgumentTypeError as error:
            raise click.BadParameter(str(error)) from error
        return value

    return check


@click.command(cls=_Run)
@click.argument("url", required=False, envvar=URL)
@click.option("--api-key", metavar="KEY", help="API key; better set WANFLOW_API_KEY.")
@click.option("--api-key2", metavar="KEY", help="API key of a second account, to test isolation.")
@click.option(
    "--spend-limit",
    metavar="CREDITS",
    callback=_valid(credit_limit),
    help="Credits that may be spent; 0 by default.",
)
@click.option("--dry-run", is_flag=True, help="Send all to the bundled mock, and list it.")
@click.option("--baseline", metavar="FILE", help="Known deviations (TOML or JSON), not failures.")
@click.option("--baseline-update", is_flag=True, help="Write the findings of this run to it.")
@click.option("--accepted-by", metavar="NAME", help="Who accepts the entries that are added.")
@click.option("--accepted-why", metavar="TEXT", help="Why they are accepted.")
@click.option(
    "--accepted-until",
    metavar="DATE",
    callback=_valid(last_day),
    help="Until when, such as 2027-01-31.",
)
@click.option(
    "--seed",
    metavar="NUMBER",
    callback=_valid(seed),
    help="The same seed gives the same requests.",
)
@click.option("--only", metavar="CHECK", multiple=True, help="Only this check; may be repeated.")
@click.option(
    "--input",
    "inputs",
    metavar="NAME=URL",
    multiple=True,
    help="A file that the server can fetch, for a parameter.",
)
@click.option("--jobs", type=click.IntRange(1, _MOST_JOBS), default=1, help="Number of processes.")
@click.option("--report", metavar="FOLDER", help="Write report.html, report.json, junit.xml here.")
@click.option("--emit-tests", metavar="FOLDER", help="Write each finding as a pytest file here.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default=TEXT,
    show_default=True,
    help="Format of the result on stdout.",
)
@click.option("--strict", is_flag=True, help="Also fail for notes: checks without a sentence.")
@click.option("--require-complete", is_flag=True, help="Exit with 5 if a rule was not tested.")
@click.pass_context
def run(ctx: click.Context, /, form: str, report: str | None, **given: Any) -> None:
    """Test a server of the API against its documents; without URL, the bundled mock.

    \b
      wanflow contract                                      test the bundled mock
      wanflow contract https://api.example --spend-limit 50 --report out
      wanflow contract https://api.example -- -k billing -x

    Nothing that is charged is sent without --spend-limit. What follows -- is passed to pytest.
    """
    given["url"] = _checked_url(given["url"])
    keys = _keys(given)
    if given["url"] and not given["dry_run"]:
        try:
            _check_target(given["url"], keys)
        except TargetUnavailable as error:
            click.echo(f"wanflow contract: {error}", err=True)
            ctx.exit(ExitCode.NOT_TESTED)
    with tempfile.TemporaryDirectory(prefix="wanflow-contract-") as scratch:
        wanted = report or (None if form == TEXT else str(Path(scratch) / "report"))
        files = [f"--contract-report={wanted}", f"--contract-formats={files_of(form)}"]
        arguments = [*_arguments(given), *(files if wanted else ())]
        command = [
            *_COMMAND,
            str(os.getpid()),
            *_settings(Path(scratch)),
            *arguments,
            *ctx.meta[_PYTEST],
        ]
        code = _run(command, _environment(keys, Path(scratch)), quiet=form != TEXT)
        if form != TEXT and wanted:
            _print_result(Path(wanted) / "report.json", form)
    ctx.exit(code)


_COMMAND = (sys.executable, "-P", "-m", "wanflow_contract.command.session")
# The plugin's option of each option that has a value.
_VALUES = {
    "url": "--base-url",
    "spend_limit": "--spend-limit",
    "seed": "--seed",
    "baseline": "--baseline",
    "accepted_by": "--accepted-by",
    "accepted_why": "--accepted-why",
    "accepted_until": "--accepted-until",
    "emit_tests": "--emit-tests",
}
_FLAGS = {
    "dry_run": "--dry-run",
    "baseline_update": "--baseline-update",
    "strict": "--strict-notes",
    "require_complete": "--require-complete",
}


def _checked_url(text: str | None) -> str | None:
    """Return the base URL without spaces around it, None if there is none."""
    url = (text or "").strip()
    try:
        return split_url(url).geturl() if url else None
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _check_target(url: str, keys: Mapping[str, str]) -> None:
    """Check that there is a key, and that the server responds and accepts it, before any test.

    Raises:
        TargetUnavailable: the server can't be tested.
    """
    if not keys[KEYS[0]]:
        raise TargetUnavailable(NO_KEY)
    check_keys(keys[KEYS[0]], keys[KEY2])
    mock_controls(url)
    check_access(url, keys[KEYS[0]], keys[KEY2])


def _arguments(given: Mapping[str, Any]) -> list[str]:
    """Return the options of the pytest plugin."""
    values = [f"{name}={given[one]}" for one, name in _VALUES.items() if given[one] is not None]
    flags = [name for one, name in _FLAGS.items() if given[one]]
    only = [f"--only={one}" for one in given["only"]]
    jobs = [f"-n{given['jobs']}"] if given["jobs"] > 1 else []
    inputs = [f"--input={one}" for one in given["inputs"]]
    return [*values, *flags, *only, *inputs, *jobs]


def _settings(scratch: Path) -> list[str]:
    """Return pytest's own settings: it reads no file of the user's project, and writes none."""
    plugins = [one for name in _PLUGINS for one in ("-p", name)]
    return [
        *("--pyargs", "wanflow_contract", "-p", "wanflow_contract.plugin", *plugins),
        *("-c", str(Path(__file__).with_name("session.ini"))),
        *(f"--rootdir={_PACKAGE.parent}", f"--confcutdir={_PACKAGE}"),
        *("-o", f"cache_dir={cache_folder(scratch)}"),
    ]


def cache_folder(scratch: Path) -> Path:
    """Return a private temporary directory, kept between runs for --lf."""
    owner = os.getuid() if hasattr(os, "getuid") else None
    folder = Path(tempfile.gettempdir()) / f"wanflow-contract-cache-{owner or 0}"
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        # Windows has no such owner and mode; there each user has a temporary directory.
        if not folder.is_symlink() and (owner is None or _is_private(folder.lstat(), owner)):
            return folder
    return scratch / "cache"


def _is_private(found: os.stat_result, owner: int) -> bool:
    """Return whether only its owner writes to a folder."""
    return found.st_uid == owner and not found.st_mode & 0o022


def _keys(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the API keys as environment variables; they are never on a command line."""
    for name in ("api_key", "api_key2"):
        if given[name]:
            option = f"--{name.replace('_', '-')}"
            click.echo(
                f"wanflow contract: others on this machine can read {option} in the process list; "
                f"set {KEYS[0] if name == 'api_key' else KEY2} instead",
                err=True,
            )
    found = api_keys()
    return {
        KEYS[0]: given["api_key"] or found["API_KEY"],
        KEY2: given["api_key2"] or found["API_KEY2"],
    }


def _environment(keys: Mapping[str, str], scratch: Path) -> dict[str, str]:
    return {
        **os.environ,
        **keys,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONSAFEPATH": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(scratch / "hypothesis"),
    }


def _print_result(path: Path, form: str) -> None:
    if path.exists():
        click.echo(render(read_result(path), form))


def _run(command: Sequence[str], environment: Mapping[str, str], *, quiet: bool) -> int:
    """Run a command, and pass on one Ctrl-C or SIGTERM, so that it writes its report.

    It is in a session of its own: a terminal sends Ctrl-C to every process of its group.
    """
    output = sys.stderr.fileno() if quiet else None
    process = subprocess.Popen(command, env=environment, stdout=output, start_new_session=True)
    try:
        return process.wait()
    except KeyboardInterrupt as stop:
        _interrupt(process)
        _end(process)
        return TERMINATED if isinstance(stop, SigtermReceived) else INTERRUPTED
    finally:
        process.kill()  # after a second Ctrl-C
        process.wait()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait until the report is written; who interrupts that twice more, ends it without one."""
    for _ in range(2):
        with suppress(KeyboardInterrupt):
            process.wait()
            return
    process.kill()


def _interrupt(process: subprocess.Popen[bytes], system: str = os.name) -> None:
    """Interrupt a process; on Windows the terminal has done so."""
    if system != "nt":
        process.send_signal(signal.SIGINT)
