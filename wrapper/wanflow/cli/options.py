"""Options shared by several commands."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from wanflow._config import DEFAULT_WAIT_TIMEOUT, KEY_VARIABLE, UPLOADER_VARIABLE, URL_VARIABLE
from wanflow.cli.values import ParsedValue


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
        type=ParsedValue(_parse_credits),
        metavar="CREDITS",
        help=f"{limited}.",
    )


def _parse_credits(text: str) -> float:
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


def output_dir_option(*, required: bool = False) -> click.Option:
    """Make `--output-dir`."""
    default = "" if required else "; by default, their URLs are printed"
    return click.Option(
        ["-o", "--output-dir"],
        type=ParsedValue(_parse_output_dir, paths="dir"),
        metavar="DIR",
        required=required,
        help=f"Directory for the files{default}.",
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


def _parse_output_dir(text: str) -> Path:
    """Parse a path, and check that it is writable before anything is charged."""
    path = Path(text)
    existing = next((one for one in (path, *path.parents) if one.exists()), path)
    if not existing.is_dir():
        raise ValueError(f"{existing} is not a directory")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ValueError(f"{existing} is not writable")
    return path


def _parse_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{text!r} is not a valid number of seconds")
    return seconds
