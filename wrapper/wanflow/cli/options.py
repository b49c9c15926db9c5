"""Options shared by several commands."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import click

from wanflow._config import DEFAULT_WAIT_TIMEOUT, KEY_VARIABLE, UPLOADER_VARIABLE, URL_VARIABLE
from wanflow._core.file_names import FIELDS, parse_template
from wanflow._database_url import is_postgres_url, without_passwords
from wanflow._paths import ObjectPath, output_path
from wanflow.cli.values import ParsedValue
from wanflow.errors import InvalidRequest

QUEUE_VARIABLE = "WANFLOW_QUEUE"


def connection_options() -> list[click.Parameter]:
    """Make `--base-url`, `--api-key-file` and `--json`."""
    return [
        base_url_option(),
        click.Option(
            ["--api-key-file"],
            type=click.Path(path_type=Path, dir_okay=False),
            help=f"File that contains the API key (default: {KEY_VARIABLE}).",
        ),
        json_option(),
    ]


def base_url_option() -> click.Option:
    """Make `--base-url`."""
    return click.Option(
        ["--base-url"], metavar="URL", help=f"Base URL of the API (default: {URL_VARIABLE})."
    )


def json_option() -> click.Option:
    """Make `--json`."""
    return click.Option(
        ["--json", "as_json"], is_flag=True, help="Print JSON, one object per line."
    )


def uploader_option() -> click.Option:
    """Make `--uploader`."""
    return click.Option(
        ["--uploader"],
        metavar="UPLOADER",
        help="Where local files are uploaded: s3://BUCKET/PREFIX, gs://…, az://… or mock "
        f"(default: {UPLOADER_VARIABLE}).",
    )


def address_options(port: int) -> list[click.Parameter]:
    """Make `--host` and `--port` of a server, with its default port."""
    return [
        click.Option(
            ["--host"], default="127.0.0.1", show_default=True, help="Address to listen on."
        ),
        click.Option(
            ["--port"],
            type=click.IntRange(0, 65535),
            default=port,
            show_default=True,
            help="Port to listen on; 0 chooses a free one.",
        ),
    ]


def request_option() -> click.Option:
    """Make `--request`."""
    return click.Option(
        ["--request"],
        metavar="FILE",
        type=click.Path(allow_dash=True),
        help="JSON file with the whole request (- for stdin).",
    )


def resubmit_option() -> click.Option:
    """Make `--resubmit-uncertain`."""
    return click.Option(
        ["--resubmit-uncertain"],
        is_flag=True,
        help="Resend a submission whose response was lost, with the same idempotency key; "
        "may be charged twice.",
    )


def max_credits_option(limited: str) -> click.Option:
    """Make `--max-credits`; `limited` says what it limits."""
    return click.Option(
        ["--max-credits"],
        type=ParsedValue(parse_credits),
        metavar="CREDITS",
        help=f"{limited}.",
    )


def parse_credits(text: str) -> float:
    """Parse a number of credits.

    Raises:
        ValueError: it is none, or negative.
    """
    try:
        credits = float(text)  # noqa: A001 - the API's word
    except ValueError:
        credits = -1.0  # noqa: A001
    if not credits >= 0:
        raise ValueError(f"{text!r} is not a number of credits, 0 or more")
    return credits


def read_input(name: str) -> bytes:
    """Read a file, or stdin if its name is `-`."""
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def queue_option(*, required: bool = True, more: str = "") -> click.Option:
    """Make `--queue`; where it isn't required, an empty one is none. `more` says what it does."""
    return click.Option(
        ["--queue"],
        type=ParsedValue(partial(_parse_queue, required=required)),
        metavar="URL",
        required=required,
        envvar=QUEUE_VARIABLE,
        help=f"postgresql:// URL of a queue{more} (default: {QUEUE_VARIABLE}).",
    )


def output_dir_option(*, required: bool = False, local: bool = False) -> click.Option:
    """Make `--output-dir`; `local` where it can't be in object storage."""
    objects = "" if local else ", or s3://BUCKET/PREFIX, gs://…, az://…"
    default = "" if required else "; by default, their URLs are printed"
    return click.Option(
        ["-o", "--output-dir", "--out"],
        type=ParsedValue(partial(_parse_output_dir, local=local), paths="dir"),
        metavar="DIR",
        required=required,
        help=f"Directory for the files{objects}{default}.",
    )


def name_option(fields: tuple[str, ...] = FIELDS, more: str = "") -> click.Option:
    """Make `--name`, with the fields of its template; `more` says what else it means."""
    shown = ", ".join(f"{{{name}}}" for name in fields)
    return click.Option(
        ["--name"],
        type=ParsedValue(lambda text: _parse_name(text, fields)),
        metavar="TEMPLATE",
        help=f"Name of the files, without their extension, with the fields {shown}{more}.",
    )


def timeout_option() -> click.Option:
    """Make `--timeout`."""
    return click.Option(
        ["--timeout"],
        type=ParsedValue(_parse_seconds),
        default=DEFAULT_WAIT_TIMEOUT,
        metavar="SECONDS",
        help=f"Maximum time to wait, in seconds (default: {DEFAULT_WAIT_TIMEOUT:g}).",
    )


def _parse_queue(text: str, *, required: bool) -> str:
    if is_postgres_url(text) or not (text or required):
        return text
    raise ValueError(f"{without_passwords(text)!r} is no postgresql:// URL of a database")


def _parse_output_dir(text: str, *, local: bool) -> Path:
    """Parse a path, and check that it is writable before anything is charged."""
    path = output_path(text)
    if isinstance(path, ObjectPath):
        if local:
            raise ValueError("the output directory must be a directory of this machine here")
        return path
    existing = next((one for one in (path, *path.parents) if one.exists()), path)
    if not existing.is_dir():
        raise ValueError(f"{existing} is not a directory")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ValueError(f"{existing} is not writable")
    return path


def require_output_dir(name: str | None, output_dir: Path | None) -> None:
    """Refuse a name for files that aren't saved.

    Raises:
        click.UsageError: there is a name, and no directory.
    """
    if name is not None and output_dir is None:
        raise click.UsageError("--name needs --output-dir, the directory of the files")


def _parse_name(text: str, fields: tuple[str, ...]) -> str:
    try:
        parse_template(text, fields)
    except InvalidRequest as error:
        raise ValueError(str(error)) from None
    return text


def _parse_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{text!r} is not a valid number of seconds")
    return seconds
